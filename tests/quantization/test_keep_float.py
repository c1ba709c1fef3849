"""What is told to stay float stays float, and nothing else; what cannot be told is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.small_models import small
from tests.quantization.architectures import architecture

from quantline import recipe
from quantline.errors import BackendUnavailable, ModelUnsupported, ParameterError, QuantlineError
from quantline.quantization import backends, quantize
from quantline.quantization.schemes import FloatOperators, find_kept_operators
from quantline.quantization.tensorflow_backend import quantize as with_tensorflow
from quantline.tflite import Graph, read

NEVER_LEFT_IN_FLOAT = {"AVERAGE_POOL_2D", "GATHER", "GATHER_ND", "MAX_POOL_2D", "REDUCE_MAX",
                      "REDUCE_MIN", "SLICE", "STRIDED_SLICE"}  # fmt: skip
FALLBACK: dict[str, Any] = {"scheme": "int8_float_fallback"}


SMALLER = {
    "AVERAGE_POOL_2D": "average_pool", "GATHER": "gather", "GATHER_ND": "gather_nd",
    "MAX_POOL_2D": "max_pool", "REDUCE_MAX": "reduce_max", "REDUCE_MIN": "reduce_min",
    "SLICE": "slice", "STRIDED_SLICE": "strided_slice",
}  # fmt: skip


def conversion(*entries: str, **settings: Any) -> recipe.Conversion:
    values = {**FALLBACK, **settings, "keep_float": list(entries)}
    return recipe.check(recipe.Conversion, values)


def floats(graph: Graph) -> list[tuple[str, str]]:
    """The operators that compute in float: their type, and the name of what they write."""
    tensors = graph.main.tensors
    return [
        (operator.type, tensors[operator.outputs[0]].name)
        for operator in graph.main.operators
        if operator.type not in {"QUANTIZE", "DEQUANTIZE"}
        and "float32" in {tensors[index].dtype for index in (*operator.inputs, *operator.outputs)}
    ]


def made(name: str, kept: FloatOperators) -> Graph:
    model = architecture(name)
    bounds = {tensor.index: (tensor.min, tensor.max) for tensor in model.stock_ranges().tensors}
    content = with_tensorflow(
        model.float_tflite, bounds, "int8_float_fallback", "int8", "int8", kept
    )
    return read(content)


@pytest.mark.parametrize("name", ["conv", "residual", "concatenation", "squeeze_and_excite"])
def test_all_operators_of_a_type_stay_float_and_no_others(name: str) -> None:
    graph = read(architecture(name).float_tflite)
    for kind in sorted({operator.type for operator in graph.main.operators} - NEVER_LEFT_IN_FLOAT):
        count = sum(operator.type == kind for operator in graph.main.operators)
        left = floats(made(name, find_kept_operators(graph, conversion(kind))))
        assert [value for value, _ in left] == [kind] * count


@pytest.mark.parametrize("name", ["conv", "residual"])
def test_an_operator_stays_float_by_the_name_of_what_it_writes(name: str) -> None:
    graph = read(architecture(name).float_tflite)
    for operator in graph.main.operators:
        if operator.type in NEVER_LEFT_IN_FLOAT:
            continue
        written = graph.main.tensors[operator.outputs[0]].name
        kept = find_kept_operators(graph, conversion(written))
        assert kept == FloatOperators(tensors=frozenset({written}))
        left = floats(made(name, kept))
        assert [kind for kind, _ in left] == [operator.type]


def test_a_pattern_and_a_type_add_up() -> None:
    graph = read(architecture("conv").float_tflite)
    kept = find_kept_operators(graph, conversion("SOFTMAX", ".*[Cc]onv.*"))
    assert {kind for kind, _ in floats(made("conv", kept))} == {"SOFTMAX", "CONV_2D"}


@pytest.mark.parametrize("kind", sorted(NEVER_LEFT_IN_FLOAT))
def test_what_tensorflow_makes_integer_again_is_refused(kind: str) -> None:
    """Measured: told to leave it, TensorFlow has it work on the integers."""
    model = small(SMALLER[kind])
    graph = read(model.float_tflite)
    with pytest.raises(ParameterError, match=f"{kind}, which TensorFlow does not leave"):
        find_kept_operators(graph, conversion(kind))
    kept = FloatOperators(types=frozenset({kind}))
    content = with_tensorflow(
        model.float_tflite, model.bounds(), "int8_float_fallback", "int8", "int8", kept
    )
    assert floats(read(content)) == []


def test_the_recipe_tells_it() -> None:
    model = architecture("conv")
    done = quantize(model.float_tflite, model.stock_ranges(), conversion("SOFTMAX"))
    assert done.recipe["keep_float"] == ["SOFTMAX"]
    assert done.recipe["left_in_float"] == ["SOFTMAX"]
    assert {kind for kind, _ in floats(read(done.content))} == {"SOFTMAX"}


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("softmax", "Did you mean 'SOFTMAX'"),
        ("CONV2D", "Did you mean 'CONV_2D'"),
        ("nothing like it", "Correct or remove it"),
    ],
)
def test_what_fits_nothing_is_refused_with_close_names(entry: str, says: str) -> None:
    graph = read(architecture("conv").float_tflite)
    with pytest.raises(ParameterError, match=says):
        find_kept_operators(graph, conversion(entry))


def test_a_tensor_of_an_operator_of_several_outputs_is_refused_with_its_type() -> None:
    graph = read(architecture("unrolled_lstm").float_tflite)
    split = next(operator for operator in graph.main.operators if operator.type == "SPLIT")
    with pytest.raises(ParameterError, match="Write 'SPLIT'"):
        find_kept_operators(graph, conversion(graph.main.tensors[split.outputs[0]].name))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"scheme": "int8"}, "Use `scheme='int8_float_fallback'`"),
        ({"scheme": "int8_per_tensor"}, "Use `scheme='int8_float_fallback'`"),
        ({"scheme": "int16x8"}, "Use `scheme='int8_float_fallback'`"),
        ({"scheme": "dynamic_range"}, "leaves all activations in float"),
        ({"scheme": "float16"}, "leaves all activations in float"),
        ({"backend": "litert"}, "Use `backend='tensorflow'`"),
    ],
)
def test_it_is_refused_where_it_contradicts_the_scheme_or_the_back_end(
    settings: dict[str, Any], says: str
) -> None:
    model = architecture("conv")
    ranges = model.stock_ranges()
    with pytest.raises(ModelUnsupported, match=says):
        quantize(model.float_tflite, ranges, conversion("SOFTMAX", **settings))


def test_the_back_end_that_stands_in_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*arguments: Any, **settings: Any) -> None:
        raise BackendUnavailable("no", found="no", expected="yes", remedy="none")

    monkeypatch.setattr(backends, "run_in_child", lacks)
    model = architecture("conv")
    with pytest.raises(ModelUnsupported, match="The back end 'litert' cannot leave chosen"):
        quantize(model.float_tflite, model.stock_ranges(), conversion("SOFTMAX"))


def test_a_broken_pattern_is_refused_with_the_parameters() -> None:
    with pytest.raises(QuantlineError, match=r"conversion\.keep_float"):
        conversion("(")
