from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from quantline.errors import ModelNotFound, OutputNotWritten
from quantline.files import canonical_json, sha256, sha256_of_path, write_atomic


def names(folder: Path) -> list[str]:
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*"))


def test_write_makes_the_folder_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a" / "b" / "out.bin", b"content")
    assert (tmp_path / "a" / "b" / "out.bin").read_bytes() == b"content"
    assert names(tmp_path) == ["a", "a/b", "a/b/out.bin"]


def test_write_replaces_a_longer_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"a longer old content")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"


def test_write_overwrites_what_a_killed_run_left(tmp_path: Path) -> None:
    (tmp_path / ".out.bin.partial").write_bytes(b"half of a larger")
    write_atomic(tmp_path / "out.bin", b"new")
    assert names(tmp_path) == ["out.bin"]
    assert (tmp_path / "out.bin").read_bytes() == b"new"


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    """Who holds the old file open still reads the old content: it was replaced, not rewritten."""
    path = tmp_path / "out.bin"
    path.write_bytes(b"old content")
    with path.open("rb") as reader:
        write_atomic(path, b"new")
        assert reader.read() == b"old content"


def test_a_file_in_place_of_the_folder_is_an_error_that_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(OutputNotWritten, match=r"out\.bin"):
        write_atomic(tmp_path / "file" / "out.bin", b"content")
    assert (tmp_path / "file").read_bytes() == b"kept"
    assert names(tmp_path) == ["file"]


def test_a_folder_in_place_of_the_file_is_an_error_that_leaves_no_partial(tmp_path: Path) -> None:
    (tmp_path / "out.bin" / "inside").mkdir(parents=True)
    with pytest.raises(OutputNotWritten) as caught:
        write_atomic(tmp_path / "out.bin", b"content")
    assert isinstance(caught.value.__cause__, OSError)
    assert names(tmp_path) == ["out.bin", "out.bin/inside"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a folder that refuses even root")
def test_a_folder_that_takes_no_file_is_an_error_that_says_how_much_was_needed() -> None:
    with pytest.raises(OutputNotWritten, match="1,234 bytes"):
        write_atomic(Path("/proc/self/out.bin"), b"x" * 1234)


def test_equal_values_are_equal_json_whatever_their_order() -> None:
    first = {"b": [1, 2.5, None], "a": {"y": True, "x": "é"}}
    second = {"a": {"x": "é", "y": True}, "b": [1, 2.5, None]}
    assert canonical_json(first) == canonical_json(second)
    assert json.loads(canonical_json(first)) == first
    assert canonical_json(first).endswith(b"}\n")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_json_of_what_is_not_a_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": value})


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_sha256_is_the_standard_one(kind: type) -> None:
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(kind(b"abc")) == known  # FIPS 180-2, appendix B.1


def test_hash_of_a_file_is_that_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_of_path(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()


def folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def test_hash_of_a_folder_depends_on_names_and_contents_alone(tmp_path: Path) -> None:
    files = {"b": b"1", "a/c": b"2", "a/d": b""}
    first = folder(tmp_path / "first", files)
    second = folder(tmp_path / "second", dict(reversed(files.items())))
    assert sha256_of_path(first) == sha256_of_path(second)


@pytest.mark.parametrize(
    "files",
    [
        {"b": b"1", "a/c": b"3"},
        {"b": b"2", "a/c": b"1"},
        {"b": b"1", "a/e": b"2"},
        {"b": b"1"},
        {"b": b"1", "a/c": b"2", "d": b""},
    ],
)
def test_hash_of_a_folder_tells_every_change(tmp_path: Path, files: dict[str, bytes]) -> None:
    first = folder(tmp_path / "first", {"b": b"1", "a/c": b"2"})
    assert sha256_of_path(first) != sha256_of_path(folder(tmp_path / "second", files))


def test_hash_of_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="none"):
        sha256_of_path(tmp_path / "none")
