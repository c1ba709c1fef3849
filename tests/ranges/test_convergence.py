"""Whether there are enough examples: 4 are not, 100 are, on models of different kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quantline import recipe
from quantline.ranges import record
from quantline.ranges.convergence import Extents, converge, difference, measure_convergence, union
from quantline.sampling import build_transform, open_source

ROOT = Path(__file__).resolve().parents[2]


def ranges(*ends: tuple[float, float]) -> Extents:
    low, high = np.array(ends, np.float64).T
    return Extents(tuple(f"t{index}" for index in range(len(ends))), low, high)


def test_the_difference_is_that_of_the_farther_end_in_per_cent_of_both() -> None:
    found = difference(ranges((0, 1), (-1, 3), (0, 2)), ranges((0, 1), (-2, 2), (0, 1)), 7)
    assert found.examples == 7
    assert found.median_pct == pytest.approx(20)
    assert found.mean_pct == pytest.approx((0 + 20 + 50) / 3)
    assert found.worst_pct == pytest.approx(50)
    assert found.worst_tensor == "t2"


def test_tensors_without_a_range_do_not_count() -> None:
    some = ranges((1, 1), (np.inf, -np.inf), (0, 1))
    assert difference(some, ranges((1, 1), (np.inf, -np.inf), (0, 2)), 1).mean_pct == 50
    none = difference(ranges((1, 1)), ranges((1, 1)), 1)
    assert (none.worst_pct, none.worst_tensor) == (0, None)


def test_halves_that_agree_have_converged() -> None:
    half = ranges((0, 1), (-1, 1))
    assert converge(half, half, {}, examples=100).finding is None


def test_halves_that_disagree_have_not() -> None:
    first, second = ranges((0, 1), (-1, 1)), ranges((0, 4), (-1, 1))
    found = converge(first, second, {50: first, 25: ranges((0, 0.5), (-1, 0))}, examples=100)
    assert [item.examples for item in found.curve] == [25, 50]
    assert found.curve[1].worst_pct == pytest.approx(75)
    finding = found.finding
    assert finding is not None
    assert (finding.name, finding.severity) == ("not_converged", "warning")
    assert "differ by 37.5 % on average, by 75.0 % at worst ('t0')" in finding.found
    assert "the first 25 by 68.8 % (median) and 87.5 % (worst)" in finding.found
    assert "400" in finding.remedy


@pytest.mark.parametrize("count", [2, 4, 19])
def test_few_examples_have_not_converged_though_they_agree(count: int) -> None:
    half = ranges((0, 1))
    finding = converge(half, half, {}, examples=count).finding
    assert finding is not None
    assert f"{count} examples" in finding.found
    assert "Take more samples" in finding.remedy


def test_a_single_example_has_no_halves() -> None:
    found = measure_convergence(b"not even read", [np.zeros(4)])
    assert found.halves is None
    assert found.finding is not None


def examples(values: dict[str, Any], split: str, count: int) -> np.ndarray:
    dataset = recipe.check(recipe.Dataset, values)
    source, transform = open_source(dataset), build_transform(dataset.transform)
    ids = [entry.id for entry in source.entries(split)][:count]
    return np.stack([transform(example.value) for example in source.examples(split, set(ids))])


@pytest.fixture(scope="module")
def fashion() -> tuple[bytes, np.ndarray]:
    """The embedded model, as TensorFlow imports it, and 400 images of train."""
    from quantline.quiet import tensorflow

    tf = tensorflow()
    import keras

    model = keras.models.load_model(ROOT / "data/06_models/fashion_mnist.keras", compile=False)
    content = bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    given = {"source": "tfds", "data_dir": str(ROOT / "data/01_raw"),
             "tfds": {"name": "fashion_mnist", "version": "3.0.1"},
             "transform": [{"rescale": {"scale": 1 / 255, "offset": 0.0}}]}  # fmt: skip
    return content, examples(given, "train[:400]", 400)


@pytest.mark.parametrize("start", [0, 100, 200, 300])
def test_100_images_of_the_embedded_set_have_converged(
    fashion: tuple[bytes, np.ndarray], start: int
) -> None:
    model, images = fashion
    found = measure_convergence(model, images[start : start + 100])
    assert found.finding is None
    assert [item.examples for item in found.curve] == [12, 25, 50]
    assert found.curve[0].mean_pct > found.curve[-1].mean_pct


def test_4_images_of_the_embedded_set_have_not(fashion: tuple[bytes, np.ndarray]) -> None:
    model, images = fashion
    for start in range(0, 40, 4):
        finding = measure_convergence(model, images[start : start + 4]).finding
        assert finding is not None
        assert "100 or so" in finding.remedy


def test_each_example_is_recorded_once_and_all_together_are_the_whole(
    fashion: tuple[bytes, np.ndarray],
) -> None:
    model, images = fashion
    taken: list[int] = []

    class Counting:
        def __len__(self) -> int:
            return 40

        def __getitem__(self, index: int) -> np.ndarray:
            taken.append(int(index))
            return images[index]

    measure_convergence(model, Counting())
    assert sorted(taken) == list(range(40))
    parts = [Extents.of(record(model, part)) for part in (images[:10], images[10:40])]
    whole, joined = Extents.of(record(model, images[:40])), union(*parts)
    assert joined.names == whole.names
    np.testing.assert_array_equal([joined.low, joined.high], [whole.low, whole.high])


def test_examples_sorted_by_class_are_shuffled(fashion: tuple[bytes, np.ndarray]) -> None:
    model, images = fashion
    by_brightness = images[:100][np.argsort(images[:100].mean(axis=(1, 2, 3)))]
    assert measure_convergence(model, by_brightness).finding is None


def test_heavy_tails_do_not_converge(fashion: tuple[bytes, np.ndarray]) -> None:
    model, images = fashion
    scale = np.exp(np.random.default_rng(2).normal(0, 2, (100, 1, 1, 1)))
    finding = measure_convergence(model, (images[:100] * scale).astype(np.float32)).finding
    assert finding is not None
    assert "on average" in finding.found
    assert ";" not in finding.found.split("('")[1].split("')")[0]


@pytest.mark.exhaustive
def test_photographs_for_mobilenet() -> None:
    imagenet = ROOT.parent / "shared/imagenet"
    if not imagenet.is_dir():
        pytest.skip(f"MobileNet v1 and the ImageNet photographs are not in {imagenet}")
    import yaml

    from quantline.quiet import tensorflow

    tf = tensorflow()
    import keras

    model = keras.models.load_model(imagenet / "mobilenet_v1_1.0_224.keras", compile=False)
    content = bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    values = yaml.safe_load((ROOT / "conf/imagenet/parameters.yml").read_text())["dataset"]
    images = examples({**values, "data_dir": str(imagenet)}, "calibration", 100)
    assert measure_convergence(content, images).finding is None
    assert measure_convergence(content, images[:4]).finding is not None
