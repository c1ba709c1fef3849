"""Each rewrite against the function it stands for, in float and in integers."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.contract.rewritten import EXAMPLES
from tests.contract.small_models import recorded
from tests.graphs import normal

from quantline.contract.integer_forms import REWRITES, has_form, rewrite
from quantline.contract.preflight import preflight
from quantline.errors import ConversionError
from quantline.quantization import litert_backend, tensorflow_backend
from quantline.quiet import tensorflow
from quantline.tflite import Runtime, float_operators, read

if TYPE_CHECKING:
    from tests.contract.bodies import Body
    from tests.contract.small_models import Small

QUANTIZE = {"tensorflow": tensorflow_backend.quantize, "litert": litert_backend.quantize}
SCHEMES = {"int8": ("int8_float_fallback", "int8"), "int16": ("int16x8", "int16")}
# Functions with steps: near one, the last bit of the input decides. Above and below it they agree.
STEPS = {"CAST", "CEIL", "FLOOR", "FLOOR_DIV", "NOT_EQUAL", "ROUND", "SIGN"}
# LiteRT interpolates int16 logarithms and square roots in a table of 513 places; a reciprocal root
# of a small variance is coarse in int8.
COARSE = {
    ("LOG_SOFTMAX", "int16"): 0.06,
    ("L2_NORMALIZATION", "int16"): 0.1,
    ("NEG of LayerNormalization", "int8"): 0.06,
}


def model(body: Body) -> Small:
    tf = tensorflow()
    kernel = normal(1, 1, 4, 4, scale=0.5)
    return recorded(lambda x: body(tf, tf.nn.conv2d(x, kernel, 1, "SAME") + normal(4, scale=0.1)))


def kind_of(example: str) -> str:
    return example.split(" of ", maxsplit=1)[0]


@cache
def original(example: str) -> Small:
    return model(EXAMPLES[example][0])


@cache
def rewritten(example: str) -> Small:
    return model(EXAMPLES[example][1])


def outputs(content: bytes, samples: list[np.ndarray]) -> np.ndarray:
    runtime = Runtime(content, 1)
    return np.concatenate([runtime.predict(sample).ravel() for sample in samples])


def close(got: np.ndarray, wanted: np.ndarray, tolerance: float, *, share: float) -> bool:
    """Whether this share of the values is right to within a share of their range."""
    return np.quantile(np.abs(got - wanted), share) <= tolerance * np.ptp(wanted)


def test_every_rewrite_has_an_example() -> None:
    assert {kind_of(example) for example in EXAMPLES} == set(REWRITES)


@pytest.mark.parametrize("example", sorted(EXAMPLES))
def test_the_original_holds_the_operator_and_the_rewrite_does_not(example: str) -> None:
    assert kind_of(example) in {
        operator.type for operator in read(original(example).float_tflite).main.operators
    }
    types = {operator.type for operator in read(rewritten(example).float_tflite).main.operators}
    assert kind_of(example) not in types


@pytest.mark.parametrize("example", sorted(EXAMPLES))
def test_it_computes_the_same_in_float(example: str) -> None:
    wanted = outputs(original(example).float_tflite, original(example).samples)
    got = outputs(rewritten(example).float_tflite, original(example).samples)
    tolerance, share = {
        "SIN": (1.1e-3, 1.0),  # of [-1, 1], the bound of the two parabolas
        "COS": (2e-3, 1.0),
        "L2_NORMALIZATION": (0.05, 0.99),  # the summand that guards against 0
    }.get(example, (1e-6, 0.99 if example in STEPS else 1.0))
    assert close(got, wanted, tolerance, share=share)


@pytest.mark.parametrize("bits", SCHEMES)
@pytest.mark.parametrize("backend", QUANTIZE)
@pytest.mark.parametrize("example", sorted(EXAMPLES))
def test_it_converts_exactly_where_it_says_so(example: str, backend: str, bits: str) -> None:
    scheme, io_type = SCHEMES[bits]
    small = rewritten(example)
    arguments = (small.float_tflite, small.bounds(), scheme, io_type, io_type)
    if rewrite(kind_of(example), scheme, backend) is None:
        try:
            assert float_operators(read(QUANTIZE[backend](*arguments)))
        except ConversionError as error:
            assert "not yet supported" in error.found  # noqa: PT017 - either is right
        return
    made = QUANTIZE[backend](*arguments)
    assert float_operators(read(made)) == []
    wanted = outputs(original(example).float_tflite, small.samples)
    share = 0.9 if example in STEPS else 0.99
    tolerance = COARSE.get((example, bits), 0.03)
    assert close(outputs(made, small.samples), wanted, tolerance, share=share)


@pytest.mark.parametrize("kind", ["MAXIMUM", "MINIMUM"])
def test_what_is_clipped_is_so_in_integers_only_without_the_rewrite(kind: str) -> None:
    """Why these have a rewrite: TensorFlow gives what they read the scale of what they give."""
    small = original(kind)
    made = tensorflow_backend.quantize(
        small.float_tflite, small.bounds(), "int8_float_fallback", "int8", "int8"
    )
    wanted = outputs(small.float_tflite, small.samples)
    assert not close(outputs(made, small.samples), wanted, 0.05, share=0.9)
    (found,) = preflight(read(small.float_tflite), "int8", "tensorflow")
    assert (found.rule, found.severity, found.type) == ("predicted.clipped", "note", kind)
    assert found.remedy == REWRITES[kind].text


def test_there_is_one_for_what_needs_one() -> None:
    assert rewrite("RELU", "int8", "tensorflow") is None
    needed = [other for other in REWRITES if has_form(other, "int8") and has_form(other, "int16x8")]
    # The first two clip; the others become integers that LiteRT cannot run.
    assert needed == ["MAXIMUM", "MINIMUM", "PADV2", "SCATTER_ND", "SQUARED_DIFFERENCE"]
