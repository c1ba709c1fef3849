"""A process that has imported TensorFlow once and forks to run each child's call.

It stands in for ``python -P -m quantline.child.main`` where a test is not about the process
itself: the import takes seconds, and the tests start hundreds of children.
:mod:`tests.warm_children` starts it, with a socket as its standard input, and becomes the parent of
each forked process.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
import tempfile
import time
import traceback
from typing import Any, NoReturn

_MODULES = (
    "ai_edge_litert.interpreter", "keras", "tensorflow.lite.python.convert",
    "tensorflow.lite.python.lite", "tensorflow.lite.python.optimize.calibrator",
    "quantline.child.main", "quantline.quantization", "quantline.ranges.record",
)  # fmt: skip


def serve() -> None:
    """Fork for each line of JSON that comes in, and answer with the process id."""
    _import()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(0)) as connection:
        requests = connection.makefile("r")
        connection.sendall(b"ready\n")
        for line in requests:
            connection.sendall(f"{_fork(json.loads(line))}\n".encode())


def _import() -> None:
    """Import the packages of children; none may start a thread, which a fork would lose."""
    from quantline.quiet import leave_out_extras, tensorflow

    leave_out_extras()
    tensorflow()
    for name in _MODULES:
        importlib.import_module(name)


def _fork(request: dict[str, Any]) -> int:
    """Start a grandchild whose parent has ended: the test's process adopts it as the subreaper."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        if grandchild == 0:
            os.close(read)
            os.close(write)
            _run(**request)
        os.write(write, str(grandchild).encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as stream:
        return int(stream.read())


def _run(arguments: list[str], stderr: str, env: dict[str, str], cwd: str) -> NoReturn:
    """Become what a fresh process would be, run the call, and end."""
    from quantline.child import main

    status = 0
    try:
        while os.getppid() != int(arguments[0]):
            time.sleep(0.0005)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for target, path, flags in ((0, os.devnull, os.O_RDONLY), (2, stderr, os.O_WRONLY)):
            os.dup2(os.open(path, flags | os.O_APPEND), target)
        os.dup2(2, 1)
        os.environ.clear()
        os.environ.update(env)
        tempfile.tempdir = None
        os.chdir(cwd)
        main._main(*arguments)
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 1
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve()
