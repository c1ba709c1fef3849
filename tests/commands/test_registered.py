"""``quantline champion``, ``promote`` and ``rollback``, in a project with a store of its own."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

# Kedro sets up logging when it is imported, and closes what TensorFlow's logging writes to: first.
import kedro.framework.project  # noqa: F401
import pytest
from tests.commands.conftest import Desk
from tests.conftest import PROJECT
from tests.release.candidates import passed
from tests.warm_children import COMMANDS

from quantline.release.promotion import publish
from quantline.release.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "fashion_mnist"  # of the file that conf/base/parameters_baseline.yml names


@pytest.fixture
def desk(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A project folder with a store and nothing in it."""
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    shutil.copy(PROJECT / "pyproject.toml", folder)
    shutil.copytree(PROJECT / "conf/base", folder / "conf/base")
    (folder / "conf/local").mkdir()
    shutil.copy(empty_store, folder / "mlflow.db")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(folder)
    yield Desk(folder)
    os.chdir(PROJECT)


@pytest.fixture
def registry(desk: Desk) -> Registry:
    from mlflow import MlflowClient

    return Registry(MlflowClient(f"sqlite:///{desk.folder / 'mlflow.db'}"), NAME)


@pytest.fixture
def published(registry: Registry) -> Registry:
    """Version 2 is champion and followed 1; 3 is challenger."""
    client = registry.client
    experiment = client.create_experiment("any", artifact_location="file:///nowhere")
    run_id = client.create_run(experiment).info.run_id
    for number in (1, 2, 3):
        publish(registry, passed(number, run_id, number - 1 or None), promote=number < 3)
    return registry


def error(desk: Desk, *arguments: str) -> tuple[int, str, str]:
    """Give a command that fails; return its status, its paragraph, and its kind for machines."""
    done = desk.give(*arguments)
    assert done.out == ""
    assert desk.give(*arguments, "--json").json["exit_status"] == done.status
    return done.status, done.err, desk.give(*arguments, "--json").json["error"]["kind"]


def test_the_champion_its_lineage_and_the_challenger(desk: Desk, published: Registry) -> None:
    done = desk.give("champion")
    assert (done.status, done.err) == (0, "")
    shown, lineage = done.out.rstrip().split("\n\n")
    rows = dict(line.split(maxsplit=1) for line in shown.splitlines())
    assert rows["champion"] == "fashion_mnist, version 2"
    assert rows["quantline.release_id"] == "release-2"
    assert rows["challenger"] == "version 3; 'quantline promote' approves it"
    assert [line.split()[0] for line in lineage.splitlines()] == ["version", "2", "1"]
    told = desk.give("champion", "--json").json
    assert [version["version"] for version in told["lineage"]] == [2, 1]
    assert told["champion"] == told["lineage"][0]
    assert told["champion"]["tags"]["quantline.compared_with"] == "1"
    assert told["champion"]["aliases"] == ["champion"]
    assert told["challenger"]["version"] == 3
    assert desk.give("champion", "--model", "fashion_mnist").out == done.out


def test_approving_the_challenger(desk: Desk, published: Registry) -> None:
    assert desk.give("promote").out == "fashion_mnist: version 3 is the champion\n"
    assert published.version_of("champion").version == 3
    assert published.version_of("challenger") is None
    status, said, kind = error(desk, "promote")
    assert (status, kind) == (2, "RegistryError")
    assert "has no challenger" in said


def test_rolling_back(desk: Desk, published: Registry) -> None:
    done = desk.give("rollback", "--reason", "too slow on the phone")
    assert done.out == (
        "fashion_mnist: version 1 is the champion again; version 2 was rolled back: too slow on "
        "the phone\n"
    )
    assert published.version_of("champion").version == 1
    status, said, kind = error(desk, "promote")
    assert (status, kind) == (2, "RegistryError")
    assert "Found: version 1 as champion. Expected: version 2 as champion." in said
    status, said, kind = error(desk, "rollback", "--reason", "this one too")
    assert (status, kind) == (2, "RegistryError")
    assert "the first champion" in said


@pytest.mark.parametrize("arguments", [(), ("--reason", " ")])
def test_a_reason_is_asked_for(desk: Desk, arguments: tuple[str, ...]) -> None:
    status, said, kind = error(desk, "rollback", *arguments)
    assert (status, kind) == (2, "UsageError")
    assert "--reason" in said


@pytest.mark.parametrize("command", ["champion", "promote", "rollback --reason why"])
def test_where_nothing_was_released(desk: Desk, command: str) -> None:
    status, said, kind = error(desk, *command.split())
    assert (status, kind) == (2, "RegistryError")
    assert "Run the whole pipeline, or check the model's name and MLFLOW_TRACKING_URI." in said


def test_in_a_process_of_its_own_only_the_result_is_on_stdout(desk: Desk) -> None:
    done = COMMANDS.run(
        "quantline", "champion", "--json", cwd=desk.folder / "conf",
        env={**os.environ, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
             "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"},
    )  # fmt: skip
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["kind"] == "TrackingFailed"
    (line,) = done.stderr.splitlines()
    assert "Connection refused" in line


def test_a_server_that_is_down(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    status, said, kind = error(desk, "champion")
    assert (status, kind) == (2, "TrackingFailed")
    assert said.startswith("Error: MLflow could not open the tracking store 'http://127.0.0.1:9'.")
    assert "Connection refused" in said
    assert len(said.splitlines()) == 1


def test_outside_of_a_project(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, said, kind = error(desk, "champion")
    assert (status, kind) == (2, "ParameterError")
    assert "Run it in the project's folder." in said


def test_an_environment_that_is_not_there(desk: Desk) -> None:
    status, said, kind = error(desk, "champion", "--env", "locale")
    assert (status, kind) == (2, "ParameterError")
    assert "There is no environment 'locale'" in said
    assert "'local'" in said


def test_parameters_that_are_wrong(desk: Desk) -> None:
    (desk.folder / "conf/local/parameters.yml").write_text("release: {modle: a}")
    status, said, kind = error(desk, "champion")
    assert (status, kind) == (2, "ParameterError")
    assert "modle" in said
