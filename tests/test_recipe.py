from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from quantline import recipe
from quantline.errors import ParameterError
from quantline.release.flatten import flatten

CONF = Path(__file__).resolve().parents[1] / "conf" / "base"


def defaults() -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for file in sorted(CONF.glob("parameters_*.yml")):
        values = yaml.safe_load(file.read_text())
        assert not merged.keys() & values.keys(), f"{file.name} repeats a key"
        merged |= values
    return merged


@pytest.fixture
def parameters() -> dict[str, Any]:
    return defaults()


def put(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with one value at a dotted path replaced."""
    changed = deepcopy(values)
    *parents, last = path.split(".")
    inner = changed
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    return changed


def explained(parameters: dict[str, Any]) -> ParameterError:
    with pytest.raises(ParameterError) as caught:
        recipe.check_all(parameters)
    return caught.value


def test_the_defaults_of_conf_base_pass(parameters: dict[str, Any]) -> None:
    recipe.check_all(parameters)


def test_conf_base_names_every_block(parameters: dict[str, Any]) -> None:
    assert set(parameters) == set(recipe.BLOCKS)


@pytest.mark.parametrize("key", sorted(recipe.BLOCKS))
def test_conf_base_names_every_field_of(key: str, parameters: dict[str, Any]) -> None:
    """What the YAML leaves out, a user does not know of."""
    block = recipe.check(recipe.BLOCKS[key], parameters[key])
    assert dict(flatten(block.model_dump(mode="json"))) == dict(flatten(parameters[key]))


@pytest.mark.parametrize("key", sorted(recipe.BLOCKS))
def test_where_a_block_has_defaults_they_are_those_of_conf_base(key: str) -> None:
    assert_same_defaults(recipe.BLOCKS[key], defaults()[key], key)


# What conf/base sets for the embedded dataset and model; a project of one's own sets others.
CHOSEN = {
    "dataset.data_dir",
    "dataset.tfds.name",
    "dataset.tfds.version",
    "dataset.transform",
    "gate.absolute_by_model",
}


def assert_same_defaults(block: Any, values: dict[str, Any], path: str) -> None:
    for name, field in block.model_fields.items():
        here = f"{path}.{name}"
        if here in CHOSEN:
            continue
        if hasattr(field.annotation, "model_fields"):
            assert_same_defaults(field.annotation, values[name], here)
        elif not field.is_required():
            default = field.default
            assert (list(default) if isinstance(default, tuple) else default) == values[name], here


@pytest.mark.parametrize(
    ("path", "close"),
    [
        ("conversion.imput_type", "input_type"),
        ("sampling.calibration.example", "examples"),
        ("baseline.latency.thread", "threads"),
        ("evaluation.edgetpu.runtime_versoin", "runtime_version"),
        ("gate.against_champion.size_grow", "size_growth"),
        ("dataset.tfds.input_keys", "input_key"),
    ],
)
def test_an_unknown_key_is_named_with_its_close_match(
    parameters: dict[str, Any], path: str, close: str
) -> None:
    error = explained(put(parameters, path, 1))
    assert error.what == f"Unknown parameter '{path}'"
    assert close in error.expected.split("one of ")[1].split(", ")
    assert error.remedy.startswith(f"Did you mean '{close}'")


def test_an_unknown_key_without_a_close_match_is_to_be_removed(parameters: dict[str, Any]) -> None:
    error = explained(put(parameters, "validation.xyz", 1))
    assert (error.found, error.remedy) == ("'xyz'", "Remove it")


def test_an_unknown_block_is_named_with_its_close_match(parameters: dict[str, Any]) -> None:
    error = explained({**parameters, "convresion": {}})
    assert error.what == "Unknown parameter 'convresion'"
    assert error.remedy == "Did you mean 'conversion'?"


@pytest.mark.parametrize("key", [5, None, "xyz"])
def test_an_unknown_block_of_any_kind_is_an_error(parameters: dict[str, Any], key: Any) -> None:
    assert f"'{key}'" in explained({**parameters, key: {}}).what


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.path", True),
        ("model.path", None),
        ("dataset.source", "npy"),
        ("dataset.label_offset", 0.5),
        ("dataset.image_csv.color", "RGB"),
        ("dataset.tfds", None),
        ("dataset.tfds", []),
        ("dataset.tfds.version", 3.0),
        ("sampling.seed", -1),
        ("sampling.seed", "2019"),
        ("sampling.calibration.examples", 0),
        ("sampling.calibration.examples", "100"),
        ("sampling.calibration.split", ["train"]),
        ("sampling.evaluation.examples", 1.5),
        ("baseline.parity.tolerance", 0),
        ("baseline.parity.tolerance", "0.1"),
        ("baseline.latency.runs", True),
        ("conversion.input_type", "int64"),
        ("conversion.timeout_s", -1),
        ("validation.integer_only", "yes"),
        ("validation.integer_only", 1),
        ("evaluation.edgetpu.runtime_version", 9),
        ("evaluation.edgetpu.runtime_version", 15),
        ("gate.confidence", 0.5),
        ("gate.against_float.top1_margin_points", 0),
        ("training.epochs", 0),
        ("training.learning_rate", "1e-3"),
    ],
)
def test_a_bad_value_is_named_with_what_was_found(
    parameters: dict[str, Any], path: str, value: Any
) -> None:
    error = explained(put(parameters, path, value))
    assert error.what == f"Parameter '{path}' has a bad value"
    assert error.found == repr(value)
    assert path in error.remedy


def test_allowed_values_are_listed(parameters: dict[str, Any]) -> None:
    expected = explained(put(parameters, "conversion.output_type", "int4")).expected
    assert all(name in expected for name in ("float32", "int8", "uint8"))


@pytest.mark.parametrize("value", [5, [5], [{1: 2}]])
def test_a_bad_transform_is_named(parameters: dict[str, Any], value: Any) -> None:
    error = explained(put(parameters, "dataset.transform", value))
    assert error.what.startswith("Parameter 'dataset.transform")


@pytest.mark.parametrize("path", ["model.path", "sampling.seed", "sampling.calibration.split"])
def test_a_missing_value_is_named(parameters: dict[str, Any], path: str) -> None:
    changed = put(parameters, path, None)
    *parents, last = path.split(".")
    inner = changed
    for parent in parents:
        inner = inner[parent]
    del inner[last]
    error = explained(changed)
    assert error.what == f"Parameter '{path}' is missing"
    assert "--params" in error.remedy


@pytest.mark.parametrize("key", ["model", "dataset", "sampling", "training"])
def test_a_missing_block_is_missing_its_values(parameters: dict[str, Any], key: str) -> None:
    del parameters[key]
    assert explained(parameters).what.startswith(f"Parameter '{key}.")


@pytest.mark.parametrize("key", ["baseline", "conversion", "validation", "evaluation"])
def test_a_block_of_defaults_may_be_left_out(parameters: dict[str, Any], key: str) -> None:
    del parameters[key]
    recipe.check_all(parameters)


@pytest.mark.parametrize("key", sorted(recipe.BLOCKS))
@pytest.mark.parametrize("value", [None, [], "text"])
def test_a_block_that_is_no_mapping_is_an_error(
    parameters: dict[str, Any], key: str, value: Any
) -> None:
    assert explained({**parameters, key: value}).what == f"Parameter '{key}' has a bad value"


def test_other_mistakes_in_the_block_are_counted(parameters: dict[str, Any]) -> None:
    two_more = put(put(parameters, "training.batch_size", "4"), "training.learning_rate", -1.0)
    error = explained(put(two_more, "training.epochs", 0))
    assert "'training.epochs'" in error.what
    assert "(2 more mistakes in 'training')" in error.what


def test_tfds_needs_a_name(parameters: dict[str, Any]) -> None:
    error = explained(put(parameters, "dataset.tfds.name", None))
    assert "dataset.tfds.name" in str(error)


@pytest.mark.parametrize("source", ["image_csv", "npz"])
def test_files_need_no_tfds_name(parameters: dict[str, Any], source: str) -> None:
    files = put(put(parameters, "dataset.tfds.name", None), "dataset.source", source)
    recipe.check_all(files)


def test_a_limit_given_with_dots_and_as_levels_is_named(parameters: dict[str, Any]) -> None:
    """With levels in conf/base and dots elsewhere, neither replaces the other."""
    absolute = {"int8_metrics": {"top1": {"min": 0.9}}, "int8_metrics.top1": {"min": 0.8}}
    error = explained(put(parameters, "gate.absolute", absolute))
    assert "'gate.absolute'" in error.what
    assert error.expected.endswith("not int8_metrics.top1")


def test_a_transform_may_be_a_function(parameters: dict[str, Any]) -> None:
    recipe.check_all(put(parameters, "dataset.transform", "module:name"))


def test_checked_values_are_read_only() -> None:
    checked = recipe.check(recipe.Conversion, {})
    with pytest.raises(ValueError, match="frozen"):
        checked.input_type = "uint8"


def test_check_names_the_key_it_is_given() -> None:
    with pytest.raises(ParameterError, match=r"'anything\.runs'"):
        recipe.check(recipe.Latency, {"runs": 0}, "anything")


@pytest.mark.parametrize(
    ("path", "name"),
    [("models/my.keras", "my"), ("exported/v2.1", "v2"), ("a b:c.tflite", "a_b_c")],
)
def test_a_registered_model_is_named_like_its_file(path: str, name: str) -> None:
    model = recipe.Model(path=path)
    assert recipe.Release().name(model) == name
    assert recipe.Release(model="chosen").name(model) == "chosen"


FLOATS = (
    "baseline.parity.tolerance", "gate.against_float.loss_margin",
    "gate.against_float.top1_margin_points",
    "gate.against_champion.size_growth", "gate.confidence", "conversion.ranges.percentile",
    "training.learning_rate",
)  # fmt: skip


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("path", FLOATS)
def test_no_number_may_be_nan_or_infinite(
    parameters: dict[str, Any], path: str, value: float
) -> None:
    assert f"'{path}'" in explained(put(parameters, path, value)).what


def test_no_block_has_a_float_that_may_be_nan() -> None:
    """Of all blocks there are, whatever is added to them."""
    todo, seen = [recipe.Parameters], set[type]()
    while todo:
        block = todo.pop()
        todo += block.__subclasses__()
        seen.add(block)
        assert block.model_config["allow_inf_nan"] is False, block
    assert len(seen) > 20


@pytest.mark.parametrize("bounds", [{"min": float("nan")}, {"max": float("inf"), "min": 0.0}])
def test_limits_and_overrides_are_finite_too(
    parameters: dict[str, Any], bounds: dict[str, float]
) -> None:
    limits = put(parameters, "gate.absolute", {"int8_metrics": {"top1": bounds}})
    assert "gate.absolute" in explained(limits).what
    override = {"tensor": "a", "min": float("nan"), "max": 1.0}
    explained(put(parameters, "conversion.ranges.overrides", [override]))


STEPS = {
    "nan": ({"rescale": {"scale": float("nan")}}, "dataset.transform.0.rescale.scale", "finite"),
    "too large": ({"rescale": {"scale": 1e39}}, "dataset.transform.0.rescale.scale", "less than"),
    "bool": ({"resize": {"height": True, "width": 3}}, "dataset.transform.0.resize.height",
             "integer"),
    "text": ({"rescale": "half"}, "dataset.transform.0.rescale.scale", "number"),
    "no width": ({"resize": 8}, "dataset.transform.0.resize.width", "value"),
    "deviation": ({"normalize": {"mean": 0.5, "std": 0}}, "dataset.transform.0.normalize.std.0",
                  "above 0"),
    "unknown step": ({"resise": 3}, "dataset.transform.0", "Did you mean 'resize'"),
    "two": ({"cast": "uint8", "rescale": 1}, "dataset.transform.0", "one operation"),
    "no step": (3, "dataset.transform.0", "one operation"),
    "dtype": ({"cast": "object"}, "dataset.transform.0.cast.dtype", "dtype of numbers"),
    "huge": ({"resize": {"height": 10**6, "width": 3}}, "dataset.transform.0.resize.height",
             "16384"),
}  # fmt: skip


@pytest.mark.parametrize(("step", "path", "said"), STEPS.values(), ids=STEPS)
def test_a_step_of_the_transform_is_checked_at_the_border(
    parameters: dict[str, Any], step: Any, path: str, said: str
) -> None:
    error = explained(put(parameters, "dataset.transform", [step]))
    assert f"'{path}'" in error.what
    assert said in str(error)


def test_an_unknown_argument_of_a_step_has_its_close_match(parameters: dict[str, Any]) -> None:
    step = {"resize": {"heigth": 3, "width": 3}}
    error = explained(put(parameters, "dataset.transform", [{"cast": "uint8"}, step]))
    assert error.what.startswith("Unknown parameter 'dataset.transform.1.resize.heigth'")
    assert error.remedy == "Did you mean 'height'?"


def test_an_unknown_key_of_an_override_has_its_close_match(parameters: dict[str, Any]) -> None:
    override = {"tensor": "a", "methode": "mse", "method": "mse"}
    error = explained(put(parameters, "conversion.ranges.overrides", [override]))
    assert error.remedy == "Did you mean 'method'?"


@pytest.mark.parametrize("value", [3, None, {}, 1.5])
def test_a_transform_of_another_kind_is_named_without_detours(
    parameters: dict[str, Any], value: Any
) -> None:
    error = explained(put(parameters, "dataset.transform", value))
    assert error.what == "Parameter 'dataset.transform' has a bad value"
    assert "a list of steps" in error.expected


def test_a_transform_is_kept_as_it_was_given(parameters: dict[str, Any]) -> None:
    steps = [{"rescale": None}, {"cast": "uint8"}, {"normalize": {"mean": 1, "std": [2.0]}}]
    checked = recipe.check(recipe.Dataset, {**parameters["dataset"], "transform": steps})
    assert checked.transform == steps


@pytest.mark.parametrize(
    "path", ["sampling.seed", "training.seed", "gate.seed", "conversion.timeout_s"]
)
def test_numbers_beyond_those_of_the_libraries_are_refused(
    parameters: dict[str, Any], path: str
) -> None:
    assert path in explained(put(parameters, path, 10**30)).what


def test_a_long_value_is_shown_in_part(parameters: dict[str, Any]) -> None:
    error = explained(put(parameters, "conversion.timeout_s", "x" * 10_000))
    assert len(error.found) < 400
