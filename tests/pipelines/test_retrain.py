"""Retraining: checked first, written beside the model that it retrains, and imported from there."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.pipelines.conftest import CLASSES, ROOT

from quantline.training import build_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRAINING = "training.split=train.npz,training.epochs=1,training.learning_rate=0.0001"
TRAINED = "data/06_models/trained.keras"
MINE = """
import keras


def network(classes):
    return keras.Sequential([
        keras.Input((8, 8, 1)), keras.layers.Flatten(),
        keras.layers.Dense(classes, activation="softmax"),
    ])


def train(dataset, *, arguments, seed):
    model = network(arguments.get("classes", 4))
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(dataset.batch(50), epochs=2, verbose=2)
    model.export("exported", verbose=False)
    return "exported", history
"""


def embedded(path: Path, shape: tuple[int, ...] = (8, 8, 1), classes: int = CLASSES) -> None:
    """Write a model of the embedded network that was not trained."""
    build_model(shape, classes).save(path)


def contents(project: Any) -> dict[str, str]:
    """Return the hash of every file of the project, but for those of the store, logs and locks."""
    return {
        path.relative_to(project.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in project.folder.rglob("*")
        if path.is_file() and not {"mlflow.db", "logs", ".run.lock"} & set(path.parts)
    }


def own_network(project: Any) -> str:
    return "model.path=data/01_raw/model.keras"


def tflite(project: Any) -> str:
    return "model.path=data/01_raw/model.tflite"


def other_classes(project: Any) -> str:
    embedded(project.folder / "my.keras", classes=CLASSES + 1)
    return "model.path=my.keras"


def no_model(project: Any) -> str:
    return "model.path=my.keras"


def no_labels(project: Any) -> str:
    embedded(project.folder / "my.keras")
    np.savez(project.folder / "data/01_raw/plain.npz", x=np.zeros((9, 8, 8, 1), np.float32))
    return "model.path=my.keras,training.split=plain.npz"


def what_training_writes(project: Any) -> str:
    (project.folder / TRAINED).parent.mkdir()
    embedded(project.folder / TRAINED)
    return f"model.path={TRAINED}"


def no_place(project: Any) -> str:
    embedded(project.folder / "my.keras")
    (project.folder / TRAINED / "full").mkdir(parents=True)
    return "model.path=my.keras"


def no_champion(project: Any) -> str:
    return "training.start=champion"


def no_function(project: Any) -> str:
    return "training.function=mine:train"


def no_model_for_a_function(project: Any) -> str:
    (project.folder / "mine.py").write_text(MINE)
    return "training.function=mine:train,model.path=my.keras"


REFUSED: dict[str, tuple[Callable[[Any], str], str]] = {
    "a network of one's own": (own_network, "'retrain' trains the embedded network only"),
    "a .tflite file": (tflite, "'retrain' trains the embedded network only"),
    "other classes": (other_classes, "'model.path' and 'dataset' do not fit each other"),
    "no model": (no_model, "There is no model at 'my.keras'"),
    "no labels": (no_labels, "9 examples, none with a class index"),
    "the trained file": (
        what_training_writes,
        "'model.path' is the file that a training overwrites",
    ),
    "no place": (no_place, "trained.keras' could not be written"),
    "no champion": (no_champion, "The model 'model' has no champion"),
    "no function": (no_function, "The function 'mine:train' cannot be imported"),
    "no model for a function": (no_model_for_a_function, "There is no model at 'my.keras'"),
}


@pytest.mark.parametrize(("prepare", "said"), REFUSED.values(), ids=REFUSED)
def test_a_retraining_that_cannot_be_is_refused_before_it_changes_a_file(
    project: Any,
    kedro_run: Callable[..., tuple[int, str]],
    prepare: Callable[[Any], str],
    said: str,
) -> None:
    given = prepare(project)
    before = contents(project)
    status, paragraph = kedro_run("--pipelines", "retrain", "--params", f"{TRAINING},{given}")
    assert (status, said in paragraph) == (2, True), paragraph
    assert contents(project) == before


def test_classes_that_training_does_not_see_are_refused_before_it(
    project: Any, kedro_run: Callable[..., tuple[int, str]]
) -> None:
    embedded(project.folder / "my.keras", classes=2)
    with np.load(project.folder / "data/01_raw/train.npz") as arrays:
        seen = arrays["y"] < 2
        np.savez(project.folder / "data/01_raw/two.npz", x=arrays["x"][seen], y=arrays["y"][seen])
    given = "model.path=my.keras,training.split=two.npz"
    status, paragraph = kedro_run("--pipelines", "retrain", "--params", f"{TRAINING},{given}")
    assert status == 2
    assert "Training on 'two.npz' gives a model that lacks classes" in paragraph
    assert not (project.folder / TRAINED).exists()


def test_the_stage_training_writes_its_own_file_alone(
    project: Any, kedro_run: Callable[..., tuple[int, str]]
) -> None:
    before = contents(project)
    status, said = kedro_run("--pipelines", "training", "--params", TRAINING)
    assert status == 0, said
    after = contents(project)
    report = project.json("08_reporting/training.json")
    assert after.pop(TRAINED) == report["sha256"]
    assert after.pop("data/08_reporting/training.json")
    assert after == before
    assert (report["examples"], report["classes"], report["start_sha256"]) == (200, CLASSES, None)
    assert report["parameters"]["learning_rate"] == 0.0001


def test_what_was_trained_is_imported_under_the_name_of_the_model_that_is_retrained(
    project: Any, kedro_run: Callable[..., tuple[int, str]]
) -> None:
    own = project.folder / "my model.keras"
    embedded(own)
    before = own.read_bytes()
    status, said = kedro_run(
        "--pipelines", "retrain", "--to-outputs", "float_import",
        "--params", f"{TRAINING},model.path=my model.keras,model.signature=other",
    )  # fmt: skip
    assert status == 0, said
    assert own.read_bytes() == before
    imported = project.json("06_models/float_import.json")
    trained = (project.folder / TRAINED).read_bytes()
    assert imported["name"] == "my_model"
    assert imported["training"]["sha256"] == imported["source"]["sha256"]
    assert imported["source"] == {
        "path": TRAINED, "format": "keras", "sha256": hashlib.sha256(trained).hexdigest(),
    }  # fmt: skip


def test_retraining_goes_on_from_the_champion(finished: Any, tmp_path: Path) -> None:
    project = type(finished)(tmp_path / "project")
    shutil.copytree(finished.folder, project.folder)
    before = (project.folder / "data/01_raw/model.keras").read_bytes()
    status, out, err = project.run(
        "--pipelines", "retrain", "--params", f"training.start=champion,{TRAINING}"
    )
    assert status == 0, err
    outcome = project.json("08_reporting/release.json")
    assert (outcome["outcome"], outcome["model"], outcome["version"]) == ("promoted", "model", 2)
    assert "champion: version 1" in out
    assert (project.folder / "data/01_raw/model.keras").read_bytes() == before
    assert (project.folder / TRAINED).read_bytes() != before
    imported = project.json("06_models/float_import.json")
    assert imported["source"]["path"] == TRAINED
    assert imported["training"]["start_sha256"] == hashlib.sha256(before).hexdigest()
    retrained, first = (run.data.params for run in project.runs())
    assert retrained["training.learning_rate"] == "0.0001"
    assert not [name for name in first if name.startswith("training.")]
    assert untracked(project) == []


def untracked(project: Any) -> list[str]:
    """Return the files that Git would show as new, the inputs committed."""
    shutil.copy(ROOT / ".gitignore", project.folder)

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=project.folder, capture_output=True, text=True, check=True
        ).stdout

    git("init", "--quiet")
    git("add", "pyproject.toml", "conf", "src", "data/01_raw", ".gitignore")
    return git("ls-files", "--others", "--exclude-standard").splitlines()


OWN = "training.split=train.npz,training.function=mine:train,model.path=data/01_raw/model.tflite"


def test_a_function_of_the_users_trains_any_kind_of_model(
    project: Any, kedro_run: Callable[..., tuple[int, str]]
) -> None:
    (project.folder / "mine.py").write_text(MINE)
    status, said = kedro_run(
        "--pipelines", "retrain", "--to-outputs", "float_import", "--params", OWN
    )
    assert status == 0, said
    imported = project.json("06_models/float_import.json")
    report = project.json("08_reporting/training.json")
    assert imported["name"] == "model"
    assert imported["training"] == report
    assert imported["source"] == {
        "path": "data/06_models/trained", "format": "saved_model", "sha256": report["sha256"],
    }  # fmt: skip
    assert len(report["history"]["loss"]) == 2
    assert not (project.folder / TRAINED).exists()
    (log,) = (project.folder / "logs").glob("training-*.log")
    assert "Epoch 2/2" in log.read_text()


def test_a_trained_model_of_another_shape_is_not_written(
    project: Any, kedro_run: Callable[..., tuple[int, str]]
) -> None:
    (project.folder / "mine.py").write_text(MINE)
    given = f"{OWN},training.arguments.classes=5"
    status, said = kedro_run("--pipelines", "retrain", "--params", given)
    assert status == 2
    assert "The trained model has other outputs than 'data/01_raw/model.tflite'" in said
    assert not (project.folder / "data/06_models/trained").exists()
    assert not (project.folder / "data/08_reporting").exists()


def test_nothing_is_trained_for_a_calibration_set_that_is_no_use(
    project: Any, kedro_run: Callable[..., tuple[int, str]]
) -> None:
    (project.folder / "mine.py").write_text(MINE)
    with np.load(project.folder / "data/01_raw/train.npz") as arrays:
        np.savez(project.folder / "data/01_raw/dark.npz", x=arrays["x"] / 9, y=arrays["y"])
    dark = "sampling.calibration.split=dark.npz"
    status, said = kedro_run("--pipelines", "retrain", "--params", f"{OWN},{dark}")
    assert (status, "The calibration set is not fit" in said) == (2, True), said
    embedded(project.folder / "my.keras")
    own = f"{TRAINING},model.path=my.keras,{dark}"
    status, said = kedro_run("--pipelines", "retrain", "--params", own)
    assert (status, "The calibration set is not fit" in said) == (2, True), said
    assert not list((project.folder / "logs").glob("training-*"))
    assert not (project.folder / TRAINED).exists()
