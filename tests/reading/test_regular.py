from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from quantline.reading import Unreadable, read_file, read_text


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        os.chdir(path.parent)  # a socket's path may not be long
        opened.bind(path.name)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path)


def nothing(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("make", "said"),
    [(pipe, "a pipe"), (listening, "a socket"), (endless, "a device"), (loop, "a loop of symbolic"),
     (nothing, "no such file"), (Path.mkdir, "a folder")],
)  # fmt: skip
def test_only_a_regular_file_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "file")
    with pytest.raises(Unreadable, match=said):
        read_file(tmp_path / "file")


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (1 << 20))
    assert read_file(path, 1 << 20) == b"x" * (1 << 20)
    path.write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(Unreadable, match="more than 1 MiB"):
        read_file(path, 1 << 20)


def test_a_link_to_a_file_is_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("äöü")
    (tmp_path / "link").symlink_to("file")
    assert read_text(tmp_path / "link", 100) == "äöü"


def test_a_file_whose_size_the_system_states_as_zero_is_read() -> None:
    assert b"MemTotal" in read_file("/proc/meminfo")


def test_text_in_another_encoding_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("naïve".encode("latin-1"))
    with pytest.raises(Unreadable, match="at byte 2"):
        read_text(tmp_path / "file", 100)


def test_a_path_that_leads_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unreadable, match="not a folder"):
        read_file(tmp_path / "file" / "inner")
