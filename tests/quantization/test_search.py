"""``method: auto`` against every trial made over again, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.graphs import convert, convert_named, here, normal

from quantline import recipe
from quantline.errors import TooFewExamples
from quantline.quantization import backends, litert_backend, quantize, tensorflow_backend
from quantline.quantization.bias_correction import correct_biases, mean_inputs
from quantline.quiet import tensorflow
from quantline.ranges import choose, record
from quantline.tflite import Runtime, read, with_outputs

if TYPE_CHECKING:
    from pathlib import Path

AUTO = recipe.Ranges(method="auto")
WAYS = {("minmax", None), ("moving_average", None), ("mse", None), ("entropy", None),
        ("percentile", 99.9), ("percentile", 99.99), ("percentile", 99.999)}  # fmt: skip


def network(x: Any) -> Any:
    tf = tensorflow()
    hidden = tf.nn.relu(tf.nn.conv2d(x, normal(3, 3, 3, 16), 1, "SAME") + normal(16))
    hidden = tf.nn.relu(tf.nn.conv2d(hidden, normal(3, 3, 16, 16, scale=0.1), 2, "SAME"))
    return tf.nn.softmax(tf.matmul(tf.reduce_mean(hidden, (1, 2)), normal(16, 5)) + normal(5))


def images(count: int = 24) -> np.ndarray:
    """Return images with a few outliers, which widen the range of all."""
    rng = np.random.default_rng(5)
    values = rng.normal(0, 0.3, (count, 8, 8, 3)).astype(np.float32)
    values[rng.random(values.shape) < 0.001] *= 12
    return values


SAMPLES = images()


@pytest.fixture(scope="module")
def model() -> bytes:
    return convert(network, (1, 8, 8, 3))


@pytest.fixture
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "run_in_child", here)


def auto(model: bytes, samples: Any, **settings: Any) -> Any:
    conversion = recipe.Conversion(**{"ranges": AUTO, **settings})
    return quantize(model, record(model, samples), conversion, samples)


def logits(model: bytes, samples: np.ndarray) -> np.ndarray:
    """Run the model up to its softmax."""
    (softmax,) = (each for each in read(model).main.operators if each.type == "SOFTMAX")
    runtime = Runtime(with_outputs(model, [softmax.inputs[0]]))
    return np.concatenate([runtime.predict(each) for each in samples]).astype(np.float64)


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(
    ("scheme", "kind", "backend"),
    [("int8", "int8", "tensorflow"), ("int8", "uint8", "tensorflow"),
     ("int8_per_tensor", "int8", "tensorflow"), ("int16x8", "int16", "tensorflow"),
     ("int8", "int8", "litert"), ("int16x8", "int16", "litert")],
)  # fmt: skip
def test_every_trial_is_what_it_is_made_over_again_and_the_least_is_taken(
    model: bytes, scheme: Any, kind: Any, backend: str
) -> None:
    if backend == "litert" and not litert_backend.is_installed():
        pytest.skip("litert-quantizer is not installed")
    engine = litert_backend if backend == "litert" else tensorflow_backend
    made = auto(model, SAMPLES, scheme=scheme, input_type=kind, output_type=kind, backend=backend)
    found = made.recipe["search"]
    trials = found["trials"]
    assert (found["fitted_on"], found["judged_on"], found["evidence"]) == (12, 12, "measured")
    assert {(each["method"], each["percentile"]) for each in trials} == WAYS
    assert len(trials) == 2 * len(WAYS)

    fit, held_back = SAMPLES[::2], SAMPLES[1::2]
    fitted = record(model, fit)
    means = mean_inputs(model, [(each[np.newaxis],) for each in fit])
    want = logits(model, held_back)
    for each in trials:
        chosen = recipe.Ranges(method=each["method"], percentile=each["percentile"] or 99.99)
        content = engine.quantize(model, choose(fitted, chosen), scheme, kind, kind)
        if each["bias_correction"]:
            content, _ = correct_biases(model, content, means)
        noise = logits(content, held_back) - want
        expected = np.sqrt(np.mean(noise**2) / np.mean(want**2))
        assert each["output_error"] == pytest.approx(expected, rel=1e-6)
    errors = [each["output_error"] for each in trials]
    assert errors == sorted(errors)
    stock = next(
        each for each in trials if each["method"] == "minmax" and not each["bias_correction"]
    )
    assert errors[0] <= stock["output_error"]

    best = trials[0]
    assert made.recipe["method"] == best["method"]
    assert made.recipe["percentile"] == best["percentile"]
    chosen = recipe.Ranges(method=best["method"], percentile=best["percentile"] or 99.99)
    content = engine.quantize(model, choose(record(model, SAMPLES), chosen), scheme, kind, kind)
    layers = 0
    if best["bias_correction"]:
        means = mean_inputs(model, [(each[np.newaxis],) for each in SAMPLES])
        content, layers = correct_biases(model, content, means)
    assert made.content == content
    assert made.recipe["corrected_layers"] == layers


@pytest.mark.usefixtures("_here")
def test_outliers_that_mean_nothing_make_it_leave_minmax() -> None:
    """What is above 6 counts as 6, and would stretch the input's range fifty times."""
    model = convert(lambda x: network(tensorflow().nn.relu6(x)), (1, 8, 8, 3))
    rng = np.random.default_rng(6)
    samples = rng.uniform(0, 6, (24, 8, 8, 3)).astype(np.float32)
    samples[rng.random(samples.shape) < 0.0005] = 300
    assert (samples == 300).any()
    made = auto(model, samples)
    trials = made.recipe["search"]["trials"]
    stock = next(each for each in trials if each["method"] == "minmax")
    assert made.recipe["method"] != "minmax"
    assert trials[0]["output_error"] < 0.9 * stock["output_error"]


def test_children_make_what_this_process_makes(
    model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = auto(model, SAMPLES)
    monkeypatch.setattr(backends, "run_in_child", here)
    assert auto(model, SAMPLES) == made


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("settings", [{}, {"ranges": recipe.Ranges(), "bias_correction": True}])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_too_few_samples_are_refused(model: bytes, count: int, settings: dict[str, Any]) -> None:
    ranges = record(model, SAMPLES)
    conversion = recipe.Conversion(**{"ranges": AUTO, **settings})
    for given in (SAMPLES[:count], list(SAMPLES[:count])):
        with pytest.raises(TooFewExamples) as caught:
            quantize(model, ranges, conversion, given)
        assert caught.value.found == (f"{count}" if count else "none")
        assert "'conversion.bias_correction: false'" in caught.value.remedy


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(("count", "halves"), [(8, (4, 4)), (9, (5, 4))])
def test_eight_samples_suffice(model: bytes, count: int, halves: tuple[int, int]) -> None:
    found = auto(model, list(SAMPLES[:count])).recipe["search"]
    assert (found["fitted_on"], found["judged_on"]) == halves


@pytest.mark.usefixtures("_here")
def test_a_method_that_is_given_is_tried_alone(model: bytes) -> None:
    given = recipe.Ranges(method="percentile", percentile=99.5)
    trials = auto(model, SAMPLES, ranges=given, bias_correction=True).recipe["search"]["trials"]
    assert {(each["method"], each["percentile"]) for each in trials} == {("percentile", 99.5)}
    assert {each["bias_correction"] for each in trials} == {False, True}


@pytest.mark.usefixtures("_here")
def test_overrides_hold_whatever_is_picked(model: bytes) -> None:
    override = recipe.Override(tensor="x", min=-3.0, max=9.75)
    made = auto(model, SAMPLES, ranges=recipe.Ranges(method="auto", overrides=(override,)))
    port = Runtime(made.content).inputs[0]
    assert port.scale == pytest.approx(12.75 / 255, rel=1e-6)
    assert port.zero_point == -68
    assert made.recipe["overrides"] == [{"tensor": "x", "min": -3.0, "max": 9.75}]


@pytest.mark.usefixtures("_here")
def test_pins_hold_whatever_is_picked(model: bytes) -> None:
    made = auto(model, SAMPLES, pinned={"x": recipe.Pin(scale=0.05, zero_point=-3)})
    port = Runtime(made.content).inputs[0]
    assert (port.scale, port.zero_point) == (float(np.float32(0.05)), -3)
    assert len(made.recipe["search"]["trials"]) == 2 * len(WAYS)


@pytest.mark.usefixtures("_here")
def test_models_of_several_inputs_and_outputs(tmp_path: Path) -> None:
    def function(right: Any, left: Any) -> dict[str, Any]:
        tf = tensorflow()
        joined = tf.nn.relu(
            tf.concat([tf.matmul(left, normal(6, 4)), tf.matmul(right, normal(5, 4))], -1)
        )
        return {
            "scores": tf.matmul(joined, normal(8, 3)) + normal(3),
            "chance": tf.sigmoid(tf.matmul(joined, normal(8, 1)) + normal(1)),
        }

    model = convert_named(tmp_path / "m", function, {"right": (1, 5), "left": (1, 6)})
    rng = np.random.default_rng(8)
    samples = [
        {"left": left, "right": right}
        for left, right in zip(rng.uniform(0, 1, (64, 6)), rng.uniform(0, 8, (64, 5)), strict=True)
    ]
    made = auto(model, samples)
    assert len(made.recipe["search"]["trials"]) == 2 * len(WAYS)
    assert 0 < made.recipe["search"]["trials"][0]["output_error"] < 0.1
    assert made.recipe["method"] in {name for name, _ in WAYS}
