"""Targets: each rule broken alone, and files that describe one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from ai_edge_litert import schema_py_generated as schema
from tests.contract.breaks import Edit
from tests.tflite.tiny_model import tree, with_operator

from quantline.contract import check_model
from quantline.contract.targets import RULES, Target, check_target, enforce_target, load
from quantline.errors import CheckFailed, ParameterError
from quantline.tflite import read
from quantline.tflite.edit import pack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from quantline.contract import ContractReport


def held(model: bytes, target: Target) -> ContractReport:
    graph = read(model)
    return check_target(check_model(graph), graph, target, len(model))


@pytest.fixture(scope="module")
def model(plain: Any) -> bytes:
    return bytes(plain.int8_tflite)


@pytest.fixture(scope="module")
def tight(model: bytes) -> dict[str, Any]:
    """A target that has what the model needs, and nothing else."""
    main = read(model).main
    return {
        "name": "tight",
        "operators": {operator.type: operator.version for operator in main.operators},
        "tensor_types": ["int8", "int32"],
        "input_types": ["int8"],
        "output_types": ["int8"],
        "static_shapes": True,
        "per_axis_dense": True,
        "size_limit": len(model),
    }


def test_a_target_of_what_a_model_needs_is_kept(model: bytes, tight: dict[str, Any]) -> None:
    report = held(model, Target(**tight))
    assert (report.target, report.holds_target, report.findings) == ("tight", True, ())
    enforce_target(report)


def without(kind: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(tight: dict[str, Any]) -> dict[str, Any]:
        return {
            "operators": {
                key: tight["operators"][key] for key in tight["operators"].keys() - {kind}
            }
        }

    return change


def lower(kind: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(tight: dict[str, Any]) -> dict[str, Any]:
        return {"operators": {**tight["operators"], kind: tight["operators"][kind] - 1}}

    return change


# What of the tight target is changed, the operator types that are found, and what is said.
BROKEN: dict[str, Any] = {
    "target.operator": (without("MEAN"), {"MEAN"}, "MEAN, which 'tight' does not have"),
    "target.version": (lower("CONV_2D"), {"CONV_2D"}, "'tight' has those up to "),
    "target.type": (lambda _: {"tensor_types": ["int8"]}, {"CONV_2D", "FULLY_CONNECTED", "MEAN"},
                    "int32, which 'tight' does not take"),
    "target.io_type": (lambda _: {"output_types": ["uint8", "float32"]}, {"SOFTMAX"},
                       "int8, which 'tight' does not take as an output"),
    "target.per_axis_dense": (lambda _: {"per_axis_dense": False}, {"FULLY_CONNECTED"},
                              "weights with 4 scales"),
    "target.size": (lambda tight: {"size_limit": tight["size_limit"] - 1}, {"MODEL"}, " bytes; "),
}  # fmt: skip


@pytest.mark.parametrize("rule", BROKEN)
def test_each_rule_is_broken_alone(rule: str, model: bytes, tight: dict[str, Any]) -> None:
    change, types, said = BROKEN[rule]
    report = held(model, Target(**{**tight, **change(tight)}))
    assert report.holds_target is False
    assert {finding.rule for finding in report.findings} == {rule}
    assert {finding.severity for finding in report.findings} == {"target"}
    assert {finding.type for finding in report.findings} == types
    assert all(said in finding.found and finding.expected for finding in report.findings)
    assert (report.integer_only, report.specification) == (True, True)
    with pytest.raises(CheckFailed, match="of the target 'tight'") as stopped:
        enforce_target(report)
    assert report.findings[0].found in stopped.value.found


@pytest.mark.parametrize(("axis", "breaks"), [(0, False), (1, True)])
def test_a_shape_that_is_not_static_is_one_beyond_the_batch(
    axis: int, breaks: bool, model: bytes, tight: dict[str, Any]
) -> None:
    edit = Edit(model)
    tensor = edit.main.tensors[edit.main.inputs[0]]
    shape = np.array(tensor.shape)
    shape[axis] = -1
    tensor.shapeSignature = shape
    changed = edit.bytes()
    report = held(changed, Target(**{**tight, "size_limit": len(changed)}))
    assert [finding.rule for finding in report.findings] == ["target.static_shape"] * breaks
    loose = Target(**{**tight, "size_limit": len(changed), "static_shapes": False})
    assert held(changed, loose).holds_target


def test_every_rule_is_broken_by_a_test() -> None:
    assert {*BROKEN, "target.static_shape"} == set(RULES)


def test_what_a_target_does_not_say_is_not_demanded(model: bytes, sine: Any) -> None:
    assert held(model, Target(name="any")).holds_target
    assert held(sine.int8_tflite, Target(name="any")).holds_target


@pytest.mark.parametrize("allowed", [{}, {"Mine": None}, {"Mine": 1}, {"Mine": 2}])
def test_a_custom_operator_must_be_named_as_one(allowed: dict[str, int | None]) -> None:
    made = tree()
    with_operator(schema.BuiltinOperator.CUSTOM, [0], [3], "Mine")(made)
    made.operatorCodes[0].version = 2
    target = Target(name="t", operators={"FULLY_CONNECTED": None}, custom_operators=allowed)
    found = [finding.rule for finding in held(pack(made, 1 << 12), target).findings
             if finding.severity == "target"]  # fmt: skip
    expected = {(): ["target.operator"], (1,): ["target.version"]}
    assert found == expected.get(tuple(allowed.values()), [])


def test_findings_keep_the_order_of_a_report(sine: Any) -> None:
    target = Target(name="t", operators={"CONV_2D": None})
    severities = [finding.severity for finding in held(sine.int8_tflite, target).findings]
    assert severities == sorted(severities, key=["integer_only", "target", "note"].index)
    assert {"integer_only", "target"} <= set(severities)


def test_a_target_of_ones_own_is_a_file(tmp_path: Path, model: bytes) -> None:
    path = tmp_path / "mcu.yml"
    path.write_text("operators: [CONV_2D, MEAN, FULLY_CONNECTED]\nper_axis_dense: false\n")
    target = load(str(path))
    assert target.name == "mcu"
    assert target.operators == {"CONV_2D": None, "MEAN": None, "FULLY_CONNECTED": None}
    report = held(model, target)
    assert {finding.rule for finding in report.findings} == {
        "target.operator",
        "target.per_axis_dense",
    }


MISTAKES = {
    "unknown key": ("operatrs: [ADD]", ["'mcu.operatrs' of the target in '", "'operators'"]),
    "unknown operator": ("operators: [CONV2D]", ["'mcu.operators'", "'CONV2D' is none",
                                                 "Did you mean 'CONV_2D'?"]),
    "unknown type": ("tensor_types: [int9]", ["'mcu.tensor_types'", "'int9' is none"]),
    "a version that is none": ("operators: {ADD: 0}", ["'mcu.operators", "greater than 0"]),
    "a size in words": ("size_limit: 1 MiB", ["'mcu.size_limit' has a bad value", "integer"]),
    "a list": ("- ADD", ["cannot be read", "list at the top"]),
    "no YAML": ("operators: [ADD", ["cannot be read", "expected ',' or ']'"]),
    "nothing": ("", ["cannot be read", "NoneType at the top"]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_file_is_told(text: str, said: list[str], tmp_path: Path) -> None:
    path = tmp_path / "mcu.yml"
    path.write_text(text)
    with pytest.raises(ParameterError) as wrong:
        load(str(path))
    assert str(path) in str(wrong.value)
    for words in said:
        assert words in str(wrong.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [("cpuu", "Did you mean 'cpu'?"), ("xyz", "docs/targets.md"), ("", "There is no target ''"),
     ("nothing.yml", "no such file"), ("cpu.yaml", "no such file")],
)  # fmt: skip
def test_a_target_that_is_not_there(name: str, said: str) -> None:
    with pytest.raises(ParameterError) as wrong:
        load(name)
    assert said in str(wrong.value)


def test_the_targets_in_the_docs_are_sound(tmp_path: Path) -> None:
    from tests.conftest import PROJECT

    page = (PROJECT / "docs/targets.md").read_text()
    (example,) = page.split("```yaml\n")[1:]
    path = tmp_path / "micro.yml"
    path.write_text(example.split("```")[0])
    assert yaml.safe_load(path.read_text()).keys() <= Target.model_fields.keys()
    assert load(str(path)).operators
    for rule in RULES:
        assert f"`{rule}`" in page
