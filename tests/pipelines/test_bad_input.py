"""What a user's mistakes get: one paragraph, exit status 2, and nothing half-written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from kedro.framework.startup import bootstrap_project

from quantline.cli import cli

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
Given = dict[str, Any]


@pytest.fixture
def kedro_run(project: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
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


def files(project: Any) -> dict[str, float]:
    data = project.folder / "data"
    return {name: (data / name).stat().st_mtime for name in project.written()}


def npz(project: Any, name: str, **changes: Any) -> None:
    """Write a copy of test.npz with other arrays; None leaves one out."""
    raw = project.folder / "data/01_raw"
    with np.load(raw / "test.npz") as arrays:
        values = {**arrays, **changes}
    np.savez(raw / name, **{key: value for key, value in values.items() if value is not None})


def with_nan(project: Any) -> None:
    x = np.full((120, 8, 8, 1), np.nan, np.float32)
    npz(project, "other.npz", x=x)


def with_high_labels(project: Any) -> None:
    npz(project, "other.npz", y=np.arange(120) % 7)


def with_flat_images(project: Any) -> None:
    with np.load(project.folder / "data/01_raw/train.npz") as arrays:
        flat = {"x": arrays["x"][..., 0], "y": arrays["y"]}
    np.savez(project.folder / "data/01_raw/other.npz", **flat)


def with_large_images(project: Any) -> None:
    x = np.random.default_rng(0).uniform(size=(120, 20, 16, 1)).astype(np.float32)
    npz(project, "other.npz", x=x)


def with_text_for_a_model(project: Any) -> None:
    (project.folder / "my.keras").write_text("not a model")


def with_empty_model(project: Any) -> None:
    (project.folder / "my.keras").write_bytes(b"")


def with_cut_tflite(project: Any) -> None:
    (project.folder / "my.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(300))


def nothing(project: Any) -> None:
    pass


TFDS = {"dataset.source": "tfds", "sampling.calibration.split": "train",
        "sampling.evaluation.split": "test"}  # fmt: skip
EMBEDDED = {**TFDS, "dataset.data_dir": str(ROOT / "data/01_raw")}

CASES: list[tuple[str, Callable[[Any], None], Given, list[str]]] = [
    ("unknown parameter", nothing, {"validation.integer_onyl": "false"},
     ["Unknown parameter 'validation.integer_onyl'", "Did you mean 'integer_only'?"]),
    ("unknown block", nothing, {"sampeling.seed": 1}, ["'sampeling'", "Did you mean 'sampling'?"]),
    ("mistyped value", nothing, {"sampling.calibration.examples": "many"},
     ["'sampling.calibration.examples'", "'many'", "integer"]),
    ("bad io type", nothing, {"conversion.input_type": "int4"}, ["'int4'", "'uint8'"]),
    ("missing model", nothing, {"model.path": "my.keras"}, ["There is no model at 'my.keras'"]),
    ("empty model", with_empty_model, {"model.path": "my.keras"}, ["'my.keras' is empty"]),
    ("text for a model", with_text_for_a_model, {"model.path": "my.keras"},
     ["'my.keras' cannot be loaded as a Keras 3 model"]),
    ("damaged tflite", with_cut_tflite, {"model.path": "my.tflite"}, ["damaged .tflite file"]),
    ("other suffix", nothing, {"model.path": "pyproject.toml"}, ["'.toml'", ".keras"]),
    ("folder", nothing, {"model.path": "conf"}, ["not a SavedModel", "saved_model.pb"]),
    ("tfds name", nothing, {**EMBEDDED, "dataset.tfds.name": "fashon_mnist"},
     ["There is no TFDS dataset 'fashon_mnist'", "Did you mean 'fashion_mnist'"]),
    ("tfds not on disk", nothing, {**EMBEDDED, "dataset.tfds.name": "cifar10"},
     ["is not prepared on disk", "fashion_mnist/3.0.1", "tfds build"]),
    ("tfds version", nothing, {**EMBEDDED, "dataset.tfds.version": "1.0.0"},
     ["'fashion_mnist:1.0.0' is not prepared on disk"]),
    ("tfds split", nothing, {**EMBEDDED, "sampling.calibration.split": "trian"},
     ["The split 'trian' of", "Did you mean 'train'?"]),
    ("empty tfds split", nothing, {**EMBEDDED, "sampling.calibration.split": "train[:0]"},
     ["'train[:0]'", "0 examples"]),
    ("empty split", nothing, {"sampling.evaluation.split": "test.npz[:0]"},
     ["'test.npz[:0]'", "is empty"]),
    ("no such archive", nothing, {"sampling.evaluation.split": "tset.npz"},
     ["'data/01_raw/tset.npz' cannot be read"]),
    ("too few", nothing, {"sampling.calibration.examples": 500},
     ["fewer examples than asked for", "200 examples", "at least 500"]),
    ("overlap", nothing, {"sampling.evaluation.split": "train.npz[:20]",
                          "sampling.calibration.split": "train.npz[:50]"},
     ["overlap", "train.npz[0]"]),
    ("labels", with_high_labels, {"sampling.evaluation.split": "other.npz"},
     ["not classes of the model", "other.npz[4] (4)", "labels from 0 to 3"]),
    ("no channel", with_flat_images, {"sampling.calibration.split": "other.npz"},
     ["(8, 8)", "(8, 8, 1)", "expand_dims"]),
    ("other size", with_large_images, {"sampling.calibration.split": "other.npz"},
     ["(20, 16, 1)", "(8, 8, 1)", "resize: {height: 8, width: 8}"]),
    ("nan to calibrate", with_nan, {"sampling.calibration.split": "other.npz"},
     ["not finite", "64 NaN"]),
    ("nan to evaluate", with_nan, {"sampling.evaluation.split": "other.npz"},
     ["not finite", "64 NaN"]),
    ("transform step", nothing, {"dataset.transform": "no_such_module:f"},
     ["'no_such_module:f' cannot be imported"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("prepare", "given", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_mistake_gets_one_paragraph(
    project: Any,
    kedro_run: Callable[..., tuple[int, str]],
    prepare: Callable[[Any], None],
    given: Given,
    said: list[str],
) -> None:
    prepare(project)
    status, paragraph = kedro_run(
        "--params", ",".join(f"{key}={value}" for key, value in given.items())
    )
    assert status == 2
    for words in (*said, "Found: ", "Expected: "):
        assert words in paragraph
    assert not [name for name in project.written() if "partial" in name]
    assert "06_models/int8.tflite" not in project.written()


def test_a_quantized_model_is_not_taken_for_a_float_one(
    finished: Any, project: Any, kedro_run: Callable[..., tuple[int, str]]
) -> None:
    model = finished.folder / "data/06_models/int8.tflite"
    status, paragraph = kedro_run("--params", f"model.path={model}")
    assert status == 2
    assert "is already quantized" in paragraph
    assert "(int8)" in paragraph


def test_results_that_cannot_be_written(
    project: Any, kedro_run: Callable[..., tuple[int, str]]
) -> None:
    (project.folder / "data/03_primary").write_text("a file where a folder belongs")
    status, paragraph = kedro_run("--pipelines", "sampling")
    assert status == 2
    assert "could not be written" in paragraph
    assert project.written() == {"03_primary"}


def test_results_that_are_missing_or_damaged(
    project: Any, kedro_run: Callable[..., tuple[int, str]]
) -> None:
    status, paragraph = kedro_run("--pipelines", "conversion")
    assert status == 2
    assert "float.tflite' cannot be read" in paragraph

    status, _ = kedro_run("--pipelines", "sampling")
    assert status == 0
    manifest = project.folder / "data/03_primary/manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-100])
    before = files(project)
    status, paragraph = kedro_run("--pipelines", "baseline")
    assert status == 2
    assert "a damaged file" in paragraph
    assert files(project) == before


def test_data_that_changed_after_sampling(
    project: Any, kedro_run: Callable[..., tuple[int, str]]
) -> None:
    assert kedro_run("--pipelines", "sampling")[0] == 0
    with np.load(project.folder / "data/01_raw/test.npz") as arrays:
        changed = arrays["x"] * np.float32(0.5)
    npz(project, "test.npz", x=changed)
    status, paragraph = kedro_run("--pipelines", "baseline")
    assert status == 2
    assert "The manifest does not fit the dataset" in paragraph


def test_a_tracking_server_that_is_not_there(
    project: Any, kedro_run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    before = files(project)
    status, paragraph = kedro_run()
    assert status == 2
    assert "MLflow could not" in paragraph
    assert "127.0.0.1" in paragraph
    assert files(project) == before
