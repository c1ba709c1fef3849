"""What a user's mistakes get: one paragraph, exit status 2, and nothing half-written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
Given = dict[str, Any]


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


def with_other_shape(project: Any) -> None:
    x = np.random.default_rng(0).uniform(size=(120, 4, 16, 1)).astype(np.float32)
    npz(project, "other.npz", x=x)


def with_text_for_a_model(project: Any) -> None:
    (project.folder / "my.keras").write_text("not a model")


def with_empty_model(project: Any) -> None:
    (project.folder / "my.keras").write_bytes(b"")


def with_cut_tflite(project: Any) -> None:
    (project.folder / "my.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(300))


def with_flipped_bits(project: Any) -> None:
    path = project.folder / "data/01_raw/other.npz"
    content = bytearray((path.parent / "test.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def with_half_an_archive(project: Any) -> None:
    path = project.folder / "data/01_raw/other.npz"
    content = (path.parent / "test.npz").read_bytes()
    path.write_bytes(content[: len(content) // 2])


def with_float_labels(project: Any) -> None:
    npz(project, "other.npz", y=np.arange(120) / 7)


def with_too_few_labels(project: Any) -> None:
    npz(project, "other.npz", y=np.arange(7))


def with_other_names(project: Any) -> None:
    npz(project, "other.npz", x=None, images=np.zeros((3, 8, 8, 1), np.float32))


def nothing(project: Any) -> None:
    pass


TFDS = {"dataset.source": "tfds", "sampling.calibration.split": "train",
        "sampling.evaluation.split": "test"}  # fmt: skip
EMBEDDED = {**TFDS, "dataset.data_dir": str(ROOT / "data/01_raw")}

TFLITE = {"model.path": "data/01_raw/model.tflite"}

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
    ("flipped bits", with_flipped_bits, {"sampling.evaluation.split": "other.npz"},
     ["'data/01_raw/other.npz' cannot be read", "CRC"]),
    ("half an archive", with_half_an_archive, {"sampling.evaluation.split": "other.npz"},
     ["'data/01_raw/other.npz' cannot be read", "cut off"]),
    ("float labels", with_float_labels, {"sampling.evaluation.split": "other.npz"},
     ["is not a class index", "float64"]),
    ("too few labels", with_too_few_labels, {"sampling.evaluation.split": "other.npz"},
     ["not as many labels as examples", "120 examples and 7 labels"]),
    ("other names", with_other_names, {"sampling.evaluation.split": "other.npz"},
     ["has no array 'x'", "images, y"]),
    ("too few", nothing, {"sampling.calibration.examples": 500},
     ["fewer examples than asked for", "200 examples", "at least 500"]),
    ("overlap", nothing, {"sampling.evaluation.split": "train.npz[:20]",
                          "sampling.calibration.split": "train.npz[:50]"},
     ["overlap", "train.npz[0]"]),
    ("labels", with_high_labels, {**TFLITE, "sampling.evaluation.split": "other.npz"},
     ["not classes of the model", "other.npz[4] (4)", "labels from 0 to 3"]),
    ("no channel", with_flat_images, {**TFLITE, "sampling.calibration.split": "other.npz"},
     ["(8, 8)", "(8, 8, 1)", "expand_dims"]),
    ("other size", with_large_images, {**TFLITE, "sampling.calibration.split": "other.npz"},
     ["(20, 16, 1)", "(8, 8, 1)", "resize: {height: 8, width: 8}"]),
    ("other size to evaluate", with_large_images,
     {**TFLITE, "sampling.evaluation.split": "other.npz"},
     ["'other.npz[0]'", "(20, 16, 1)", "(8, 8, 1)", "resize"]),
    ("as many values in another shape", with_other_shape,
     {**TFLITE, "sampling.evaluation.split": "other.npz"}, ["(4, 16, 1)", "(8, 8, 1)"]),
    ("nan to calibrate", with_nan, {"sampling.calibration.split": "other.npz"},
     ["not finite", "64 NaN"]),
    ("nan to evaluate", with_nan, {**TFLITE, "sampling.evaluation.split": "other.npz"},
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


DAMAGED = {
    "no model": ("06_models/float.tflite", None, ["float.tflite' cannot be read", "no such file"]),
    "cut off": (
        "06_models/ranges.json",
        b'{"samples": 1, "ten',
        ["ranges.json'", "a damaged file"],
    ),
    "empty": ("06_models/ranges.json", b"", ["ranges.json'", "a damaged file"]),
    "other keys": (
        "06_models/ranges.json",
        b"{}",
        ["ranges.json' cannot be read", "no key 'tensors'"],
    ),
    "ranges of another model": (
        "06_models/ranges.json",
        b'{"float_model_sha256": "0", "samples": 1, "samples_sha256": [], "tensors": [],'
        b' "versions": {}}',
        [
            "'data/06_models/ranges.json' is damaged, or does not say what it was made from",
            "--from-nodes record_ranges",
        ],
    ),
}


@pytest.mark.parametrize(("name", "content", "said"), DAMAGED.values(), ids=DAMAGED)
def test_a_stage_does_not_trust_what_it_reads(
    finished: Any,
    project: Any,
    kedro_run: Callable[..., tuple[int, str]],
    name: str,
    content: bytes | None,
    said: list[str],
) -> None:
    shutil.copytree(finished.folder / "data", project.folder / "data", dirs_exist_ok=True)
    path = project.folder / "data" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    before = files(project)
    status, paragraph = kedro_run("--pipelines", "conversion")
    assert status == 2
    for words in said:
        assert words in paragraph
    assert files(project) == before


def test_data_that_changed_after_sampling(
    project: Any, kedro_run: Callable[..., tuple[int, str]]
) -> None:
    assert kedro_run("--pipelines", "sampling")[0] == 0
    with np.load(project.folder / "data/01_raw/test.npz") as arrays:
        changed = arrays["x"] * np.float32(0.5)
    npz(project, "test.npz", x=changed)
    status, paragraph = kedro_run(
        "--pipelines", "baseline", "--params", "model.path=data/01_raw/model.tflite"
    )
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
