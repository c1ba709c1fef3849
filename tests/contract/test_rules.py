"""Each rule: a sound model of the public converter, an edit that breaks the rule, one finding."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from ai_edge_litert import schema_py_generated as schema
from tests.conftest import public_convert
from tests.contract.breaks import BREAKS, Break, called
from tests.contract.edited import Edit
from tests.quantization.architectures import architecture

from quantline.contract import check_model
from quantline.contract.rules import RULES
from quantline.contract.specification import SPECIFICATION
from quantline.errors import ModelUnsupported
from quantline.tflite import Runtime, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantline.contract import Finding


@pytest.fixture(scope="module")
def sound(tf: Any, plain: Any, depthwise: Any, residual: Any) -> Callable[[str], bytes]:
    """Models that the public converter made, by name."""

    @cache
    def make(name: str) -> bytes:
        if name == "int16":
            return public_convert(
                plain.saved_model,
                optimizations=[tf.lite.Optimize.DEFAULT],
                representative_dataset=lambda: ([sample[None]] for sample in plain.samples),
                supported_ops=[
                    tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
                ],
                inference_input_type=tf.int16,
                inference_output_type=tf.int16,
            )
        if name == "lstm":
            return architecture("fused_lstm").public("int8")
        if name == "called":
            return called(plain.int8_tflite)
        return {"plain": plain, "depthwise": depthwise, "residual": residual}[name].int8_tflite

    return make


CASES = [
    pytest.param(rule, value, id=f"{rule}-{number}")
    for rule, breaks in BREAKS.items()
    for number, value in enumerate(breaks)
]


@pytest.mark.parametrize(("rule", "broken"), CASES)
def test_a_broken_rule_is_caught_and_no_other(rule: str, broken: Break, sound: Any) -> None:
    model = sound(broken.model)
    assert check_model(read(model)).findings == ()
    edit = Edit(model)
    broken.edit(edit)
    report = check_model(read(edit.bytes()), specification=broken.held_to)
    assert {other.rule for other in report.findings} == {rule}
    (severity,) = {other.severity for other in report.findings}
    assert severity == RULES[rule].severity
    assert report.integer_only == (severity != "integer_only")
    assert report.specification == (severity != "specification")
    assert len(report.findings) <= 2  # of a tensor between two operators each may speak


def test_every_rule_has_a_model_that_breaks_it() -> None:
    assert set(BREAKS) == set(RULES)


def finding(sound: Any, rule: str, number: int = 0) -> Finding:
    broken = BREAKS[rule][number]
    edit = Edit(sound(broken.model))
    broken.edit(edit)
    return check_model(read(edit.bytes()), specification=broken.held_to).findings[0]


def test_a_finding_names_its_place(sound: Any) -> None:
    found = finding(sound, "bias.scale")
    (operator,) = (
        other for other in read(sound("plain")).main.operators if other.type == "FULLY_CONNECTED"
    )
    assert (found.subgraph, found.operator, found.type) == (0, operator.index, "FULLY_CONNECTED")
    assert found.tensor == operator.inputs[2]
    assert found.name == read(sound("plain")).main.tensors[operator.inputs[2]].name
    assert "in channel 0" in found.found
    assert found.expected.startswith("input scale times weight scale, ")


@pytest.mark.parametrize(
    ("rule", "number", "said"),
    [
        ("integer.operator", 1, "float16"),
        ("integer.operator", 2, "float64"),
        ("custom.flex", 0, "Erf"),
        ("integer.unknown", 0, "250"),
        ("weights.type", 0, "uint8"),
        ("weights.dead_channel", 0, "1 of 4 channels: 1"),
        ("scales.apart", 0, "steps of the output's 256"),
        ("model.uint8", 0, "2 operators"),
    ],
)
def test_what_was_found_is_named(rule: str, number: int, said: str, sound: Any) -> None:
    assert said in finding(sound, rule, number).found


# The others run all the same, and give wrong numbers or none that anyone has promised.
REFUSED = (
    "integer.unknown", "custom.unknown", "custom.flex", "tensor.scale", "activation.type",
    "activation.zero_point", "activation.fixed", "activation.same_scale", "weights.zero_point",
    "weights.axis", "bias.type", "bias.zero_point",
)  # fmt: skip


@pytest.mark.parametrize("rule", REFUSED)
def test_the_runtime_refuses_what_breaks_the_rule(rule: str, sound: Any) -> None:
    """The kernels' own checks are an independent reading of the same rule."""
    broken = BREAKS[rule][0]
    edit = Edit(sound(broken.model))
    broken.edit(edit)
    with pytest.raises(ModelUnsupported):
        Runtime(edit.bytes())


@pytest.mark.parametrize(
    "kind",
    ["LOG_SOFTMAX", "L2_NORMALIZATION", "HARD_SWISH", "RELU_N1_TO_1", "EXP", "ABS", "RELU"],
)
def test_the_kernels_take_int16_where_the_table_says_so(kind: str, sound: Any) -> None:
    edit = Edit(sound("int16"))
    edit.retype("SOFTMAX", getattr(schema.BuiltinOperator, kind))
    if SPECIFICATION[kind].has_int16:
        Runtime(edit.bytes()).invoke()
    else:
        with pytest.raises((ModelUnsupported, RuntimeError)):
            Runtime(edit.bytes()).invoke()
