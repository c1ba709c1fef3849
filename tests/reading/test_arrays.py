"""Archives that claim what they do not hold, and those that numpy writes."""

from __future__ import annotations

import io
import os
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from quantline.reading import Arrays, ArraysUnreadable

if TYPE_CHECKING:
    from pathlib import Path

GIB = 1 << 30


def header(shape: Any, descr: Any = "|u1", fortran: bool = False) -> bytes:
    """Return a header as numpy writes it, of anything."""
    text = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape!r}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def archive(member: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as opened:
        opened.writestr("x.npy", member)
    return stream.getvalue()


CLAIMS = {
    "a trillion rows": header((10**12, 4)) + bytes(16),
    "more than any number": header((10**30,)) + bytes(16),
    "a negative size": header((-1, 4)) + bytes(16),
    "a negative size, twice": header((-2, -2)) + bytes(4),
    "a truth value": header((True, 4)) + bytes(4),
    "too few values": header((5, 4)) + bytes(19),
    "too many values": header((5, 4)) + bytes(21),
    "no tuple": header("many") + bytes(4),
    "fields": header((2,), [("a", "<f4"), ("b", "<i4")]) + bytes(16),
    "subarrays": header((2,), ("<f4", (10**9,))) + bytes(16),
    "objects": header((2,), "|O") + bytes(16),
    "raw bytes": header((2,), "|V8") + bytes(16),
    "an unknown dtype": header((2,), "<f3") + bytes(6),
    "a dtype that no dictionary takes": header((2,), [["a"], {}]) + bytes(6),
    "many dimensions": header((1,) * 40) + bytes(1),
    "a deep header": b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10_000,
    "another version": b"\x93NUMPY\x09\x00" + header((2,))[8:] + bytes(2),
    "nothing": b"",
    "a header alone": header((2, 2))[:40],
}


def read_all(content: bytes) -> None:
    with Arrays(content) as arrays:
        for name in arrays.names:
            arrays.read(name)


@pytest.mark.parametrize("member", CLAIMS.values(), ids=CLAIMS)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, None])
def test_a_false_claim_is_refused_before_anything_is_allocated(
    member: bytes, method: int | None
) -> None:
    content = member if method is None else archive(member, method)
    tracemalloc.start()
    try:
        with pytest.raises(ArraysUnreadable):
            read_all(content)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_a_member_that_inflates_to_more_than_memory_is_refused(tmp_path: Path) -> None:
    """It is what it claims to be, and it is too much."""
    path = tmp_path / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as opened,
        opened.open("x.npy", "w", force_zip64=True) as member,
    ):
        member.write(header((64, 1 << 20)))
        for _ in range(64):
            member.write(bytes(1 << 20))
    with Arrays(path) as arrays, pytest.raises(ArraysUnreadable, match="67,108,864 bytes"):
        arrays.read("x", limit_bytes=32 << 20)
    with Arrays(path) as arrays:
        assert sum(1 for _ in arrays.rows("x")) == 64


def test_the_directory_of_an_archive_is_not_believed() -> None:
    content = bytearray(archive(header((2, 2)) + bytes(4), zipfile.ZIP_DEFLATED))
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (2**31).to_bytes(4, "little")  # the size it inflates to
    with Arrays(bytes(content)) as arrays:
        with pytest.raises(ArraysUnreadable, match="said to hold 2,147,483,648 bytes"):
            arrays.read("x")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_numpy_does_not_write_is_refused(method: int) -> None:
    with Arrays(archive(header((2, 2)) + bytes(4), method)) as arrays:
        with pytest.raises(ArraysUnreadable, match="compressed by method"):
            arrays.read("x")


def test_an_encrypted_member_is_refused() -> None:
    content = bytearray(archive(header((2, 2)) + bytes(4)))
    for place in (content.index(b"PK\x03\x04") + 6, content.index(b"PK\x01\x02") + 8):
        content[place] |= 1
    with Arrays(bytes(content)) as arrays, pytest.raises(ArraysUnreadable, match="encrypted"):
        arrays.read("x")


def test_an_array_that_is_there_twice_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        opened.writestr("x.npy", header((1,)) + b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            opened.writestr("x.npy", header((1,)) + b"2")
    with pytest.raises(ArraysUnreadable, match="two arrays 'x'"):
        Arrays(stream.getvalue())


@pytest.mark.parametrize("size", [(3, 0), (3, 4, 0), (10**12, 0)])
def test_rows_without_values_are_refused(size: tuple[int, ...]) -> None:
    with Arrays(archive(header(size))) as arrays:
        with pytest.raises(ArraysUnreadable, match="0 bytes a row"):
            next(arrays.rows("x"))


SOUND = {
    "plain": np.arange(24).reshape(2, 3, 4),
    "Fortran order": np.asfortranarray(np.arange(24).reshape(4, 6)),
    "big endian": np.arange(6, dtype=">f8"),
    "half": np.ones((3, 2), np.float16),
    "bool": np.array([[True, False]]),
    "complex": np.ones(3, np.complex64),
    "text": np.array(["one", "zwei", "ü"]),
    "bytes": np.array([b"one", b"two"]),
    "scalar": np.array(3.5),
    "no rows": np.zeros((0, 4)),
    "no columns": np.zeros((4, 0)),
    "time": np.array(["2026-01-01"], "datetime64[D]"),
}


@pytest.mark.parametrize("value", SOUND.values(), ids=SOUND)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed, np.save])
def test_what_numpy_writes_is_read_as_numpy_reads_it(
    tmp_path: Path, save: Any, value: np.ndarray
) -> None:
    path = tmp_path / "a"
    with path.open("wb") as stream:
        save(stream, value)
    with Arrays(path) as arrays:
        (name,) = arrays.names
        found = arrays.read(name)
        assert arrays.header(name).shape == value.shape
    assert found.dtype == value.dtype
    np.testing.assert_array_equal(found, value)
    found[...] = found  # as numpy's own, it can be written to


def test_names_may_hold_slashes() -> None:
    stream = io.BytesIO()
    np.savez(stream, **{"0/input/image": np.ones(2), "ü": np.zeros(1)})
    with Arrays(stream.getvalue()) as arrays:
        assert arrays.names == ("0/input/image", "ü")
        assert arrays.read("0/input/image").tolist() == [1, 1]


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name, said in (("pipe", "a pipe"), ("loop", "a loop of"), ("device", "a device"),
                       (".", "a folder"), ("none", "no such file"),
                       ("n" * 300, "too long"), ("a\0b", "no file can have")):  # fmt: skip
        with pytest.raises(ArraysUnreadable, match=said):
            Arrays(tmp_path / name)
