from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from quantline.errors import ModelError, OutputNotWritten
from quantline.files import (
    canonical_json,
    plain,
    remove_partials,
    sha256,
    sha256_of_files,
    sha256_of_path,
    write_atomic,
    write_together,
)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_write_makes_the_folder_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a" / "b" / "out.bin", b"content")
    assert (tmp_path / "a" / "b" / "out.bin").read_bytes() == b"content"
    assert names(tmp_path) == ["a", "a/b", "a/b/out.bin"]


def test_write_replaces_a_longer_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"a longer old content")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"


def test_write_removes_what_a_process_left_that_was_killed_long_ago(tmp_path: Path) -> None:
    abandoned, fresh = tmp_path / ".abandoned.partial", tmp_path / ".fresh.partial"
    abandoned.write_bytes(b"half of a larger")
    fresh.write_bytes(b"another process is at it")
    os.utime(abandoned, (time.time() - 7200,) * 2)
    write_atomic(tmp_path / "out.bin", b"new")
    assert names(tmp_path) == [".fresh.partial", "out.bin"]
    remove_partials(tmp_path)  # whoever holds the lock of the folder knows that nobody is at it
    assert names(tmp_path) == ["out.bin"]


def test_a_killed_writer_leaves_the_old_file_and_no_part_of_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    write_atomic(path, b"old")
    code = (
        "import os, signal, sys; from pathlib import Path; from quantline import files\n"
        "os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write_atomic(Path(sys.argv[1]), b'new')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    remove_partials(tmp_path)
    assert names(tmp_path) == ["out.bin"]


def test_processes_that_write_one_file_at_once_never_tear_it(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    code = (
        "import sys; from pathlib import Path; from quantline.files import write_atomic\n"
        "for _ in range(100): write_atomic(Path(sys.argv[1]), sys.argv[2].encode() * 20_000)"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), letter]) for letter in "abc"
    ]
    torn = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            content = path.read_bytes()
            if len(content) != 20_000 or len(set(content)) != 1:
                torn.add(len(content))
    assert not torn
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert names(tmp_path) == ["out.bin"]


def test_files_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "blocked" / "second"
    (tmp_path / "blocked").write_bytes(b"a file in place of the folder")
    with pytest.raises(OutputNotWritten, match="second"):
        write_together({first: b"1", second: b"2"})
    assert names(tmp_path) == ["blocked"]


def test_a_name_as_long_as_the_system_takes_can_be_written(tmp_path: Path) -> None:
    write_atomic(tmp_path / ("x" * 255), b"content")
    with pytest.raises(OutputNotWritten, match="too long"):
        write_atomic(tmp_path / ("x" * 256), b"content")


def test_the_hash_of_a_folder_is_that_of_its_files(tmp_path: Path) -> None:
    contents = {"a/b": b"1", "a.b": b"2", "a/c/d": b"3"}
    for name, content in contents.items():
        write_atomic(tmp_path / name, content)
    assert sha256_of_path(tmp_path) == sha256_of_files(dict(reversed(contents.items())))


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


@dataclass(frozen=True)
class Inner:
    value: float


@dataclass(frozen=True)
class Described:
    def to_dict(self) -> dict[str, Any]:
        return {"described": True}


class Place(StrEnum):
    CPU = "cpu"


@dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    described: Described
    place: Place
    counts: dict[Place, int]


def test_a_record_as_plain_values_is_what_json_reads_back() -> None:
    found = plain(Outer((Inner(1.5),), Described(), Place.CPU, {Place.CPU: 2}), evidence="parsed")
    assert found == {
        "inner": [{"value": 1.5}],
        "described": {"described": True},
        "place": "cpu",
        "counts": {"cpu": 2},
        "evidence": "parsed",
    }
    assert json.loads(canonical_json(found)) == found


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
    with pytest.raises(ModelError, match="none"):
        sha256_of_path(tmp_path / "none")
