from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from quantline.errors import OutputNotWritten
from quantline.temporary import temporary_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def left_behind(root: Path) -> Path:
    """A folder whose process was killed."""
    code = (
        "import os; from quantline.temporary import temporary_folder\n"
        "with temporary_folder() as folder:\n"
        "    (folder / 'large').write_text('x')\n"
        "    print(folder, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(root)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    folder = root / done.stdout.strip().rpartition("/")[2]
    assert (folder / "large").exists()
    return folder


def age(folder: Path) -> None:
    past = time.time() - 3600
    for path in (folder, *folder.iterdir()):
        os.utime(path, (past, past))


def test_it_is_there_until_the_end(root: Path) -> None:
    with temporary_folder() as folder:
        (folder / "a").mkdir()
        (folder / "a" / "b").write_text("x")
        assert folder.parent == root
    assert list(root.iterdir()) == []


def test_it_goes_where_an_error_passes(root: Path) -> None:
    with pytest.raises(ZeroDivisionError), temporary_folder():
        raise ZeroDivisionError
    assert list(root.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(root: Path) -> None:
    folder = left_behind(root)
    with temporary_folder():
        assert folder.exists()  # it might have been made this very moment
    age(folder)
    with temporary_folder():
        assert not folder.exists()


def test_what_is_in_use_and_what_is_not_ours_stays(root: Path) -> None:
    (root / "quantline-other").mkdir()
    (root / "quantline-other" / "file").write_text("x")
    with temporary_folder() as first:
        age(first)
        age(root / "quantline-other")
        with temporary_folder() as second:
            assert first.exists()
            assert (root / "quantline-other" / "file").exists()
            assert second != first


def test_a_full_disk_is_named_with_its_folder(root: Path) -> None:
    with pytest.raises(OutputNotWritten, match="TMPDIR") as caught, temporary_folder():
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(root) in caught.value.found
    with pytest.raises(OSError, match="elsewhere"), temporary_folder():
        raise OSError(errno.ENOSPC, "No space left on device", "/elsewhere/file")


def test_a_folder_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(OutputNotWritten, match="missing"), temporary_folder():
        pass
