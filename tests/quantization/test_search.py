"""``method: auto`` against every trial made over again, step by step."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import scipy.special
import scipy.stats
from tests.graphs import convert, convert_named, normal, quantize_here

from quantline import recipe
from quantline.errors import DataError
from quantline.quantization import litert_backend, quantize, tensorflow_backend
from quantline.quantization.bias_correction import correct_biases, mean_inputs
from quantline.quantization.search import confirm
from quantline.quiet import tensorflow
from quantline.ranges import choose, record
from quantline.tflite import Model, Runtime, read, with_outputs

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
    quantize_here(monkeypatch)


def auto(model: bytes, samples: Any, **settings: Any) -> Any:
    conversion = recipe.Conversion(**{"ranges": AUTO, **settings})
    return quantize(model, record(model, samples), conversion, samples)


def logits(model: bytes, samples: np.ndarray) -> np.ndarray:
    """Run the model up to its softmax."""
    (softmax,) = (operator for operator in read(model).main.operators if operator.type == "SOFTMAX")
    runtime = Runtime(with_outputs(model, [softmax.inputs[0]]))
    return np.concatenate([runtime.predict(sample) for sample in samples]).astype(np.float64)


def divergences(want: np.ndarray, have: np.ndarray) -> np.ndarray:
    """Return each sample's Kullback-Leibler divergence of the softmax."""
    p, q = scipy.special.softmax(want, -1), scipy.special.softmax(have, -1)
    return np.asarray(scipy.special.rel_entr(p, q).sum(-1))


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(
    ("scheme", "kind", "backend"),
    [("int8", "uint8", "tensorflow"), ("int16x8", "int16", "tensorflow"),
     ("int8", "int8", "litert")],
)  # fmt: skip
def test_every_trial_is_what_it_is_made_over_again(
    model: bytes, scheme: Any, kind: Any, backend: str
) -> None:
    if backend == "litert" and not litert_backend.is_installed():
        pytest.skip("litert-quantizer is not installed")
    engine = litert_backend if backend == "litert" else tensorflow_backend
    made = auto(model, SAMPLES, scheme=scheme, input_type=kind, output_type=kind, backend=backend)
    found = made.recipe["search"]
    trials = found["trials"]
    assert (found["fitted_on"], found["judged_on"], found["evidence"]) == (12, 12, "measured")
    assert {(trial["method"], trial["percentile"]) for trial in trials} == WAYS
    assert len(trials) == 2 * len(WAYS)
    assert (found["baseline"]["method"], found["baseline"]["bias_correction"]) == ("minmax", False)

    fit, held_back = SAMPLES[::2], SAMPLES[1::2]
    fitted = record(model, fit)
    means = mean_inputs(Model(model), [(item[np.newaxis],) for item in fit])
    want = logits(model, held_back)
    losses, agreements = {}, {}
    for trial in trials:
        chosen = recipe.Ranges(method=trial["method"], percentile=trial["percentile"] or 99.99)
        content = engine.quantize(model, choose(fitted, chosen), scheme, kind, kind)
        if trial["bias_correction"]:
            content = correct_biases(Model(model), Model(content), means)[0].content
        have = logits(content, held_back)
        way = (trial["method"], trial["percentile"], trial["bias_correction"])
        losses[way] = divergences(want, have)
        agreements[way] = want.argmax(-1) == have.argmax(-1)
    stock = losses["minmax", None, False]
    # Student's t for 13 comparisons with minmax; corrected, the 6 other methods are also compared
    # with themselves uncorrected, and with minmax corrected.
    needed = scipy.stats.t.ppf(1 - 0.05 / 25, 11)
    assert found["needed"] == pytest.approx(needed, rel=2e-3)
    for trial in trials:
        way = (trial["method"], trial["percentile"], trial["bias_correction"])
        assert trial["divergence"] == pytest.approx(losses[way].mean(), rel=1e-4, abs=1e-9)
        assert trial["agreement"] == pytest.approx(agreements[way].mean())
        assert (trial["noise"], trial["unequal"]) == (None, None)
        improvement = (stock - losses[way]) / stock.mean()
        error = scipy.stats.sem(improvement)
        assert trial["improvement"] == pytest.approx(improvement.mean(), rel=1e-3, abs=1e-6)
        assert trial["standard_error"] == pytest.approx(error, rel=1e-3, abs=1e-6)
        gain = (stock - losses[way]) / np.maximum(stock + losses[way], 1e-30)
        assert trial["gain"] == pytest.approx(gain.mean(), rel=1e-3, abs=1e-6)
        assert not trial["is_better"] or gain.mean() > needed * scipy.stats.sem(gain)
    best, *others = trials
    assert [other["improvement"] for other in others] == sorted(
        (other["improvement"] for other in others), reverse=True
    )
    if not best["is_better"]:
        assert (best["method"], best["bias_correction"]) == ("minmax", False)

    way = best if found["overruled"] is None else found["baseline"]
    assert made.recipe["method"] == way["method"]
    assert made.recipe["percentile"] == way["percentile"]
    chosen = recipe.Ranges(method=way["method"], percentile=way["percentile"] or 99.99)
    content = engine.quantize(model, choose(record(model, SAMPLES), chosen), scheme, kind, kind)
    if way["bias_correction"]:
        means = mean_inputs(Model(model), [(sample[np.newaxis],) for sample in SAMPLES])
        content = correct_biases(Model(model), Model(content), means)[0].content
    assert made.content == content


@pytest.fixture(scope="module")
def clipping() -> tuple[bytes, np.ndarray]:
    """A model to which what is above 6 counts as 6, and samples of which a few are 3000."""
    model = convert(lambda x: network(0.1 * tensorflow().nn.relu6(x)), (1, 8, 8, 3))
    rng = np.random.default_rng(6)
    samples = rng.uniform(0, 6, (96, 8, 8, 3)).astype(np.float32)
    samples[rng.random(samples.shape) < 0.0005] = 3000
    assert (samples == 3000).any()
    return model, samples


@pytest.mark.usefixtures("_here")
def test_outliers_that_mean_nothing_make_it_leave_minmax(
    clipping: tuple[bytes, np.ndarray],
) -> None:
    model, samples = clipping
    made = auto(model, samples)
    found = made.recipe["search"]
    best = found["trials"][0]
    assert made.recipe["method"] == best["method"] != "minmax"
    assert best["is_better"]
    assert best["gain"] > found["needed"] * best["gain_error"]
    fresh = np.random.default_rng(7).uniform(0, 6, (200, 8, 8, 3)).astype(np.float32)
    want = logits(model, fresh)
    plain = quantize(model, record(model, samples), recipe.Conversion()).content
    lost = [divergences(want, logits(item, fresh)).mean() for item in (made.content, plain)]
    assert lost[0] < 0.5 * lost[1]


@pytest.mark.usefixtures("_here")
def test_a_model_from_all_samples_that_is_worse_is_overruled(
    clipping: tuple[bytes, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, samples = clipping
    compared = []

    def worse(*arguments: Any) -> bool:
        float_model, baseline, best, values = arguments
        compared.append(confirm(float_model, baseline, best, values))
        compared.append(confirm(float_model, best, baseline, values))
        return False

    monkeypatch.setattr(sys.modules["quantline.quantization.quantize"], "confirm", worse)
    made = auto(model, samples)
    found = made.recipe["search"]
    assert found["overruled"]["method"] != "minmax"
    assert (found["trials"][0]["method"], made.recipe["method"]) == ("minmax", "minmax")
    assert made.content == quantize(model, record(model, samples), recipe.Conversion()).content
    assert compared == [True, False]


@pytest.mark.usefixtures("_here")
def test_a_range_that_cuts_what_the_classes_rest_on_is_never_taken() -> None:
    """The logits of rare samples are large: cut off, most samples gain and these lose their class.

    The squared error of logits would take the cut: it is the same for a class that matters.
    """
    model = convert(lambda x: tensorflow().matmul(x, np.eye(6, dtype=np.float32)), (1, 6))
    rng = np.random.default_rng(4)
    samples = rng.normal(0, 1, (96, 6)).astype(np.float32)
    samples[::5] *= 12
    found = auto(model, samples).recipe["search"]
    cut = next(trial for trial in found["trials"] if trial["method"] == "moving_average")
    assert cut["agreement"] < found["trials"][0]["agreement"]
    assert not cut["is_better"]
    assert found["trials"][0]["method"] != "moving_average"


def test_children_make_what_this_process_makes(
    model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = auto(model, SAMPLES)
    quantize_here(monkeypatch)
    assert auto(model, SAMPLES) == made


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("settings", [{}, {"ranges": recipe.Ranges(), "bias_correction": True}])
def test_no_samples_are_refused(model: bytes, settings: dict[str, Any]) -> None:
    conversion = recipe.Conversion(**{"ranges": AUTO, **settings})
    with pytest.raises(DataError) as caught:
        quantize(model, record(model, SAMPLES), conversion, [])
    assert "`bias_correction=False`" in caught.value.remedy


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(("count", "trials"), [(1, 0), (15, 0), (17, 14)])
def test_with_fewer_samples_than_can_decide_minmax_stays(
    model: bytes, count: int, trials: int
) -> None:
    samples = SAMPLES[:count]
    made = auto(model, samples)
    found = made.recipe["search"]
    assert (found["fitted_on"] + found["judged_on"], len(found["trials"])) == (count, trials)
    if not trials:
        assert (made.recipe["method"], made.recipe["corrected_layers"]) == ("minmax", 0)
        assert made.content == quantize(model, record(model, samples), recipe.Conversion()).content


@pytest.mark.usefixtures("_here")
def test_a_method_that_is_given_is_tried_alone(model: bytes) -> None:
    given = recipe.Ranges(method="percentile", percentile=99.5)
    trials = auto(model, SAMPLES, ranges=given, bias_correction=True).recipe["search"]["trials"]
    assert {(trial["method"], trial["percentile"]) for trial in trials} == {("percentile", 99.5)}
    assert {trial["bias_correction"] for trial in trials} == {False, True}


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
    assert 0 < made.recipe["search"]["trials"][0]["noise"] < 0.01
    assert made.recipe["method"] in {name for name, _ in WAYS}


@pytest.mark.usefixtures("_here")
def test_where_too_little_is_lost_minmax_stays(clipping: tuple[bytes, np.ndarray]) -> None:
    model, samples = clipping
    mild = np.where(samples == 3000, np.float32(300), samples)
    made = auto(model, mild)
    found = made.recipe["search"]
    assert found["little_to_gain"]
    assert any(trial["is_better"] for trial in found["trials"])
    assert made.content == quantize(model, record(model, mild), recipe.Conversion()).content
