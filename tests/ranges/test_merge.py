"""Range sets as values: merged in any order, saved, loaded, compared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from quantline import recipe
from quantline.errors import MismatchError, OutputNotWritten, ResultMissing
from quantline.quantization import quantize
from quantline.ranges import RangeSet, drift, record

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def shards(depthwise: Any) -> list[RangeSet]:
    parts = (depthwise.samples[:5], depthwise.samples[5:6], depthwise.samples[6:])
    return [
        record(depthwise.float_tflite, part, samples_sha256=f"{at}" * 64)
        for at, part in enumerate(parts)
    ]


def test_merging_is_associative_and_commutative(shards: list[RangeSet]) -> None:
    a, b, c = shards
    assert a.merge(b).merge(c) == a.merge(b.merge(c)) == c.merge(a).merge(b)


def test_shards_give_what_one_pass_gives(depthwise: Any, shards: list[RangeSet]) -> None:
    a, b, c = shards
    merged = a.merge(b).merge(c)
    whole = record(depthwise.float_tflite, depthwise.samples)
    assert merged.tensors == whole.tensors
    assert merged.samples == whole.samples == len(depthwise.samples)
    assert merged.samples_sha256 == tuple(sorted(f"{at}" * 64 for at in range(3)))


def test_shards_quantize_to_the_same_bytes_as_one_pass(
    depthwise: Any, shards: list[RangeSet]
) -> None:
    a, b, c = shards
    whole = record(depthwise.float_tflite, depthwise.samples)
    made = [
        quantize(depthwise.float_tflite, ranges, recipe.Conversion(backend="litert")).content
        for ranges in (c.merge(b).merge(a), whole)
    ]
    assert made[0] == made[1]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_neither_order_nor_threads_make_a_difference(depthwise: Any, threads: int) -> None:
    samples = depthwise.samples
    order = np.random.default_rng(threads).permutation(len(samples))
    shuffled = record(depthwise.float_tflite, samples[order], threads=threads)
    assert shuffled == record(depthwise.float_tflite, samples)


def test_ranges_of_another_model_do_not_merge(plain: Any, shards: list[RangeSet]) -> None:
    with pytest.raises(MismatchError, match="different models"):
        shards[0].merge(record(plain.float_tflite, plain.samples))


def test_a_shard_does_not_merge_twice(shards: list[RangeSet]) -> None:
    with pytest.raises(MismatchError, match="same samples"):
        shards[0].merge(shards[1]).merge(shards[0])


def test_versions_that_differ_are_both_kept(shards: list[RangeSet]) -> None:
    other = replace(shards[1], versions={**shards[1].versions, "numpy": "0.1"})
    merged = shards[0].merge(other)
    assert merged.versions["numpy"] == " + ".join(sorted({"0.1", shards[0].versions["numpy"]}))
    assert merged.versions == other.merge(shards[0]).versions


def test_a_file_brings_the_set_back(shards: list[RangeSet], tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ranges.json"
    shards[0].save(path)
    assert RangeSet.load(path) == shards[0]
    again = path.read_bytes()
    RangeSet.load(path).save(path)
    assert path.read_bytes() == again


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b'{"tensors": 3}', b"\x00\xff"])
def test_another_file_is_an_error_that_names_it(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "ranges.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ResultMissing, match=r"ranges\.json"):
        RangeSet.load(path)


def test_a_folder_that_cannot_be_written_is_an_error(
    shards: list[RangeSet], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputNotWritten):
        shards[0].save(tmp_path / "file" / "ranges.json")


def test_drift_counts_steps_of_the_first_range(shards: list[RangeSet]) -> None:
    one = shards[0].tensors[0]
    step = (one.max - one.min) / 255
    moved = replace(one, min=one.min - 3 * step, max=one.max - 5 * step)
    other = replace(shards[0], tensors=(moved, *shards[0].tensors[1:]))
    found = drift(shards[0], other)
    assert found[0].index == one.index
    assert (found[0].min_steps, found[0].max_steps) == pytest.approx((-3, -5), abs=1e-6)
    assert all(difference.worst == 0 for difference in found[1:])


def test_drift_needs_the_same_tensors(plain: Any, shards: list[RangeSet]) -> None:
    with pytest.raises(MismatchError, match="same tensors"):
        drift(shards[0], record(plain.float_tflite, plain.samples))
