"""Child processes and commands that have their packages imported, in place of fresh ones."""

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
    from collections.abc import Iterator, Mapping

SERVER = Path(__file__).with_name("child_server.py")
CHILD = ["-P", "-m", "quantline.child.main"]
_PR_SET_CHILD_SUBREAPER = 36
_INHERITED = -1  # says subprocess


class Server:
    """A process that forks for each request, started with the first."""

    def __init__(self, connection: socket.socket | None = None) -> None:
        self._path = _module_folders(os.environ)
        self._connection = connection
        self._process: subprocess.Popen[bytes] | None = None

    def serves(self, env: Mapping[str, str]) -> bool:
        """Return whether a process with this environment finds the modules that the server has."""
        return self._path <= _module_folders(env)

    def fork(self, out: int, err: int, **request: Any) -> int:
        """Return the id of a new process, a child of this one, with these as its output."""
        connection = self._connect()
        content = json.dumps({"parent": os.getpid(), **request}).encode()
        with adopting():
            socket.send_fds(connection, [content], [out, err])
            return int(self._answer())

    def close(self) -> None:
        """End the server."""
        if self._connection is not None and self._process is not None:
            self._connection.close()
            self._process.wait()

    def _connect(self) -> socket.socket:
        if self._connection is None:
            self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs, disable_aslr():
                self._process = subprocess.Popen(
                    [sys.executable, "-P", str(SERVER)], stdin=theirs.fileno()
                )
            assert self._answer() == "ready"
        return self._connection

    def _answer(self) -> str:
        assert self._connection is not None
        received = self._connection.recv(64)
        assert received, "the server of child processes has ended"
        return received.decode()


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

    def __init__(self, server: Server) -> None:
        self._server = server

    def Popen(self, command: list[str], **settings: Any) -> Any:
        """Fork the server for a child's call; start any other command as it is."""
        if command[1:4] != CHILD or not self._server.serves(settings["env"]):
            return subprocess.Popen(command, **settings)
        stderr = settings["stderr"]
        call = {"arguments": command[4:], "env": settings["env"], "cwd": str(Path.cwd())}
        return Forked(self._server.fork(stderr, stderr, **call))


class _Command(subprocess.Popen[Any]):
    """``python -m MODULE``, forked from the server, in a session of its own."""

    def __init__(self, server: Server, command: list[str], **settings: Any) -> None:
        self._server = server
        super().__init__(command, **settings)

    def _execute_child(self, args: list[str], *settings: Any) -> None:
        """Do what the base class does, whose arguments these are, by a fork of the server."""
        cwd, env = settings[4:6]
        out_read, out, err_read, err = settings[11:15]
        self.pid = self._server.fork(
            1 if out == _INHERITED else out, 2 if err == _INHERITED else err,
            module=args[2], arguments=args[3:], cwd=str(Path(cwd or ".").resolve()),
            env=dict(os.environ if env is None else env),
        )  # fmt: skip
        self._child_created = True
        for ours, theirs in ((out_read, out), (err_read, err)):
            if ours != _INHERITED:  # a pipe that the base class made
                os.close(theirs)


class Commands:
    """Starts commands of Python's, warm ones where they may be.

    Attributes:
        server: What forks them; None where each is to be a fresh process.
    """

    def __init__(self) -> None:
        self.server: Server | None = None

    def start(self, *arguments: str, **settings: Any) -> subprocess.Popen[Any]:
        """Start ``python -m`` with these arguments; the settings are those of ``Popen``."""
        command = [sys.executable, "-m", *arguments]
        if self.server is None or not self.server.serves(settings.get("env") or os.environ):
            return subprocess.Popen(
                command, preexec_fn=_heed_interrupts, start_new_session=True,  # noqa: PLW1509
                **settings,
            )  # fmt: skip
        return _Command(self.server, command, **settings)

    def run(self, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, and return what it said."""
        given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **settings}
        with self.start(*arguments, **given) as process:
            out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


COMMANDS = Commands()


def _heed_interrupts() -> None:
    """Undo what is inherited where the tests run in the background: SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _module_folders(env: Mapping[str, str]) -> set[str]:
    """Return the folders of PYTHONPATH; Kedro puts its project's before those that are there."""
    given = env.get("PYTHONPATH", "").split(os.pathsep)
    return {str(Path(entry).absolute()) for entry in given if entry}


@contextmanager
def adopting() -> Iterator[None]:
    """Become the parent of descendants whose parent ends meanwhile."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
