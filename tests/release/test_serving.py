"""A saved model where Quantline is not installed: loaded, and served over HTTP by MLflow."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import requests
from tests.release import fresh_environment
from tests.release.models import write_files

from quantline.release.flavor import save_model
from quantline.tflite import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_S, END_S = 120, 20
HTTP = requests.Session()
HTTP.trust_env = False  # a proxy has no way to this machine's loopback
REAL = np.random.default_rng(2).normal(0, 20, (5, 4)).astype(np.float32)

LOAD_AND_PREDICT = """
import importlib, sys
import mlflow, numpy as np
for name in ("quantline", "tensorflow", "kedro"):
    try:
        importlib.import_module(name)
    except ImportError:
        print("no", name)
folder, given, predicted = sys.argv[1:]
np.save(predicted, mlflow.pyfunc.load_model(folder).predict(np.load(given)))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What holds the saved ``model``, its files, and the folder ``work`` of the processes."""
    folder = tmp_path_factory.mktemp("serving")
    save_model(folder / "model", write_files(folder / "files"))
    (folder / "work").mkdir()
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[list[float]]:
    """What the interpreter here predicts."""
    runtime = Runtime((folder / "files" / "int8.tflite").read_bytes())
    return [runtime.predict(item)[0].tolist() for item in REAL]


@pytest.fixture(scope="module")
def commands(folder: Path) -> Path:
    return fresh_environment.make(folder / "env", "numpy", "mlflow", "ai-edge-litert")


@pytest.fixture(scope="module")
def settings(commands: Path) -> dict[str, str]:
    """The environment variables of the processes."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return {
        **kept,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


@pytest.fixture(scope="module")
def url(folder: Path, commands: Path, settings: dict[str, str]) -> Iterator[str]:
    """The address of a running server; it and all it started are ended."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
    arguments = ["--env-manager", "local", "--host", "127.0.0.1", "--port", port]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [commands / "mlflow", "models", "serve", "--model-uri", folder / "model", *arguments],
            cwd=folder / "work", env=settings, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_S
        while not answers(address):
            if server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((folder / "log").read_text())
            time.sleep(0.1)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(END_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)  # whatever is left of its group


def answers(address: str) -> bool:
    try:
        return HTTP.get(f"{address}/ping", timeout=5).ok
    except requests.ConnectionError:
        return False


def post(url: str, content: Any) -> tuple[int, dict[str, Any]]:
    """Return status and content of the answer."""
    data = content if isinstance(content, bytes) else json.dumps(content)
    headers = {"Content-Type": "application/json"}
    answer = HTTP.post(f"{url}/invocations", data, headers=headers, timeout=30)
    return answer.status_code, answer.json()


def test_it_predicts_the_same_without_quantline(
    folder: Path, commands: Path, settings: dict[str, str], expected: list[list[float]]
) -> None:
    np.save(folder / "given.npy", REAL)
    done = subprocess.run(
        [
            commands / "python", "-c", LOAD_AND_PREDICT,
            folder / "model", folder / "given.npy", folder / "predicted.npy",
        ],
        cwd=folder / "work", env=settings, capture_output=True, text=True, check=False,
        timeout=START_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["no quantline", "no tensorflow", "no kedro"]
    assert "mismatch" not in done.stderr  # of requirements, as MLflow would say
    predicted = np.load(folder / "predicted.npy")
    assert predicted.dtype == np.float32
    assert predicted.tolist() == expected


def test_it_answers_over_http(url: str, folder: Path, expected: list[list[float]]) -> None:
    for content in ({"inputs": REAL.tolist()}, {"inputs": {"x": REAL.tolist()}}):
        assert post(url, content) == (200, {"predictions": expected})
    columns = {"columns": ["x"], "data": [[item] for item in REAL.tolist()]}
    assert post(url, {"dataframe_split": columns}) == (200, {"predictions": expected})
    example = (folder / "model" / "serving_input_example.json").read_bytes()
    assert post(url, example)[0] == 200


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"inputs": [[1, 2, 3]]}, "Shape of input (1, 3) does not match expected shape (-1, 4)."),
        ({"inputs": [["a", 2, 3, 4]]}, "could not convert string to float: 'a'"),
        ({"inputs": [[1, 2, 3, None]]}, "Found: 1 of 4 are NaN or infinite; a null in JSON is NaN"),
        ({"values": [[1, 2, 3, 4]]}, "exactly one of the input fields"),
        (b"{", "Ensure that input is a valid JSON formatted string"),
    ],
)
def test_a_bad_request_is_told_why(url: str, content: Any, said: str) -> None:
    status, answer = post(url, content)
    assert status == 400
    assert said in answer["message"]


def test_nothing_is_written_where_it_is_served(url: str, folder: Path) -> None:
    assert list((folder / "work").iterdir()) == []
