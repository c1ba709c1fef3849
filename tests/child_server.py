"""A process that has imported TensorFlow once and forks to run children's calls and commands.

It stands in for ``python -P -m quantline.child.main`` and for ``python -m kedro`` or ``quantline``
where a test is not about the process itself: the imports take seconds, and the tests start hundreds
of processes. :mod:`tests.warm_children` starts it, with a socket as its standard input, and becomes
the parent of each forked process.
"""

from __future__ import annotations

import atexit
import importlib
import io
import json
import os
import runpy
import signal
import socket
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

_MODULES = (
    "ai_edge_litert.interpreter", "keras", "tensorflow.lite.python.convert",
    "tensorflow.lite.python.lite", "tensorflow.lite.python.optimize.calibrator",
    "quantline.child.main", "quantline.quantization", "quantline.ranges.record",
)  # fmt: skip
# Of commands, imported with the first: MLflow and its database, and all of Kedro but the part that
# reads the project's configuration of the log when it is imported.
_OF_COMMANDS = (
    "pandas", "pyarrow.parquet", "alembic", "sqlalchemy.dialects.sqlite", "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store", "kedro.config", "kedro.io.data_catalog",
    "kedro.pipeline", "rich.table", "quantline.evaluation", "quantline.release.release",
    "quantline.commands",
)  # fmt: skip
_LONGEST = 2**20


def main() -> None:
    """Import, and serve the socket that is the standard input."""
    _import()
    with socket.socket(fileno=os.dup(0)) as connection:
        connection.send(b"ready")
        _serve(connection)


def _serve(connection: socket.socket) -> None:
    """Fork for each request, JSON with the standard streams, and answer with the process id."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while (received := socket.recv_fds(connection, _LONGEST, 2))[0]:
        content, streams, *_ = received
        request = json.loads(content)
        if "module" in request:
            for name in _OF_COMMANDS:
                importlib.import_module(name)
        connection.send(str(_fork(request, streams)).encode())
        for stream in streams:
            os.close(stream)


def _import() -> None:
    """Import the packages of children; none may start a thread, which a fork would lose."""
    from quantline.quiet import leave_out_extras, tensorflow

    leave_out_extras()
    tensorflow()
    for name in _MODULES:
        importlib.import_module(name)
    sys.path.append(str(Path(__file__).parents[1]))
    importlib.import_module("tests.warm_children")
    sys.path.pop()


def _fork(request: dict[str, Any], streams: list[int]) -> int:
    """Start a grandchild whose parent has ended: the test's process adopts it as the subreaper."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        if grandchild == 0:
            os.close(read)
            os.close(write)
            _take_streams(*streams)
            _run(**request)
        os.write(write, str(grandchild).encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as stream:
        return int(stream.read())


def _take_streams(out: int, err: int) -> None:
    """Make these the standard streams, with nothing to read."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, stream in enumerate((nothing, out, err)):
        os.dup2(stream, number)
    for stream in {nothing, out, err}:
        os.close(stream)


def _run(
    parent: int, arguments: list[str], env: dict[str, str], cwd: str, module: str | None = None
) -> NoReturn:
    """Become what a fresh process would be, run the call or the command, and end."""
    status = 0
    try:
        while os.getppid() != parent:
            time.sleep(0.0005)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _take_environment(env)
        tempfile.tempdir = None
        os.chdir(cwd)
        if module is None:
            importlib.import_module("quantline.child.main")._main(*arguments)
        else:
            _run_command(module, arguments)
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            _ignoring(OSError, stream.flush)
        os._exit(status)


def _take_environment(env: dict[str, str]) -> None:
    """Make this the environment, with the folders of modules that it names."""
    os.environ.clear()
    os.environ.update(env)
    named = [entry for entry in env.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:0] = [entry for entry in named if entry not in sys.path]


def _run_command(module: str, arguments: list[str]) -> None:
    """Run ``python -m`` of a module in a session of its own, as leader of its process group."""
    os.setsid()
    sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), "utf-8")
    sys.stderr = io.TextIOWrapper(
        open(2, "wb", closefd=False), "utf-8", "backslashreplace", line_buffering=True
    )
    _serve_children()
    sys.argv[1:] = arguments
    sys.path.insert(0, os.getcwd())
    atexit._clear()  # what the packages registered in the process that imported them
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()


def _serve_children() -> None:
    """Let the children of this process be forks of one of its own, which is a fork as it is now."""
    from quantline.child import run

    client: Any = importlib.import_module("tests.warm_children")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        ours.close()
        # It may end after the command, whose readers wait for the end of its output.
        _take_streams(os.open(os.devnull, os.O_WRONLY), os.open(os.devnull, os.O_WRONLY))
        _ignoring(OSError, lambda: _serve(theirs))
        os._exit(0)
    theirs.close()
    run.subprocess = client.WarmChildren(client.Server(ours))  # type: ignore[attr-defined]


def _ignoring(kind: type[Exception], call: Callable[[], object]) -> None:
    try:
        call()
    except kind:
        pass


if __name__ == "__main__":
    main()
