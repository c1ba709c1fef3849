"""Outputs measured beside the float model's: against numpy on what plain interpreters give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tests.conftest import calibrated
from tests.contract.test_trial import beyond_int8
from tests.graphs import convert, here, normal
from tests.tflite import tiny_model

from quantline.child import run_in_child
from quantline.errors import ModelUnsupported, ProcessError
from quantline.quantization import measured_outputs, tensorflow_backend
from quantline.quantization.measured_outputs import MOST_SAMPLES, measure_outputs
from quantline.quiet import tensorflow
from quantline.results.scores import MeasuredOutputs
from quantline.tflite import read

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLES = normal(40, 1, 16)


@pytest.fixture(scope="module")
def pair() -> tuple[bytes, bytes]:
    """A model of two outputs, logits with their softmax and plain numbers, and its int8 form."""
    tf = tensorflow()
    first, second = normal(16, 8, scale=0.5), normal(16, 3, seed=1)

    def both(x: Any) -> Any:
        return tf.nn.softmax(x @ first), tf.nn.relu(x @ second)

    model = convert(both, (1, 16))
    bounds = calibrated(model, SAMPLES[:, 0])
    return model, tensorflow_backend.quantize(model, bounds, "int8", "int8", "int8")


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured_outputs, "run_in_child", here)


def outputs(model: bytes, samples: Sequence[np.ndarray]) -> list[np.ndarray]:
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    (taken,) = interpreter.get_input_details()
    rows: list[list[np.ndarray]] = []
    for sample in samples:
        scale, zero_point = taken["quantization"]
        whole = np.round(sample / np.float32(scale or 1)) + zero_point
        given = np.clip(whole, -128, 127).astype(np.int8) if scale else sample
        interpreter.set_tensor(taken["index"], given)
        interpreter.invoke()
        rows.append([])
        for detail in interpreter.get_output_details():
            scale, zero_point = detail["quantization"]
            value = interpreter.get_tensor(detail["index"]).astype(np.float64)
            rows[-1].append((value - zero_point) * (scale or 1))
    return [np.concatenate(group) for group in zip(*rows, strict=True)]


def test_the_figures_are_numpys(pair: tuple[bytes, bytes]) -> None:
    found = measure_outputs(*pair, list(SAMPLES))
    MeasuredOutputs.model_validate(found)
    places = np.linspace(0, len(SAMPLES) - 1, MOST_SAMPLES).round().astype(int)
    assert found["samples"] == MOST_SAMPLES == len(set(places))
    want, got = (outputs(model, SAMPLES[places]) for model in pair)
    for output, x, y in zip(found["outputs"], want, got, strict=True):
        noise = np.square(y - x)
        assert output["channels"] == x.shape[-1]
        assert output["rms_error"] == pytest.approx(np.sqrt(noise.mean()), rel=1e-4)
        assert output["relative_error"] == pytest.approx(
            np.sqrt(noise.sum() / np.square(x).sum()), rel=1e-4
        )
        assert output["error_to_variation"] == pytest.approx(
            np.sqrt(noise.mean() / x.var(0).mean()), rel=1e-4
        )
        assert output["largest_error"] == pytest.approx(np.abs(y - x).max(), rel=1e-4)
        ratio = 10 * np.log10(np.square(x).sum() / noise.sum())
        assert output["sqnr_db"] == pytest.approx(ratio, abs=1e-3)
        scale = 1 / 256 if output["before"] else output["rms_error"] / output["rms_error_steps"]
        assert output["largest_error_steps"] == pytest.approx(np.abs(y - x).max() / scale, rel=1e-4)


def test_the_worst_channel_is_the_one_of_most_error_beside_its_variation(
    pair: tuple[bytes, bytes],
) -> None:
    places = np.linspace(0, len(SAMPLES) - 1, MOST_SAMPLES).round().astype(int)
    want, got = (outputs(model, SAMPLES[places])[1] for model in pair)
    shares = np.square(got - want).mean(0) / want.var(0)
    worst = measure_outputs(*pair, list(SAMPLES))["outputs"][1]["worst_channel"]
    assert worst["channel"] == int(np.argmax(shares))
    assert worst["error_to_variation"] == pytest.approx(np.sqrt(shares.max()), rel=1e-4)


def test_logits_are_compared_too(pair: tuple[bytes, bytes]) -> None:
    first, second = measure_outputs(*pair, list(SAMPLES))["outputs"]
    assert first["before"]["operator"] == "SOFTMAX"
    assert first["before"]["sqnr_db"] > 25
    assert second["before"] is None


def test_a_model_and_itself_are_exact(pair: tuple[bytes, bytes]) -> None:
    for output in measure_outputs(pair[0], pair[0], list(SAMPLES[:4]))["outputs"]:
        assert (output["largest_error"], output["sqnr_db"], output["verdict"]) == (0, None, None)
        assert output["rms_error_steps"] is None


def test_the_same_samples_give_the_same_figures(pair: tuple[bytes, bytes]) -> None:
    assert measure_outputs(*pair, list(SAMPLES)) == measure_outputs(*pair, list(SAMPLES))


def test_without_samples_it_runs_and_says_that_nothing_was_measured(
    pair: tuple[bytes, bytes],
) -> None:
    found = measure_outputs(*pair, [])
    MeasuredOutputs.model_validate(found)
    assert found["outputs"] is None
    assert found["ran_on"] == ["xnnpack", "builtin"]
    assert "no samples" in found["reason"]


def test_what_a_set_of_kernels_refuses_is_an_error_with_its_name(
    pair: tuple[bytes, bytes], custom_operator: bytes
) -> None:
    with pytest.raises(ModelUnsupported, match="does not run on LiteRT's built-in kernels"):
        measure_outputs(pair[0], custom_operator, list(SAMPLES[:1]))


def test_a_kernel_that_dies_is_an_error_that_says_in_what(pair: tuple[bytes, bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measured_outputs, "run_in_child", run_in_child)
        with pytest.raises(ProcessError, match="The run of the quantized model") as caught:
            measure_outputs(pair[0], tiny_model.file(beyond_int8), [])
    assert "SIGSEGV" in caught.value.found
    assert "kernels" in caught.value.found


@pytest.mark.parametrize("is_cut", [False, True])
def test_certain_answers_are_not_lost_and_values_that_are_cut_off_are(is_cut: bool) -> None:
    """A probability of 1 is a step from the last integer; most of a class's answers may be."""
    tf = tensorflow()
    samples = normal(40, 1, 3, scale=0.3)
    samples[:30, 0, 0] += 40
    model = convert(tf.nn.relu if is_cut else tf.nn.softmax, (1, 3))
    bounds = calibrated(model, samples[30:, 0] if is_cut else samples[:, 0])
    if is_cut:
        inputs = {index: pair for index, pair in calibrated(model, samples[:, 0]).items()
                  if index in read(model).main.inputs}  # fmt: skip
        bounds = {**bounds, **inputs}
    quantized = tensorflow_backend.quantize(model, bounds, "int8", "int8", "int8")
    (found,) = measure_outputs(model, quantized, list(samples))["outputs"]
    assert found["loss"]["saturated_channels"] == int(is_cut)
    assert found["verdict"] == ("lost" if is_cut else None)
