"""What is foretold of a float model against what the real quantizers then do."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from tests.contract.bodies import MODELS
from tests.contract.small_models import around, small, together
from tests.quantization.architectures import architecture

from quantline.contract.integer_forms import REWRITES, has_form
from quantline.contract.preflight import preflight
from quantline.errors import ConversionError, ModelUnsupported
from quantline.quantization import litert_backend, tensorflow_backend
from quantline.tflite import Runtime, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.contract import Finding

QUANTIZE = {"tensorflow": tensorflow_backend.quantize, "litert": litert_backend.quantize}
CHOICES = [
    ("int8", "tensorflow"), ("int8_per_tensor", "tensorflow"), ("int16x8", "tensorflow"),
    ("int8", "litert"), ("int16x8", "litert"),
]  # fmt: skip
SPLITTING = {"SPLIT", "SPLIT_V", "UNPACK"}
ARCHITECTURES = ("conv", "residual", "concatenation", "squeeze_and_excite", "swish", "hard_swish",
                 "fused_lstm", "two_ports", "transposed", "attention", "embedding")  # fmt: skip


def foretold(content: bytes, scheme: str, backend: str) -> Counter[str]:
    """How many operators of each type are said to stay float."""
    found = preflight(read(content), scheme, backend)
    return Counter(finding.type for finding in found if finding.rule == "integer.predicted")


def left(
    content: bytes, bounds: Mapping[int, Any], scheme: str, backend: str
) -> Counter[str] | set[str]:
    """How many stay float of each type; for a model that is refused, the types it names."""
    io_type = "int16" if scheme == "int16x8" else "int8"
    try:
        made = read(QUANTIZE[backend](content, bounds, scheme, io_type, io_type)).main
    except ConversionError as error:
        return set(re.findall(r"for op: '(\w+)'", str(error.__cause__)))
    return Counter(
        operator.type
        for operator in made.operators
        if operator.type not in {"QUANTIZE", "DEQUANTIZE"}
        and "float32"
        in {made.tensors[index].dtype for index in operator.inputs + operator.outputs if index >= 0}
    )


def agree(said: Counter[str], done: Counter[str] | set[str]) -> bool:
    return said == done if isinstance(done, Counter) else set(said) - {"PADV2"} == done


def difference(said: Counter[str], done: Counter[str] | set[str]) -> tuple[Any, Any]:
    """What is missed, and what is said without reason."""
    if isinstance(done, Counter):
        return done - said, said - done
    return done - set(said), set(said) - done


@pytest.mark.parametrize(("scheme", "backend"), CHOICES)
def test_of_every_measured_operator_it_is_right(scheme: str, backend: str) -> None:
    """The table's own measurement: another TensorFlow may differ, and then fails here."""
    model = together()
    said = foretold(model.float_tflite, scheme, backend)
    done = left(model.float_tflite, model.bounds(), scheme, backend)
    if isinstance(done, Counter) and backend == "tensorflow":
        # Of several outputs: the order of addresses in memory may leave them, see fewest_float.
        done = Counter({kind: count for kind, count in done.items() if kind not in SPLITTING})
    assert agree(said, done), difference(said, done)


@pytest.mark.parametrize(("scheme", "backend"), CHOICES)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_of_an_architecture_it_is_right(name: str, scheme: str, backend: str) -> None:
    model = architecture(name)
    bounds = {tensor.index: (tensor.min, tensor.max) for tensor in model.stock_ranges().tensors}
    said = foretold(model.float_tflite, scheme, backend)
    done = left(model.float_tflite, bounds, scheme, backend)
    if done == set():  # refused for arithmetic on indices, before its types are looked at
        assert said
        return
    assert agree(said, done), difference(said, done)


def test_the_models_hold_every_operator_of_the_table() -> None:
    types = {operator.type for operator in read(together().float_tflite).main.operators}
    assert {kind for kind, _ in MODELS.values()} <= types
    assert [kind for kind in types if has_form(kind, "int8") is None] == []


@pytest.mark.parametrize(("scheme", "severity"), [("int8", "integer_only"),
                                                  ("int8_float_fallback", "note")])  # fmt: skip
def test_a_finding_says_where_why_and_what_to_do(scheme: str, severity: str) -> None:
    graph = read(small("square").float_tflite)
    (found,) = preflight(graph, scheme, "tensorflow")
    operator = graph.main.operators[found.operator or 0]
    assert (found.type, operator.type, found.severity) == ("SQUARE", "SQUARE", severity)
    assert found.tensor == operator.outputs[0]
    assert found.found == "SQUARE has no int8 form in TensorFlow (measured with tensorflow 2.21.0)"
    assert found.remedy == REWRITES["SQUARE"].text


def test_nothing_is_said_of_schemes_that_are_float_by_design() -> None:
    graph = read(small("square").float_tflite)
    assert preflight(graph, "float16", "tensorflow") == ()
    assert preflight(graph, "dynamic_range", "litert") == ()


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("reverse_sequence", "int8"),
        ("conv_of_computed_weights", "int8"),
        ("squared_difference", "int16x8"),
        ("scatter_nd", "int16x8"),
        ("pad_v2", "int16x8"),
    ],
)
def test_what_becomes_an_integer_that_litert_cannot_run_is_told(name: str, scheme: str) -> None:
    model = small(name)
    found = preflight(read(model.float_tflite), scheme, "tensorflow")
    assert [operator.type for operator in found] == [MODELS[name][0]]
    assert "LiteRT" in found[0].found
    assert found[0].remedy
    io_type = "int16" if scheme == "int16x8" else "int8"
    made = tensorflow_backend.quantize(model.float_tflite, model.bounds(), scheme, io_type, io_type)
    with pytest.raises((ModelUnsupported, RuntimeError)):
        Runtime(made, 1).predict(model.samples[0])


def test_at_the_end_of_a_model_the_application_can_take_over() -> None:
    (found,) = remedies("non_max_suppression_v4")
    assert "Let the model end at what NON_MAX_SUPPRESSION_V4 reads" in str(found.remedy)
    (found,) = remedies("atan2")
    assert found.remedy == (
        "No rewrite is known; `scheme='int8_float_fallback'` leaves it in float"
    )


def test_a_rewrite_of_conditions_is_not_offered_for_numbers() -> None:
    assert "tf.where(condition" in str(remedies("cast_from_boolean")[0].remedy)
    for name in ("cast_from_integer", "cast_to_integer"):
        assert "No rewrite is known" in str(remedies(name)[0].remedy)


def remedies(name: str) -> tuple[Finding, ...]:
    return preflight(read(small(name).float_tflite), "int8", "tensorflow")


def test_a_custom_operator_is_foretold(custom_operator: bytes) -> None:
    for _, backend in CHOICES[2:4]:
        (found,) = preflight(read(custom_operator), "int8", backend)
        assert "custom operator" in found.found


def test_what_is_not_foretold() -> None:
    """TensorFlow leaves operators beside others as it happens to visit them."""
    model = around(lambda tf, x: tf.concat([tf.transpose(tf.sin(x), (0, 2, 1, 3)), x * 2], 3))
    said = foretold(model.float_tflite, "int8", "tensorflow")
    done = left(model.float_tflite, model.bounds(), "int8", "tensorflow")
    assert said == Counter({"SIN": 1})
    assert done == Counter({"SIN": 1, "TRANSPOSE": 1})
