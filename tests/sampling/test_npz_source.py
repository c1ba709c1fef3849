from __future__ import annotations

import hashlib
import io
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from quantline import recipe
from quantline.errors import DataError
from quantline.sampling import Example, Source, open_source
from quantline.sampling.npz_source import NpzSource

if TYPE_CHECKING:
    from pathlib import Path


def opened(folder: Path, **npz: str) -> Source:
    return open_source(recipe.Dataset(source="npz", data_dir=str(folder), npz=npz))


def arrays(count: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 4, 5, 3), dtype=np.uint8), rng.integers(0, 3, count)


def chosen(source: Source, split: str) -> list[Example]:
    return list(source.examples(split, {entry.id for entry in source.entries(split)}))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_rows_and_labels_are_numpy_s(tmp_path: Path, save: Any) -> None:
    x, y = arrays()
    save(tmp_path / "train.npz", x=x, y=y)
    source = opened(tmp_path)
    assert [entry.label for entry in source.entries("train.npz")] == y.tolist()
    found = chosen(source, "train.npz")
    np.testing.assert_array_equal([example.value for example in found], x)
    assert [example.label for example in found] == y.tolist()
    expected = [hashlib.sha256(row.tobytes()).hexdigest() for row in x]
    assert [example.sha256 for example in found] == expected


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", ">f4", "bool"])
def test_rows_keep_their_dtype(tmp_path: Path, dtype: str) -> None:
    x = np.arange(12).reshape(3, 4).astype(dtype)
    np.savez(tmp_path / "a.npz", x=x)
    for example, row in zip(chosen(opened(tmp_path), "a.npz"), x, strict=True):
        assert example.value.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(example.value, row)


@pytest.mark.parametrize(
    ("split", "rows"),
    [
        ("a.npz", slice(None)),
        ("a.npz[:3]", slice(3)),
        ("a.npz[3:]", slice(3, None)),
        ("a.npz[2:5]", slice(2, 5)),
        ("a.npz[:100]", slice(None)),
        ("a.npz[50:60]", slice(0)),
        ("a.npz[:50%]", slice(4)),
        ("a.npz[50%:]", slice(4, None)),
        ("a.npz[:0]", slice(0)),
        ("a.npz[:]", slice(None)),
    ],
)
def test_a_slice_is_rows_or_per_cent(tmp_path: Path, split: str, rows: slice) -> None:
    x, y = arrays(8)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    found = chosen(opened(tmp_path), split)
    assert [example.label for example in found] == y[rows].tolist()
    assert [example.id for example in found] == [f"a.npz[{row}]" for row in range(8)[rows]]
    for example, row in zip(found, x[rows], strict=True):
        np.testing.assert_array_equal(example.value, row)


@pytest.mark.parametrize("count", [1, 3, 7, 10, 99])
@pytest.mark.parametrize("percent", [0, 1, 33, 50, 80, 100])
def test_two_parts_by_per_cent_are_the_whole(tmp_path: Path, count: int, percent: int) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((count, 2)))
    source = opened(tmp_path)
    parts = (f"a.npz[:{percent}%]", f"a.npz[{percent}%:]")
    both = [entry.id for split in parts for entry in source.entries(split)]
    assert both == [entry.id for entry in source.entries("a.npz")]


@pytest.mark.parametrize("split", ["a.npz[-2:]", "a.npz[1]", "a.npz[a:b]", "a.npz[:1.5]", ""])
def test_another_slice_is_an_error(tmp_path: Path, split: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        list(opened(tmp_path).entries(split))


def test_only_the_chosen_rows_are_given(tmp_path: Path) -> None:
    x, y = arrays()
    np.savez(tmp_path / "a.npz", x=x, y=y)
    found = list(opened(tmp_path).examples("a.npz[2:]", {"a.npz[0]", "a.npz[2]", "a.npz[5]"}))
    assert [example.id for example in found] == ["a.npz[2]", "a.npz[5]"]


def test_without_labels_every_label_is_none(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=arrays()[0])
    source = opened(tmp_path)
    assert {entry.label for entry in source.entries("a.npz")} == {None}
    assert {example.label for example in chosen(source, "a.npz")} == {None}


def test_the_arrays_may_have_other_names(tmp_path: Path) -> None:
    x, y = arrays()
    np.savez(tmp_path / "a.npz", images=x, classes=y)
    found = chosen(opened(tmp_path, x="images", y="classes"), "a.npz")
    assert [example.label for example in found] == y.tolist()


def test_labels_may_be_a_column(tmp_path: Path) -> None:
    x, y = arrays()
    np.savez(tmp_path / "a.npz", x=x, y=y[:, np.newaxis].astype(np.uint8))
    assert [entry.label for entry in opened(tmp_path).entries("a.npz")] == y.tolist()


def test_an_array_that_is_not_there_is_an_error_that_lists_the_others(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=arrays()[0], classes=arrays()[1])
    with pytest.raises(DataError, match="no array 'x'") as caught:
        list(opened(tmp_path).entries("a.npz"))
    assert "classes, images" in caught.value.found


@pytest.mark.parametrize("count", [6, 8])
def test_another_number_of_labels_is_an_error(tmp_path: Path, count: int) -> None:
    np.savez(tmp_path / "a.npz", x=arrays()[0], y=np.zeros(count, int))
    with pytest.raises(DataError, match="as many labels") as caught:
        list(opened(tmp_path).entries("a.npz"))
    assert caught.value.found == f"7 examples and {count} labels"


@pytest.mark.parametrize("labels", [np.int64(3), np.full(7, "cat")])
def test_labels_that_are_no_numbers_of_examples_are_an_error(tmp_path: Path, labels: Any) -> None:
    np.savez(tmp_path / "a.npz", x=arrays()[0], y=labels)
    with pytest.raises(DataError, match="are not numbers"):
        list(opened(tmp_path).entries("a.npz"))


@pytest.mark.parametrize("labels", [np.eye(7), np.linspace(0, 1, 7), np.zeros((7, 2, 3), np.uint8)])
def test_labels_that_are_no_class_indices_are_arrays(tmp_path: Path, labels: Any) -> None:
    np.savez(tmp_path / "a.npz", x=arrays()[0], y=labels)
    source = opened(tmp_path)
    entries = list(source.entries("a.npz"))
    assert [entry.label for entry in entries] == [None] * 7
    examples = list(source.examples("a.npz", {entry.id for entry in entries}))
    for example, label in zip(examples, labels, strict=True):
        np.testing.assert_array_equal(example.label, label)
    assert len({example.sha256 for example in examples}) == 7


def test_several_inputs_are_mappings(tmp_path: Path) -> None:
    left, right = arrays()[0], np.arange(14).reshape(7, 2)
    np.savez(tmp_path / "a.npz", left=left, right=right, y=np.arange(7))
    named = recipe.Npz(x=["left", "right"])
    source = NpzSource(recipe.Dataset(source="npz", data_dir=str(tmp_path), npz=named))
    (example,) = source.examples("a.npz[3:4]", {"a.npz[3]"})
    assert example.label == 3
    np.testing.assert_array_equal(example.value["left"], left[3])
    np.testing.assert_array_equal(example.value["right"], right[3])
    np.savez(tmp_path / "a.npz", left=left, right=right[:5])
    with pytest.raises(DataError, match="different numbers of examples"):
        list(source.entries("a.npz"))


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04" + bytes(100)])
def test_a_file_that_is_no_archive_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz"):
        list(opened(tmp_path).entries("a.npz"))


def test_a_plain_array_a_folder_and_nothing_are_errors(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", arrays()[0])
    (tmp_path / "folder").mkdir()
    for name in ("a.npy", "folder", "none.npz"):
        with pytest.raises(DataError, match=name):
            list(opened(tmp_path).entries(name))


@pytest.mark.parametrize(
    "x",
    [
        np.array([{"a": 1}, None], dtype=object),
        np.zeros(5),
        np.float32(3),
        np.asfortranarray(np.zeros((3, 4))),
    ],
)
def test_an_array_that_cannot_be_streamed_is_an_error(tmp_path: Path, x: Any) -> None:
    np.savez(tmp_path / "a.npz", x=x)
    with pytest.raises(DataError, match="cannot be read"):
        list(opened(tmp_path).entries("a.npz"))


@pytest.mark.parametrize("position", [60, 3000, 5000, 7000])
def test_a_damaged_archive_is_an_error_wherever_the_damage_is(
    tmp_path: Path, position: int
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)
    np.savez_compressed(tmp_path / "a.npz", x=x)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[position : position + 40] = bytes(40)
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises((DataError, DataError), match=r"a\.npz"):
        chosen(opened(tmp_path), "a.npz")


def test_an_array_that_was_cut_off_is_an_error(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((5, 2)))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", buffer.getvalue()[:-40])
    with pytest.raises(DataError, match=r"80 bytes, before 40 bytes"):
        list(opened(tmp_path).entries("a.npz"))


def test_a_member_that_numpy_does_not_write_is_an_error(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((5, 2)))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x", buffer.getvalue())
    with pytest.raises((DataError, DataError), match=r"a\.npz"):
        list(opened(tmp_path).entries("a.npz"))


def test_an_array_larger_than_memory_allows_is_streamed(tmp_path: Path) -> None:
    rows, row_bytes = 800, 100_000
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("x.npy", "w", force_zip64=True) as member,
    ):
        header = {"descr": "|u1", "fortran_order": False, "shape": (rows, row_bytes)}
        np.lib.format.write_array_header_1_0(member, header)
        for _ in range(rows):
            member.write(bytes(row_bytes))
    source = opened(tmp_path)
    tracemalloc.start()
    try:
        count = sum(1 for _ in source.examples("a.npz", {"a.npz[0]", "a.npz[799]"}))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 2
    assert peak < 20 * row_bytes  # of 800


@pytest.mark.parametrize(
    "labels",
    [np.array([None] * 7), np.full(7, 1j), np.array(["2026-01-01"] * 7, "datetime64[D]"),
     np.zeros(7, [("a", int)])],
    ids=["objects", "complex", "dates", "fields"],
)  # fmt: skip
def test_labels_of_odd_kinds_are_an_error(tmp_path: Path, labels: Any) -> None:
    np.savez(tmp_path / "a.npz", x=arrays()[0], y=labels)
    with pytest.raises((DataError, DataError), match=r"a\.npz"):
        list(opened(tmp_path).entries("a.npz"))


def test_labels_beyond_any_class_are_kept_as_they_are(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=arrays(1)[0], y=np.array([2**64 - 1], np.uint64))
    assert [entry.label for entry in opened(tmp_path).entries("a.npz")] == [2**64 - 1]


@pytest.mark.parametrize("x", [np.zeros((3, 0)), np.full((3, 2), "a"), np.ones((3, 2), complex)])
def test_examples_without_numbers_are_an_error(tmp_path: Path, x: np.ndarray) -> None:
    np.savez(tmp_path / "a.npz", x=x)
    with pytest.raises(DataError, match=r"a\.npz"):
        list(opened(tmp_path).entries("a.npz"))


def test_no_rows_are_no_examples(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((0, 4)), y=np.zeros(0, int))
    assert list(opened(tmp_path).entries("a.npz")) == []


def test_more_rows_than_can_be_listed_are_refused_at_once(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w", force_zip64=True) as member,
    ):
        header = {"descr": "|u1", "fortran_order": False, "shape": (20 << 20, 1)}
        np.lib.format.write_array_header_1_0(member, header)
        for _ in range(20):
            member.write(bytes(1 << 20))
    with pytest.raises(DataError, match="20,971,520 examples"):
        list(opened(tmp_path).entries("a.npz"))


def test_the_array_of_examples_may_have_a_name_with_slashes(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{"train/x": arrays()[0]})
    assert len(list(opened(tmp_path, x="train/x").entries("a.npz"))) == 7
