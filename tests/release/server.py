"""A real ``mlflow server`` in a process of its own, on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_S, END_S = 120, 20
HTTP = requests.Session()
HTTP.trust_env = False  # a proxy has no way to this machine's loopback


@contextmanager
def running(folder: Path, database: str) -> Iterator[str]:
    """Start a server that keeps its artifacts in the folder; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    arguments = (
        "--backend-store-uri", database, "--artifacts-destination", folder.as_uri(),
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    )  # fmt: skip
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *arguments],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            start_new_session=True,  # it has a child of its own
        )  # fmt: skip
    try:
        _wait(process, url, folder / "server.log")
        yield url
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(requests.ConnectionError):
            if HTTP.get(f"{url}/health", timeout=5).ok:
                return
        time.sleep(0.1)
    raise AssertionError(f"no server: {log.read_text()[-2000:]}")
