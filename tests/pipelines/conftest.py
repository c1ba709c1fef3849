"""A scratch project: this one's configuration and code, with tiny data and a tiny model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from kedro.framework.startup import bootstrap_project
from tests.shared import once
from tests.warm_children import COMMANDS

from quantline.cli import cli
from quantline.quiet import tensorflow
from quantline.run_lock import NAME as LOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet

ROOT = Path(__file__).resolve().parents[2]
CLASSES = 4


@dataclass(frozen=True)
class Project:
    """A project folder and the commands one gives in it."""

    folder: Path

    def start(self, *arguments: str, cwd: Path | None = None, **env: str) -> subprocess.Popen[str]:
        """Start ``kedro run`` in a process group of its own, as a terminal makes one."""
        return COMMANDS.start(
            "kedro", "run", *arguments, cwd=cwd or self.folder, env={**os.environ, **env},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *arguments: str, cwd: Path | None = None, **env: str) -> tuple[int, str, str]:
        process = self.start(*arguments, cwd=cwd, **env)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def set(self, **parameters: Any) -> None:
        """Write conf/local/parameters.yml anew, over the scratch project's own."""
        path = self.folder / "conf/local/parameters.yml"
        path.write_text(yaml.safe_dump({**self.parameters(), **parameters}))

    def parameters(self) -> dict[str, Any]:
        """Return what the project sets, apart from conf/base."""
        values: dict[str, Any] = yaml.safe_load((self.folder / "conf/scratch.yml").read_text())
        return values

    def json(self, name: str) -> Any:
        """Read a result, without the statement of what it was made from."""
        value = json.loads((self.folder / "data" / name).read_bytes())
        value.pop("made_from", None)
        return value

    def written(self) -> AbstractSet[str]:
        """Every file below data but the embedded ones and the lock."""
        data = self.folder / "data"
        return {
            path.relative_to(data).as_posix()
            for path in data.rglob("*")
            if path.is_file() and not path.is_relative_to(data / "01_raw") and path.name != LOCK
        }

    def runs(self, store: Path | None = None) -> list[Any]:
        """Return the recorded MLflow runs, newest first."""
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{store or self.folder / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("quantline")
        return [] if experiment is None else client.search_runs([experiment.experiment_id])


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.npz, test.npz and a model: the bright quarter is the class."""
    return once(tmp_path_factory, "tiny", make_tiny)


def make_tiny(folder: Path) -> None:
    tf = tensorflow()
    import keras

    rng = np.random.default_rng(7)
    for name, count in (("train", 200), ("test", 120)):
        y = np.arange(count) % CLASSES
        x = rng.uniform(0, 0.6, (count, 8, 8, 1)).astype(np.float32)
        for row, label in enumerate(y):
            top, left = 4 * (label // 2), 4 * (label % 2)
            x[row, top : top + 4, left : left + 4] += 0.4
        np.savez(folder / f"{name}.npz", x=x, y=y)
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.AveragePooling2D(4),
            keras.layers.Flatten(),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    with np.load(folder / "train.npz") as arrays:
        model.fit(arrays["x"], arrays["y"], epochs=30, batch_size=20, verbose=0)
    model.save(folder / "model.keras")
    # Imported without TensorFlow: quick, for tests of what comes after the import.
    converted = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    (folder / "model.tflite").write_bytes(converted)


def make_project(folder: Path, tiny: Path) -> Project:
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
    (folder / "conf/local").mkdir()
    (folder / "src").mkdir()  # the package is installed
    raw = folder / "data/01_raw"
    shutil.copytree(tiny, raw)
    latency = {"runs": 3, "warmup": 1}
    scratch = {
        "model": {"path": "data/01_raw/model.keras"},
        "dataset": {"source": "npz", "data_dir": "data/01_raw", "transform": []},
        "sampling": {
            "calibration": {"split": "train.npz", "examples": 40},
            "evaluation": {"split": "test.npz"},
        },
        "baseline": {"latency": latency},
        "evaluation": {"latency": latency},
        # Of 120 examples one is almost a point.
        "gate": {
            "absolute": {
                "comparison": {"size_ratio": {"min": 0.5}},
                "int8_metrics": {"top1": {"min": 0.9}},
            },
            "against_float": {"top1_margin_points": 10.0, "loss_margin": 1.0},
            "against_champion": {
                "top1_margin_points": 10.0,
                "loss_margin": 1.0,
                "latency_growth": None,
            },
        },
    }
    (folder / "conf/scratch.yml").write_text(yaml.safe_dump(scratch))
    project = Project(folder)
    project.set()
    return project


@pytest.fixture(scope="session")
def store(empty_store: Path) -> Path:
    """An MLflow store without a run."""
    return empty_store


@pytest.fixture
def project(tmp_path: Path, tiny: Path, store: Path) -> Project:
    """A scratch project in which nothing was run."""
    project = make_project(tmp_path / "project", tiny)
    shutil.copy(store, project.folder)
    return project


@pytest.fixture
def kedro_run(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[int, str]]]:
    """Give the command in this process; return its exit status and what it says."""
    monkeypatch.chdir(project.folder)
    bootstrap_project(project.folder)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli, ["run", *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        # Click gives the error after the log; the paragraph is its last line.
        return result.exit_code, "".join(result.stderr.strip().splitlines()[-1:])

    yield run
    os.chdir(ROOT)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Project:
    """A scratch project after one full run, started in one of its folders."""

    def make(folder: Path) -> None:
        project = make_project(folder / "project", tiny)
        status, out, err = project.run(cwd=project.folder / "conf")
        assert status == 0, err
        assert "top-1" in out

    # Tests run parts of the chain in it again: each worker process has a copy.
    ran = once(tmp_path_factory, "finished", make)
    folder = tmp_path_factory.mktemp("finished") / "project"
    shutil.copytree(ran / "project", folder)
    return Project(folder)


@pytest.fixture
def released(finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A copy of the finished project, whose model is the champion."""
    folder = tmp_path / "released"
    shutil.copytree(finished.folder, folder)
    monkeypatch.chdir(folder)
    bootstrap_project(folder)
    yield type(finished)(folder)
    os.chdir(ROOT)


@pytest.fixture
def give(released: Any) -> Callable[..., tuple[int, str]]:
    """Give 'kedro run' in this process; return its exit status and its last line."""

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli, ["run", *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, "".join(result.stderr.strip().splitlines()[-1:])

    return run
