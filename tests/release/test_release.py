"""Releases one after the other in one store: when a model that comes back is a new one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from tests.release.released import Desk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def desk(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    desk = Desk(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}", "shirts")
    desk.registry.client.create_experiment("shirts", artifact_location=(tmp_path / "k").as_uri())
    return desk


def slower(project: Any) -> None:
    """As a rerun of the stages that measure times leaves it."""
    summary = project.files["summary"]
    summary.write_bytes(summary.read_bytes().replace(b"0.5", b'0.5, "latency_ms_p50": 7.0'))


def test_a_model_that_comes_back_against_another_champion_is_a_new_release(desk: Desk) -> None:
    first = desk.release(1)
    assert desk.release(1, complete=slower) == first, "other times, the same release"
    assert (len(desk.runs()), desk.versions()) == (1, [1])
    desk.release(2, compared_with=1)
    back = desk.release(1, compared_with=2, complete=slower)
    assert (back["outcome"], back["version"]) == ("promoted", 3)
    # An earlier night's release, begun again, brings nothing back.
    older = desk.release(2, compared_with=1)
    assert (older["outcome"], older["version"]) == ("superseded", 2)
    assert (desk.aliases(), len(desk.runs())) == ((3, None), 3)


def test_a_release_that_waits_is_promoted_when_it_comes_back(desk: Desk) -> None:
    waiting = desk.release(1, promotion="after_approval")
    assert (waiting["outcome"], waiting["version"]) == ("waiting", 1)
    now = desk.release(1, complete=slower)
    assert (now["outcome"], now["version"]) == ("promoted", 1)
    # Against itself it is another release, and the same one each night.
    nights = [desk.release(1, compared_with=1, complete=slower) for _ in range(2)]
    assert [night["outcome"] for night in nights] == ["unchanged"] * 2
    assert (len(desk.runs()), desk.versions()) == (2, [1])
