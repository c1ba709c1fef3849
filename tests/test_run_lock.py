"""One run at a time works in a data folder, and a killed one leaves no lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from quantline.errors import OutputNotWritten, RunInProgress
from quantline.run_lock import NAME, RunLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLD = (
    "import sys; from pathlib import Path; from quantline.run_lock import RunLock\n"
    "lock = RunLock.acquire(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of ``data`` until its stdin is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "data")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
    if process.stdin is not None:
        process.stdin.close()


def test_a_second_run_is_told_who_holds_the_lock(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    with pytest.raises(RunInProgress) as error:
        RunLock.acquire(tmp_path / "data")
    assert error.value.exit_status == os.EX_TEMPFAIL
    assert f"process {holder.pid} on " in error.value.found
    assert f"-c {tmp_path / 'data'}" in error.value.found, "the command it was given"
    RunLock.acquire(tmp_path / "data" / "env").release()  # another environment's folder


def test_a_second_run_may_wait(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    with pytest.raises(RunInProgress, match=r"its end within 0\.3 s"):
        RunLock.acquire(tmp_path / "data", wait_s=0.3)
    assert holder.stdin is not None
    holder.stdin.close()
    RunLock.acquire(tmp_path / "data", wait_s=60).release()


def test_a_killed_run_leaves_no_lock(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    lock = RunLock.acquire(tmp_path / "data")
    assert f'"pid": {os.getpid()}' in (tmp_path / "data" / NAME).read_text()
    lock.release()
    assert (tmp_path / "data" / NAME).read_text() == ""
    RunLock.acquire(tmp_path / "data").release()


def test_a_child_of_a_killed_run_does_not_keep_the_lock(tmp_path: Path) -> None:
    code = HOLD.replace(
        "sys.stdin.read()",
        "import subprocess; subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL)",
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, stdout=subprocess.PIPE)
    RunLock.acquire(tmp_path).release()


def test_a_folder_that_cannot_be_locked_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputNotWritten, match="file"):
        RunLock.acquire(tmp_path / "file")
    (tmp_path / "data" / NAME).mkdir(parents=True)
    with pytest.raises(OutputNotWritten, match="Is a directory"):
        RunLock.acquire(tmp_path / "data")
