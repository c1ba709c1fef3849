"""The back end ``litert``: what it is given, what it makes, what it says it cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.quantization.architectures import architecture

from quantline import recipe
from quantline.errors import DependencyError, ModelUnsupported
from quantline.quantization import litert_backend, quantize
from quantline.quantization.output_parts import comparison_outputs, run
from quantline.quantization.schemes import unsupported
from quantline.ranges import SampleAdapter
from quantline.tflite import Runtime, float_operators, read

SCHEMES = ("int8", "int8_float_fallback", "int8_per_tensor", "int16x8")
ARCHITECTURES = ("conv", "depthwise", "residual", "concatenation", "squeeze_and_excite", "swish")


def made(name: str, scheme: str, io_type: str) -> bytes:
    model = architecture(name)
    bounds = {tensor.index: (tensor.min, tensor.max) for tensor in model.stock_ranges().tensors}
    return litert_backend.quantize(model.float_tflite, bounds, scheme, io_type, io_type)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_makes_integers_of_the_given_ranges(name: str, scheme: str) -> None:
    main = read(made(name, scheme, "int16" if scheme == "int16x8" else "int8")).main
    assert float_operators(read(made(name, scheme, "int8"))) == []
    port = main.tensors[main.inputs[0]]
    assert port.dtype == ("int16" if scheme == "int16x8" else "int8")
    index = read(architecture(name).float_tflite).main.inputs[0]
    low, high = architecture(name).stock_bounds()[index]
    scale = max(-low, high) / 32767 if scheme == "int16x8" else (high - low) / 255
    assert port.quantization is not None
    assert port.quantization.scales == pytest.approx([scale], rel=1e-5)
    weights = [
        len(main.tensors[operator.inputs[1]].quantization.scales)
        for operator in main.operators
        if operator.type in {"CONV_2D", "DEPTHWISE_CONV_2D"}
    ]
    assert (set(weights) == {1}) == (scheme == "int8_per_tensor")


@pytest.mark.parametrize("name", [*ARCHITECTURES, "batch_matmul", "tied", "transposed"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_it_makes_computes_what_the_float_model_does(name: str, scheme: str) -> None:
    model = architecture(name)
    content = made(name, scheme, "int16" if scheme == "int16x8" else "int8")
    feed = SampleAdapter(read(model.float_tflite), Runtime(model.float_tflite, 1).inputs)
    values = list(feed.prepare(model.samples))
    pairs = [run(other, comparison_outputs(read(other)), values)
             for other in (model.float_tflite, content)]  # fmt: skip
    shares = [np.mean((have - want) ** 2) / np.mean(want**2)
              for want, have in zip(*pairs, strict=True)]  # fmt: skip
    assert np.mean(shares) < 0.05**2


@pytest.mark.parametrize("name", ["conv", "two_ports"])
@pytest.mark.parametrize("io_type", ["float32", "uint8", "int8"])
def test_inputs_and_outputs_are_of_the_type_asked_for(name: str, io_type: str) -> None:
    main = read(made(name, "int8", io_type)).main
    assert {main.tensors[index].dtype for index in (*main.inputs, *main.outputs)} == {io_type}


def test_weights_equal_tensorflows() -> None:
    """Both quantize them symmetrically along the axis that the specification names."""
    public, ours = (
        read(architecture("conv").public("int8")).main,
        read(made("conv", "int8", "int8")).main,
    )
    for mine, theirs in zip(ours.operators, public.operators, strict=True):
        assert mine.type == theirs.type
        if mine.type == "CONV_2D":
            one, other = ours.tensors[mine.inputs[1]], public.tensors[theirs.inputs[1]]
            assert np.abs(one.values().astype(int) - other.values()).max() <= 1
            np.testing.assert_allclose(
                one.quantization.scales, other.quantization.scales, rtol=1e-6
            )


@pytest.mark.parametrize("scheme", ["float16", "dynamic_range"])
def test_weights_alone_need_no_ranges(scheme: Any) -> None:
    conversion = recipe.Conversion(
        scheme=scheme, backend="litert", input_type="float32", output_type="float32"
    )
    content = quantize(architecture("conv").float_tflite, None, conversion).content
    kept = {"float16": "float16", "dynamic_range": "int8"}[scheme]
    assert kept in {tensor.dtype for tensor in read(content).main.tensors}


def test_what_it_would_leave_in_float_is_said_before_the_run() -> None:
    graph = read(architecture("hard_swish").float_tflite)
    conversion = recipe.Conversion(
        scheme="int16x8", backend="litert", input_type="int16", output_type="int16"
    )
    with pytest.raises(ModelUnsupported, match="leaves in float: HARD_SWISH"):
        unsupported(graph, conversion)
    sums = read(architecture("fused_lstm").float_tflite)
    allowed = recipe.Conversion(scheme="int8_float_fallback", backend="litert")
    assert unsupported(sums, allowed) == ["UNIDIRECTIONAL_SEQUENCE_LSTM"]


def test_what_it_says_before_the_run_is_what_it_leaves() -> None:
    for name in ("hard_swish", "fused_lstm", "attention", "conv"):
        said = litert_backend.left_in_float(read(architecture(name).float_tflite), "int8")
        assert said == float_operators(read(made(name, "int8", "int8"))), name


def test_without_the_package_the_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(litert_backend, "is_installed", lambda: False)
    with pytest.raises(DependencyError, match=r"pip install 'quantline\[litert\]'"):
        quantize(architecture("conv").float_tflite, None, recipe.Conversion(backend="litert"))
