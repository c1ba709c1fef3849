from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from tests.release.server import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


@pytest.fixture
def store(empty_store: Path, tmp_path: Path) -> str:
    """The URI of a store of one's own."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture
def client(store: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(store)


@pytest.fixture(scope="session")
def server(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow server.

    QUANTLINE_TEST_TRACKING_URI names one, or a database for one that is started.
    """
    named = os.environ.get("QUANTLINE_TEST_TRACKING_URI", "")
    if named.startswith("http"):
        yield named
        return
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_store, folder / "mlflow.db")
    with running(folder, named or f"sqlite:///{folder / 'mlflow.db'}") as url:
        yield url


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a test can wait for: asked twice, without a pause."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name, value in (
        ("MAX_RETRIES", "1"), ("BACKOFF_FACTOR", "0"), ("BACKOFF_JITTER", "0"), ("TIMEOUT", "10"),
    ):  # fmt: skip
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", value)
