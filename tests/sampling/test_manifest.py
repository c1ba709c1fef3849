from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.conftest import PROJECT

from quantline import recipe
from quantline.errors import (
    DataError,
    MismatchError,
)
from quantline.files import canonical_json
from quantline.sampling import draw, stream

if TYPE_CHECKING:
    from pathlib import Path


class Data:
    """Two archives, train.npz and test.npz, of distinct rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rng = np.random.default_rng(0)

    def write(self, name: str, labels: list[int] | None, rows: np.ndarray | None = None) -> None:
        count = len(labels or rows)
        x = self.rng.normal(size=(count, 2, 3)) if rows is None else rows
        y = {} if labels is None else {"y": np.array(labels)}
        np.savez(self.folder / name, x=x, **y)

    def rows(self, name: str) -> np.ndarray:
        return np.load(self.folder / name)["x"]

    def dataset(self, **values: Any) -> recipe.Dataset:
        return recipe.Dataset(source="npz", data_dir=str(self.folder), **values)

    def draw(self, seed: int = 1, calibration: Any = None, evaluation: Any = None, **dataset: Any):
        sampling = recipe.check(
            recipe.Sampling,
            {
                "seed": seed,
                "calibration": {"split": "train.npz", "examples": None} | (calibration or {}),
                "evaluation": {"split": "test.npz", "examples": None} | (evaluation or {}),
            },
        )
        return draw(self.dataset(**dataset), sampling)

    def drawn(self, count: int | None, seed: int = 1) -> list[str]:
        """Return the ids of a calibration set of this size."""
        return list(self.draw(seed, {"examples": count})[1].ids)


@pytest.fixture
def data(tmp_path: Path) -> Data:
    made = Data(tmp_path)
    made.write("train.npz", [0] * 50 + [1] * 30 + [2] * 20)
    made.write("test.npz", [0, 1, 2, 0, 1, 2, 1])
    return made


def by_largest_remainder(sizes: dict[int, int], count: int) -> dict[int, int]:
    """Hamilton's method in exact fractions: whole parts, then the largest remainders."""
    quotas = {label: Fraction(count * size, sum(sizes.values())) for label, size in sizes.items()}
    shares = {label: int(quota) for label, quota in quotas.items()}
    while sum(shares.values()) < count:
        left = {label: quotas[label] - shares[label] for label in sizes}
        # Of equal remainders, the lower class comes first.
        shares[max(sorted(left), key=lambda label: left[label])] += 1
    return shares


def test_the_manifest_names_every_example(data: Data) -> None:
    manifest, calibration = data.draw(calibration={"examples": 10})
    assert manifest["dataset"] == {"source": "npz", "name": "npz", "version": None}
    assert manifest["seed"] == 1
    assert manifest["transform"]["spec"] == []
    assert manifest["calibration"]["split"] == "train.npz"
    assert [example["id"] for example in manifest["calibration"]["examples"]] == list(
        calibration.ids
    )
    assert [example["id"] for example in manifest["evaluation"]["examples"]] == [
        f"test.npz[{row}]" for row in range(7)
    ]
    assert [example["label"] for example in manifest["evaluation"]["examples"]] == [
        0,
        1,
        2,
        0,
        1,
        2,
        1,
    ]
    hashes = [item["sha256"] for item in manifest["evaluation"]["examples"]]
    assert hashes == [hashlib.sha256(row.tobytes()).hexdigest() for row in data.rows("test.npz")]
    assert json.loads(canonical_json(manifest)) == manifest


def test_the_calibration_set_is_the_transformed_rows(data: Data) -> None:
    steps = [{"rescale": {"scale": 2.0, "offset": 1.0}}]
    _, calibration = data.draw(calibration={"examples": 10}, transform=steps)
    rows = [int(identifier.split("[")[1][:-1]) for identifier in calibration.ids]
    expected = data.rows("train.npz")[rows].astype(np.float32) * 2 + 1
    assert calibration.x.dtype == np.float32
    np.testing.assert_array_equal(calibration.x, expected)


def test_the_same_seed_draws_the_same(data: Data) -> None:
    first, second = data.draw(calibration={"examples": 10}), data.draw(calibration={"examples": 10})
    assert canonical_json(first[0]) == canonical_json(second[0])
    np.testing.assert_array_equal(first[1].x, second[1].x)


def test_another_seed_draws_others_of_the_same_labels(data: Data) -> None:
    draws = {seed: frozenset(data.drawn(20, seed)) for seed in range(5)}
    assert len(set(draws.values())) == 5
    labels = {
        seed: Counter(
            example["label"]
            for example in data.draw(seed, {"examples": 20})[0]["calibration"]["examples"]
        )
        for seed in range(5)
    }
    assert all(label == {0: 10, 1: 6, 2: 4} for label in labels.values())


def test_every_example_has_the_same_chance(data: Data) -> None:
    """Over 300 seeds, each of 50 is drawn into 10 about 60 times; 6 standard deviations is 42."""
    data.write("train.npz", None, data.rng.normal(size=(50, 2)))
    data.write("test.npz", None, data.rng.normal(size=(2, 2)))
    counts = Counter(item for seed in range(300) for item in data.drawn(10, seed))
    assert len(counts) == 50
    assert 18 < min(counts.values())
    assert max(counts.values()) < 102


def test_a_draw_does_not_depend_on_the_order_of_the_file(data: Data) -> None:
    """What an example's turn depends on is its id, so the same names are drawn from any order."""
    from PIL import Image

    for index in range(12):
        Image.new("L", (2, 2), index).save(data.folder / f"{index}.png")
    names = [f"{index}.png" for index in range(10)]
    dataset = recipe.Dataset(source="image_csv", data_dir=str(data.folder))
    (data.folder / "test.csv").write_text("file\n10.png\n11.png\n")
    drawn = []
    for order in (names, names[::-1]):
        (data.folder / "train.csv").write_text("\n".join(["file", *order]))
        sampling = recipe.Sampling(
            seed=3,
            calibration=recipe.CalibrationSplit(split="train.csv", examples=4),
            evaluation=recipe.EvaluationSplit(split="test.csv"),
        )
        drawn.append(set(draw(dataset, sampling)[1].ids))
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 10, 33, 50, 99, 100])
@pytest.mark.parametrize(
    "sizes", [{0: 50, 1: 30, 2: 20}, {3: 97, 5: 2, 9: 1}, {0: 34, 1: 33, 2: 33}]
)
def test_labels_are_drawn_in_proportion_by_largest_remainder(
    data: Data, sizes: dict[int, int], count: int
) -> None:
    data.write("train.npz", [label for label, size in sizes.items() for _ in range(size)])
    manifest, _ = data.draw(calibration={"examples": count})
    found = Counter(example["label"] for example in manifest["calibration"]["examples"])
    expected = by_largest_remainder(sizes, count)
    assert found == Counter({label: share for label, share in expected.items() if share})


@pytest.mark.parametrize("labels", [None, [0] * 30, [0, 1, 2] * 10])
def test_a_larger_draw_contains_the_smaller(data: Data, labels: list[int] | None) -> None:
    data.write("train.npz", labels, data.rng.normal(size=(30, 2, 3)))
    draws = [set(data.drawn(count)) for count in range(1, 31)]
    assert [len(part) for part in draws] == list(range(1, 31))
    for smaller, larger in itertools.pairwise(draws):
        assert smaller < larger


def test_a_larger_draw_contains_the_smaller_whatever_the_labels(data: Data) -> None:
    data.write("train.npz", [0] * 6 + [1] * 6 + [2] * 2)
    assert set(data.drawn(10)) < set(data.drawn(11))


def test_without_a_number_all_are_drawn(data: Data) -> None:
    assert data.drawn(None) == data.drawn(100) == [f"train.npz[{row}]" for row in range(100)]


def test_label_offset_is_added_to_both_parts(data: Data) -> None:
    manifest, _ = data.draw(label_offset=1)
    assert {example["label"] for example in manifest["calibration"]["examples"]} == {1, 2, 3}
    assert [example["label"] for example in manifest["evaluation"]["examples"]] == [
        1,
        2,
        3,
        1,
        2,
        3,
        2,
    ]
    streamed = stream(data.dataset(label_offset=1), manifest, "evaluation")
    assert [item.label for item in streamed] == [1, 2, 3, 1, 2, 3, 2]


def test_unlabelled_examples_stay_so(data: Data) -> None:
    data.write("train.npz", None, data.rng.normal(size=(9, 2, 3)))
    manifest, _ = data.draw(calibration={"examples": 4}, label_offset=1)
    assert [example["label"] for example in manifest["calibration"]["examples"]] == [None] * 4


def test_a_part_in_common_is_an_error_that_names_it(data: Data) -> None:
    with pytest.raises(DataError) as caught:
        data.draw(calibration={"split": "train.npz[:30]"}, evaluation={"split": "train.npz[27:]"})
    assert caught.value.found.startswith("3 shared: ")
    assert all(f"train.npz[{row}]" in caught.value.found for row in (27, 28, 29))


def test_the_same_content_under_another_name_is_an_overlap(data: Data) -> None:
    data.write("test.npz", [0, 1], np.stack([np.zeros((2, 3)), data.rows("train.npz")[5]]))
    with pytest.raises(DataError) as caught:
        data.draw()
    expected = "train.npz[5] (the same content as test.npz[1])"
    assert caught.value.found == f"1 shared: {expected}"


def test_only_what_was_drawn_can_overlap(data: Data) -> None:
    drawn = data.drawn(10)
    left_out = next(row for row in range(100) if f"train.npz[{row}]" not in drawn)
    data.write("test.npz", [0], data.rows("train.npz")[left_out : left_out + 1])
    assert data.drawn(10) == drawn


@pytest.mark.parametrize("part", ["calibration", "evaluation"])
def test_more_examples_than_there_are_is_an_error(data: Data, part: str) -> None:
    with pytest.raises(DataError) as caught:
        data.draw(**{part: {"split": f"{'train' if part == 'calibration' else 'test'}.npz[:5]",
                            "examples": 6}})  # fmt: skip
    assert (caught.value.found, caught.value.expected) == ("5 examples", "at least 6")


@pytest.mark.parametrize("part", ["calibration", "evaluation"])
def test_an_empty_split_is_an_error(data: Data, part: str) -> None:
    with pytest.raises(DataError, match="is empty"):
        data.draw(**{part: {"split": "train.npz[:0]"}})


@pytest.mark.parametrize(("value", "word"), [(np.nan, "1 NaN and 0"), (-np.inf, "0 NaN and 1")])
def test_an_example_that_is_not_finite_is_named(data: Data, value: float, word: str) -> None:
    rows = data.rows("train.npz")
    rows[17, 1, 2] = value
    data.write("train.npz", [0] * 100, rows)
    with pytest.raises(DataError, match=r"'train\.npz\[17\]'") as caught:
        data.draw()
    assert word in caught.value.found


def test_examples_of_two_shapes_are_an_error_that_names_the_second(data: Data) -> None:
    from PIL import Image

    for index, size in enumerate([(3, 4), (3, 4), (4, 3)]):
        Image.new("L", size, index).save(data.folder / f"{index}.png")
    (data.folder / "train.csv").write_text("file\n0.png\n2.png\n")
    (data.folder / "test.csv").write_text("file\n1.png\n")
    sampling = recipe.Sampling(
        seed=1,
        calibration=recipe.CalibrationSplit(split="train.csv", examples=None),
        evaluation=recipe.EvaluationSplit(split="test.csv"),
    )
    dataset = recipe.Dataset(source="image_csv", data_dir=str(data.folder))
    with pytest.raises(DataError, match=r"'2\.png'") as caught:
        draw(dataset, sampling)
    assert caught.value.found == "(3, 4, 3) after (4, 3, 3)"


def test_a_transform_that_does_not_fit_is_an_error(data: Data) -> None:
    with pytest.raises(DataError, match="resize"):
        data.draw(transform=[{"resize": {"height": 4, "width": 4}}])


def test_the_content_hash_is_that_of_the_drawn_examples(data: Data) -> None:
    def content(**calibration: Any) -> str:
        return str(data.draw(calibration=calibration)[0]["calibration"]["sha256"])

    same = content(split="train.npz[:10]")
    assert content(split="train.npz[:10]") == same
    assert content(split="train.npz[:11]") != same
    shutil.copy(data.folder / "train.npz", data.folder / "other.npz")
    assert content(split="other.npz[:10]") == same


@pytest.mark.parametrize("part", ["calibration", "evaluation"])
def test_a_manifest_streams_its_examples(data: Data, part: str) -> None:
    manifest, _ = data.draw(calibration={"examples": 10})
    samples = list(stream(data.dataset(), manifest, part))
    rows = manifest[part]["examples"]
    assert [(sample.id, sample.label) for sample in samples] == [
        (row["id"], row["label"]) for row in rows
    ]
    every = data.rows(manifest[part]["split"])
    for sample in samples:
        row = int(sample.id.split("[")[1][:-1])
        np.testing.assert_array_equal(sample.x, every[row].astype(np.float32))


def test_streaming_gives_what_drawing_gave(data: Data) -> None:
    manifest, calibration = data.draw(calibration={"examples": 10})
    samples = list(stream(data.dataset(), manifest, "calibration"))
    assert tuple(sample.id for sample in samples) == calibration.ids
    np.testing.assert_array_equal(np.stack([sample.x for sample in samples]), calibration.x)


def test_another_transform_makes_the_manifest_stale(data: Data) -> None:
    manifest, _ = data.draw()
    with pytest.raises(MismatchError, match="transform has changed"):
        list(stream(data.dataset(transform=[{"rescale": 2.0}]), manifest, "evaluation"))


def test_another_content_makes_the_manifest_stale(data: Data) -> None:
    manifest, _ = data.draw()
    rows = data.rows("test.npz")
    rows[4, 0, 0] += 1
    data.write("test.npz", [0] * 7, rows)
    with pytest.raises(MismatchError, match=r"test\.npz\[4\]"):
        list(stream(data.dataset(), manifest, "evaluation"))


def test_missing_examples_make_the_manifest_stale(data: Data) -> None:
    manifest, _ = data.draw()
    data.write("test.npz", [0] * 5, data.rows("test.npz")[:5])
    with pytest.raises(MismatchError, match="5 of the 7 examples"):
        list(stream(data.dataset(), manifest, "evaluation"))


def test_more_examples_do_not_make_the_manifest_stale(data: Data) -> None:
    manifest, _ = data.draw()
    more = np.concatenate([data.rows("test.npz"), data.rng.normal(size=(2, 2, 3))])
    data.write("test.npz", [0] * 9, more)
    assert len(list(stream(data.dataset(), manifest, "evaluation"))) == 7


def test_what_is_not_finite_is_an_error_while_streaming(data: Data) -> None:
    rows = data.rows("test.npz")
    rows[3] = np.nan
    data.write("test.npz", [0] * 7, rows)
    manifest, _ = data.draw()
    with pytest.raises(DataError, match=r"test\.npz\[3\]"):
        list(stream(data.dataset(), manifest, "evaluation"))


def test_tfds_is_drawn_and_streamed_alike() -> None:
    dataset = recipe.Dataset(
        source="tfds",
        data_dir=str(PROJECT / "data" / "01_raw"),
        tfds=recipe.Tfds(name="fashion_mnist"),
        transform=[{"rescale": 1 / 255}],
    )
    sampling = recipe.Sampling(
        seed=5,
        calibration=recipe.CalibrationSplit(split="train[:200]", examples=20),
        evaluation=recipe.EvaluationSplit(split="test[:30]", examples=10),
    )
    manifest, calibration = draw(dataset, sampling)
    assert manifest["dataset"] == {"source": "tfds", "name": "fashion_mnist", "version": "3.0.1"}
    assert calibration.x.shape == (20, 28, 28, 1)
    assert 0.5 < calibration.x.max() <= 1
    samples = list(stream(dataset, manifest, "evaluation"))
    assert [sample.label for sample in samples] == [
        example["label"] for example in manifest["evaluation"]["examples"]
    ]
    assert {sample.x.shape for sample in samples} == {(28, 28, 1)}
