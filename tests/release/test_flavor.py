"""A saved model: what is in its folder, what it predicts, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.release.models import (
    CALIBRATION,
    EVALUATION,
    FLOAT_MODEL,
    FULLY_CONNECTED_WEIGHTS,
    remembering,
    two_of_each,
    write_files,
)

import quantline
from quantline.errors import (
    DataError,
    MismatchError,
    ModelUnreadable,
    ModelUnsupported,
    OutputNotWritten,
    QuantlineError,
    ResultMissing,
    TrackingFailed,
)
from quantline.files import sha256
from quantline.release.flavor import ModelFiles, log_model, open_model, save_model

if TYPE_CHECKING:
    from collections.abc import Callable

ANYTHING = np.zeros((1, 4), np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """Two neurons of four int8 inputs, and two labels."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "names.txt").write_text("shirt\nshoe\n")
    return dataclasses.replace(write_files(folder), labels=folder / "names.txt")


@pytest.fixture(scope="module")
def saved(files: ModelFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    save_model(folder, files)
    return folder


@pytest.fixture(scope="module")
def loaded(saved: Path) -> Any:
    return load(saved)


def load(folder: Path) -> Any:
    import mlflow

    return mlflow.pyfunc.load_model(str(folder))


def saved_anew(folder: Path, edit: Callable[[Any], None]) -> Any:
    """Save another model and load it."""
    save_model(folder / "model", write_files(folder / "files", edit))
    return load(folder / "model")


def away_from_zero(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.floor(np.abs(values) + 0.5)


def by_hand(model: bytes, real: np.ndarray) -> np.ndarray:
    """Quantize, run and dequantize with the numbers that the model was built from."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    stored = np.clip(away_from_zero(real.astype(np.float64) / 0.5) + 3, -128, 127).astype(np.int8)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], stored)
    interpreter.invoke()
    given = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    exact = ((stored.astype(int) - 3) @ FULLY_CONNECTED_WEIGHTS.T + [5, -5]) * [0.125, 0.25]
    assert np.abs((given + 7.0) * 2.0 - np.clip(exact, -242, 268)).max() <= 1  # half a step
    return (given.astype(np.float32) + 7) * 2


def test_the_folder_holds_the_files_as_they_were(saved: Path, files: ModelFiles) -> None:
    package, _, module = mlmodel(saved)["python_function"]["loader_module"].partition(".")
    assert module == "loader"
    code = saved / "code" / package
    source = Path(quantline.__path__[0])
    expected = {
        "model.tflite": files.model,
        "recipe.json": files.recipe,
        "ranges.json": files.ranges,
        "golden.npz": files.golden,
        "labels.txt": files.labels,
        f"code/{code.name}/loader.py": source / "release" / "served" / "loader.py",
        # The arithmetic is the library's own, in the same bytes.
        f"code/{code.name}/tensor_io.py": source / "tflite" / "tensor_io.py",
    }
    for name, original in expected.items():
        assert original is not None
        assert (saved / name).read_bytes() == original.read_bytes(), name
    found = {str(path.relative_to(saved)) for path in saved.rglob("*") if path.is_file()}
    assert {item for item in found if "__pycache__" not in item} == {
        *expected, f"code/{code.name}/__init__.py", "MLmodel", "requirements.txt", "conda.yaml",
        "python_env.yaml", "input_example.json", "serving_input_example.json",
    }  # fmt: skip
    needed = ("numpy", "mlflow", "ai-edge-litert")
    pinned = [f"{name}=={version(name)}" for name in needed]
    assert (saved / "requirements.txt").read_text().split() == pinned


def mlmodel(folder: Path) -> dict[str, Any]:
    from mlflow.models import Model

    return dict(Model.load(str(folder)).flavors)


def test_what_mlflow_shows_of_it(loaded: Any, saved: Path, files: ModelFiles) -> None:
    assert mlmodel(saved)["tflite"]["data"] == "model.tflite"
    told = dict(loaded.metadata.metadata)
    assert told.pop("versions").keys() == {
        "ai-edge-litert", "mlflow", "numpy", "python", "quantline", "tensorflow",
    }  # fmt: skip
    model = files.model.read_bytes()
    port = {"dtype": "int8"}
    assert told == {
        "sha256": sha256(model),
        "size_bytes": len(model),
        "scheme": "int8",
        "inputs": [{**port, "name": "x", "shape": [1, 4], "scale": 0.5, "zero_point": 3}],
        "outputs": [{**port, "name": "y", "shape": [1, 2], "scale": 2.0, "zero_point": -7}],
        "operators": {"FULLY_CONNECTED": 1},
        "evidence": "parsed",
        "float_model_sha256": FLOAT_MODEL,
        "calibration_sha256": CALIBRATION,
        "evaluation_sha256": EVALUATION,
    }
    signature = loaded.metadata.signature
    (taken,), (given,) = signature.inputs.inputs, signature.outputs.inputs
    assert (taken.name, taken.type, taken.shape) == ("x", np.float32, (-1, 4))
    assert (given.name, given.type, given.shape) == ("y", np.float32, (-1, 2))
    # The real values of the vector that a sample gave.
    assert loaded.input_example["x"].tolist() == [[1.0] * 4]


def test_predictions_are_those_of_the_cpu_interpreter(loaded: Any, files: ModelFiles) -> None:
    ties = np.arange(-6, 6, 0.25).reshape(-1, 4)
    wide = np.random.default_rng(0).normal(0, 60, (20, 4))
    real = np.concatenate([ties, wide]).astype(np.float32)
    expected = np.concatenate([by_hand(files.model.read_bytes(), item[None]) for item in real])
    got = loaded.predict(real)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)


def test_it_takes_what_mlflow_gives(loaded: Any) -> None:
    import pandas as pd

    real = np.arange(8, dtype=np.float32).reshape(2, 4)
    expected = loaded.predict(real)
    frame = pd.DataFrame({"x": real.tolist()})
    for given in ({"x": real}, frame):
        np.testing.assert_array_equal(loaded.predict(given), expected)
    assert loaded.predict(real[:0]).shape == (0, 2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.zeros(4, np.float32), r"Shape of input \(4,\) does not match expected shape \(-1, 4\)"),
        (np.zeros((2, 3), np.float32), r"Shape of input \(2, 3\)"),
        (np.zeros((1, 4)), "dtype of input float64 does not match expected dtype float32"),
        (np.zeros((1, 4), np.int8), "dtype of input int8"),
        ({"z": ANYTHING}, r"missing inputs \['x'\]"),
        (ANYTHING + np.nan, "'x' holds values that are not finite. Found: 4 of 4 are NaN"),
        (ANYTHING + np.array([[0, 0, np.inf, 0]], np.float32), "Found: 1 of 4 are NaN or infinite"),
    ],
)
def test_what_it_cannot_take_is_bad_input(loaded: Any, given: Any, said: str) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=said) as caught:
        loaded.predict(given)
    assert caught.value.get_http_status_code() == 400


def test_callers_at_once_get_their_own_predictions(loaded: Any) -> None:
    real = np.random.default_rng(1).normal(0, 20, (400, 4)).astype(np.float32)
    expected = loaded.predict(real)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda item: loaded.predict(item[None])[0], real))
    np.testing.assert_array_equal(np.stack(found), expected)


def test_inputs_and_outputs_have_their_signature_s_names(tmp_path: Path) -> None:
    from mlflow.exceptions import MlflowException

    loaded = saved_anew(tmp_path, two_of_each(1, 3))
    left = np.array([[1, 2, 3], [-4, 5, 60]], np.float32)
    right = np.array([[0.25, 0.5, 8], [-1, 30, 0]], np.float32)
    got = loaded.predict({"right": right, "left": left})
    stored = np.minimum(right, (127 + 4) * 0.25) + np.minimum(left, (127 - 3) * 0.5)
    assert np.abs(got["sum"] - stored).max() <= 0.5  # half a step of the sum's scale
    assert got["best"].tolist() == [2, 2]
    assert got["best"].dtype == np.int64  # not quantized: as the model gives it
    assert loaded.metadata.metadata["outputs"][1] == {
        "name": "best", "dtype": "int64", "shape": [1], "scale": None, "zero_point": None,
    }  # fmt: skip
    with pytest.raises(MlflowException, match="Found: 2 of 'left', 1 of 'right'"):
        loaded.predict({"right": right[:1], "left": left})


def test_without_a_batch_of_1_inputs_are_taken_whole(tmp_path: Path) -> None:
    loaded = saved_anew(tmp_path, two_of_each(2, 3))
    specs = loaded.metadata.signature.inputs.inputs
    assert {spec.shape for spec in specs} == {(2, 3)}
    left, right = np.array([[1, 2, 3], [4, 5, 6]], np.float32), np.zeros((2, 3), np.float32)
    got = loaded.predict({"left": left, "right": right})
    assert got["sum"].tolist() == left.tolist()
    assert got["best"].tolist() == [2, 2]


def test_an_example_does_not_depend_on_those_before(tmp_path: Path) -> None:
    loaded = saved_anew(tmp_path, remembering)
    real = np.array([[0, 1, 2, 3], [1, 0, 0, 0], [0, 1, 2, 3]], np.float32)
    expected = real @ FULLY_CONNECTED_WEIGHTS.T
    for _ in range(2):
        np.testing.assert_array_equal(loaded.predict(real), expected)


@pytest.mark.parametrize("name", ["model.tflite", "golden.npz"])
def test_a_damaged_or_missing_file_is_found(name: str, tmp_path: Path, files: ModelFiles) -> None:
    from mlflow.exceptions import MlflowException

    folder = tmp_path / "model"
    save_model(folder, files)
    assert {var.name for var in vars(open_model(folder)).values() if var} == {
        "model.tflite", "recipe.json", "ranges.json", "golden.npz", "labels.txt",
    }  # fmt: skip
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    said = f"damaged. Found: '{name}' has the SHA-256 {sha256(content)[:12]}, not "
    with pytest.raises(MlflowException, match=said):
        load(folder)
    with pytest.raises(ResultMissing, match=said):
        open_model(folder)
    (folder / name).unlink()
    with pytest.raises(MlflowException, match=f"'{name}' cannot be read"):
        load(folder)


def copied(saved: Path, folder: Path) -> Path:
    return Path(shutil.copytree(saved, folder / "model"))


def test_edited_code_is_found(tmp_path: Path, saved: Path) -> None:
    from mlflow.exceptions import MlflowException

    folder = copied(saved, tmp_path)
    (port,) = folder.glob("code/*/tensor_io.py")
    (loader,) = folder.glob("code/*/loader.py")
    port.write_text(port.read_text() + "# edited\n")
    said = f"damaged. Found: 'code/{port.parent.name}/tensor_io.py' has the SHA-256"
    with pytest.raises(MlflowException, match=said):
        load(folder)
    with pytest.raises(ResultMissing, match=said):
        open_model(folder)
    port.write_text(port.read_text().removesuffix("# edited\n"))
    # A loader from which the check was taken out cannot find that: what opens the folder does.
    loader.write_text(loader.read_text().replace("    if wrong:\n", "    if False:\n"))
    with pytest.raises(ResultMissing, match=r"loader\.py' has the SHA-256"):
        open_model(folder)


def test_code_that_was_not_saved_is_found(tmp_path: Path, saved: Path) -> None:
    from mlflow.exceptions import MlflowException

    folder = copied(saved, tmp_path)
    load(folder)  # leaves compiled code beside the sources
    open_model(folder)
    (folder / "code" / "colorsys.py").write_text("")  # would come before Python's own
    with pytest.raises(ResultMissing, match=r"'code/colorsys\.py' is code that was not saved"):
        open_model(folder)
    with pytest.raises(MlflowException, match=r"'code/colorsys\.py' is code that was not saved"):
        load(folder)


def edited(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    import yaml

    path = folder / "MLmodel"
    values = yaml.safe_load(path.read_text())
    change(values["flavors"]["tflite"])
    path.write_text(yaml.safe_dump(values))


def hashes(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda flavor: flavor["sha256"].update(values)


ODD: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "null": (lambda flavor: flavor.update(sha256=None), "no hashes of the files, but None"),
    "list": (lambda flavor: flavor.update(sha256=["a"]), "no hashes of the files"),
    "text": (lambda flavor: flavor.update(sha256="a"), "no hashes of the files"),
    "none": (lambda flavor: flavor.pop("sha256"), "hashes of the files|KeyError"),
    "empty": (lambda flavor: flavor.update(sha256={}), "no SHA-256 of 'model.tflite'"),
    "no model": (lambda flavor: flavor["sha256"].pop("model.tflite"), "no SHA-256 of 'model"),
    "null hash": (hashes(**{"model.tflite": None}), "None for the SHA-256 of 'model.tflite'"),
    "number": (hashes(**{"recipe.json": 7}), "7 for the SHA-256 of 'recipe.json'"),
    "short": (hashes(**{"golden.npz": "00"}), "'00' for the SHA-256 of 'golden.npz'"),
    "upper case": (hashes(**{"golden.npz": "A" * 64}), "for the SHA-256 of 'golden.npz'"),
    "outside": (hashes(**{"../secret": "0" * 64}), r"'\.\./secret', which is no file"),
    "absolute": (hashes(**{"/etc/passwd": "0" * 64}), "which is no file of the folder"),
    "odd key": (lambda flavor: flavor["sha256"].update({7: "0" * 64}), "names 7, which is no file"),
    "folder": (hashes(code="0" * 64), "'code' cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_hashes_are_told_in_a_paragraph(name: str, tmp_path: Path, saved: Path) -> None:
    from mlflow.exceptions import MlflowException

    copied(saved, tmp_path)
    change, said = ODD[name]
    edited(tmp_path / "model", change)
    with pytest.raises(ResultMissing, match=said):
        open_model(tmp_path / "model")
    with pytest.raises(MlflowException, match=said):
        load(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda flavor: flavor.update(data=None), "no SHA-256 of None"),
        (lambda flavor: flavor.update(data=["model.tflite"]), "no SHA-256 of"),
        (lambda flavor: flavor.update(data="../model.tflite"), r"no SHA-256 of '\.\./model"),
        (lambda flavor: flavor.update(inputs=None), "does not name the inputs"),
        (lambda flavor: flavor.update(outputs=[]), "1 inputs and 0 outputs of a model of 1 and 1"),
    ],
)
def test_an_odd_flavor_is_told_by_the_loader(
    change: Any, said: str, tmp_path: Path, saved: Path
) -> None:
    from mlflow.exceptions import MlflowException

    copied(saved, tmp_path)
    edited(tmp_path / "model", change)
    with pytest.raises(MlflowException, match=said):
        load(tmp_path / "model")


def test_a_folder_of_an_older_version_opens(tmp_path: Path, saved: Path) -> None:
    """Its code had no hashes."""

    def without_code(flavor: dict[str, Any]) -> None:
        flavor["sha256"] = {k: v for k, v in flavor["sha256"].items() if not k.startswith("code/")}

    copied(saved, tmp_path)
    edited(tmp_path / "model", without_code)
    assert open_model(tmp_path / "model").model.name == "model.tflite"


@pytest.mark.parametrize("value", [None, 7, ["a"], {}, "", "0", "x" * 64])
@pytest.mark.parametrize("key", ["float_model_sha256", "int8_model_sha256"])
def test_a_recipe_whose_hash_is_none(key: str, value: Any, tmp_path: Path) -> None:
    files = write_files(tmp_path / "files")
    changed(files.recipe, **{key: value})
    with pytest.raises(ResultMissing, match=rf"as its '{key}'.*64 hexadecimal digits"):
        save_model(tmp_path / "model", files)


@pytest.mark.parametrize("value", [7, "text", {"a": 1}, [7], [None]])
def test_a_recipe_whose_samples_are_none(value: Any, tmp_path: Path) -> None:
    files = write_files(tmp_path / "files")
    changed(files.recipe, samples_sha256=value)
    with pytest.raises((ResultMissing, MismatchError), match=r"samples_sha256|does not belong"):
        save_model(tmp_path / "model", files)


def test_a_folder_that_is_no_saved_model(tmp_path: Path) -> None:
    with pytest.raises(ResultMissing, match="is not there, or is damaged"):
        open_model(tmp_path)


def changed(path: Path | None, **values: Any) -> None:
    assert path is not None
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **values}))


MISTAKES: dict[str, tuple[Callable[[ModelFiles], Any], type[QuantlineError], str]] = {
    "no recipe": (lambda files: files.recipe.unlink(), ResultMissing, "No such file"),
    "no model": (lambda files: files.model.write_bytes(b"x"), ModelUnreadable, "int8.tflite"),
    "recipe": (
        lambda files: changed(files.recipe, int8_model_sha256="0" * 64), MismatchError,
        "recipe.json' does not belong to the model",
    ),
    "text": (lambda files: files.recipe.write_text("[]"), ResultMissing, "KeyError: 'float"),
    "golden": (lambda files: files.golden.write_bytes(b"x"), MismatchError, "no golden vectors"),
    "ranges": (
        lambda files: changed(files.ranges, float_model_sha256="0" * 64), MismatchError,
        f"recorded.json'.*Found: the SHA-256 000000000000 in it. Expected: {FLOAT_MODEL[:12]}",
    ),
    "manifest": (
        lambda files: changed(files.manifest, calibration={"sha256": "0" * 64}), MismatchError,
        "manifest.json' does not belong",
    ),
    "no manifest": (
        lambda files: changed(files.manifest, evaluation=None), ResultMissing, "manifest.json' is",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_files_that_do_not_belong_together(mistake: str, tmp_path: Path) -> None:
    files = write_files(tmp_path / "files")
    make, error, said = MISTAKES[mistake]
    make(files)
    with pytest.raises(error, match=said):
        save_model(tmp_path / "model", files)
    assert [path.name for path in tmp_path.iterdir()] == ["files"]


def test_golden_vectors_of_another_model(tmp_path: Path) -> None:
    files = write_files(tmp_path / "files")
    other = write_files(tmp_path / "other", lambda model: setattr(model, "description", "other"))
    with pytest.raises(MismatchError, match="npz' does not belong"):
        save_model(tmp_path / "model", dataclasses.replace(files, golden=other.golden))


@pytest.mark.parametrize("labels", ["a\n", "a\nb\nc\n", "a\n\nb\n", ""])
def test_labels_that_do_not_fit(labels: str, tmp_path: Path, files: ModelFiles) -> None:
    (tmp_path / "labels.txt").write_text(labels)
    with pytest.raises(DataError, match="a line for each of 2 classes"):
        save_model(tmp_path / "model", dataclasses.replace(files, labels=tmp_path / "labels.txt"))


def unknown_width(model: Any) -> None:
    model.subgraphs[0].tensors[0].shapeSignature = np.asarray([-1, -1], np.int32)


def text_output(model: Any) -> None:
    from ai_edge_litert import schema_py_generated as schema

    model.subgraphs[0].tensors[3].type = schema.TensorType.STRING


@pytest.mark.parametrize("edit", [unknown_width, text_output])
def test_a_model_that_cannot_be_served(edit: Callable[[Any], None], tmp_path: Path) -> None:
    files = write_files(tmp_path / "files", edit, runs=False)
    with pytest.raises(ModelUnsupported, match="cannot be served"):
        save_model(tmp_path / "model", files)


def test_a_place_that_is_taken(tmp_path: Path, files: ModelFiles) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "a").write_text("a")
    for name in ("taken", "taken/a", "taken/a/b"):
        with pytest.raises(OutputNotWritten, match="taken"):
            save_model(tmp_path / name, files)
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["a"]


def test_a_logged_model_is_the_output_of_its_run(
    client: Any, tmp_path: Path, files: ModelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    run = open_run(client, tmp_path)
    model_id = log_model(client, run, files)
    (output,) = client.get_run(run).outputs.model_outputs
    assert output.model_id == model_id
    logged = client.get_logged_model(model_id)
    assert logged.status == "READY"
    assert logged.source_run_id == run
    loaded = load(Path(logged.artifact_location.removeprefix("file://")))
    assert (loaded.metadata.model_id, loaded.metadata.run_id) == (model_id, run)
    assert loaded.predict(ANYTHING).shape == (1, 2)
    assert list(work.iterdir()) == []  # no store of MLflow's own making


def open_run(client: Any, folder: Path) -> str:
    experiment = client.create_experiment("any", artifact_location=(folder / "kept").as_uri())
    return str(client.create_run(experiment).info.run_id)


def test_a_model_whose_files_cannot_be_stored_is_never_ready(
    client: Any, tmp_path: Path, files: ModelFiles
) -> None:
    run = open_run(client, tmp_path)
    (tmp_path / "kept").write_text("in the way")
    with pytest.raises(TrackingFailed, match="MLflow could not record the model"):
        log_model(client, run, files)
    (failed,) = client.search_logged_models([client.get_run(run).info.experiment_id])
    assert failed.status == "FAILED"
    assert not client.get_run(run).outputs.model_outputs


def test_files_that_do_not_fit_are_not_logged(client: Any, tmp_path: Path) -> None:
    run = open_run(client, tmp_path)
    files = write_files(tmp_path / "files")
    changed(files.recipe, int8_model_sha256="0" * 64)
    with pytest.raises(MismatchError):
        log_model(client, run, files)
    assert not client.search_logged_models([client.get_run(run).info.experiment_id])
