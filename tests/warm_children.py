"""Child processes that have TensorFlow imported from the start, in place of fresh ones."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.quantization.backends import disable_aslr

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = Path(__file__).with_name("child_server.py")
CHILD = ["-P", "-m", "quantline.child.main"]
_PR_SET_CHILD_SUBREAPER = 36


class Forked:
    """A forked process, with what ``run_in_child`` uses of ``subprocess.Popen``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode


class WarmChildren:
    """Stands in for the module ``subprocess`` in ``quantline.child.run``.

    Attributes:
        DEVNULL: As in the module.
    """

    DEVNULL = subprocess.DEVNULL

    def __init__(self) -> None:
        self._path = os.environ.get("PYTHONPATH", "")
        self._connection: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def Popen(self, command: list[str], **settings: Any) -> Any:
        """Fork the server for a child's call; start any other command as it is."""
        same_path = os.environ.get("PYTHONPATH", "") == self._path
        if command[1:4] != CHILD or not same_path:
            return subprocess.Popen(command, **settings)
        connection = self._connect()
        with adopting():
            request = {
                "arguments": command[4:],
                "stderr": f"/proc/{os.getpid()}/fd/{settings['stderr']}",
                "env": settings["env"],
                "cwd": str(Path.cwd()),
            }
            connection.sendall(json.dumps(request).encode() + b"\n")
            return Forked(int(self._line()))

    def close(self) -> None:
        """End the server."""
        if self._connection is not None and self._process is not None:
            self._connection.close()
            self._process.wait()

    def _connect(self) -> socket.socket:
        if self._connection is None:
            self._connection, theirs = socket.socketpair()
            with theirs, disable_aslr():
                self._process = subprocess.Popen(
                    [sys.executable, "-P", str(SERVER)], stdin=theirs.fileno()
                )
            assert self._line() == "ready"
        return self._connection

    def _line(self) -> str:
        assert self._connection is not None
        content = b""
        while not content.endswith(b"\n"):
            received = self._connection.recv(64)
            assert received, "the server of child processes has ended"
            content += received
        return content.decode().strip()


@contextmanager
def adopting() -> Iterator[None]:
    """Become the parent of descendants whose parent ends meanwhile."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
