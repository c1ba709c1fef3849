"""Saving a quantized model as a folder in MLflow's model format, and opening it again.

The flavor ``tflite`` names the files and their hashes; ``python_function`` runs them with a loader
that the folder brings along. Nothing is pickled.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib.metadata import version
from importlib.resources import files as resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.errors import OutputNotWritten, ResultMissing, first_line
from quantline.files import make_folder, sha256
from quantline.release.flavor.describe import (
    example,
    metadata,
    ports,
    real_dtype,
    takes_any_batch,
)
from quantline.release.flavor.model_files import MODEL, NEEDED, ModelFiles, read_files

if TYPE_CHECKING:
    from quantline.release.flavor.describe import Ports
    from quantline.release.flavor.model_files import Contents

# MLflow would copy the lock file of the project in whose folder it runs into every model.
os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
REQUIRED = ("numpy", "mlflow", "ai-edge-litert")


def save_model(path: str | Path, files: ModelFiles) -> None:
    """Save a quantized model with all that is known of it.

    Args:
        path: The folder; it may be there if it is empty.
        files: The model's files.

    Raises:
        OutputNotWritten: Something else is there, or the folder cannot be written.
        ResultMissing: A file is not there, or is not what it should be.
        ModelUnreadable: The model is no ``.tflite`` file.
        ModelUnsupported: The model cannot be served.
        MismatchError: The golden vectors are damaged.
        MismatchError: The files belong to different models.
        DataError: There are more or fewer labels than classes.
    """
    from mlflow.models import Model

    write_model(Path(path), read_files(files), Model())


def write_model(folder: Path, contents: Contents, model: Any) -> None:
    """Write the folder of a model whose files have been read.

    Args:
        folder: The folder; it may be there if it is empty.
        contents: What is in the model's files.
        model: The ``mlflow.models.Model`` to complete.

    Raises:
        OutputNotWritten: Something else is there, or the folder cannot be written.
        ModelUnsupported: The model cannot be served.
    """
    inputs, outputs = ports(contents.graph)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise _not_written(folder, "something of that name", "no such folder, or an empty one")
    make_folder(folder.parent)
    try:
        # Next to its place, so that it is there whole or not at all.
        with tempfile.TemporaryDirectory(prefix=".saving-", dir=folder.parent) as aside:
            made = Path(aside, "model")
            _write(made, contents, inputs, outputs, model)
            made.replace(folder)
    except OSError as error:
        found = f"{error.strerror or error} ({type(error).__name__})"
        raise _not_written(folder, found, "a place that can be written to, with space") from error


def open_model(path: str | Path) -> ModelFiles:
    """Return the files of a saved model, each of them whole, and its code as it was saved.

    Raises:
        ResultMissing: It is no folder that :func:`save_model` wrote, or a file is damaged.
    """
    from mlflow.models import Model

    from quantline.release.served.loader import FLAVOR, damage

    folder = Path(path)
    hashes: dict[str, str] = {}
    try:
        hashes = Model.load(str(folder)).flavors[FLAVOR]["sha256"]
        wrong = damage(folder, hashes, NEEDED)
    except Exception as error:  # of MLflow, of its YAML reader, or of what was read
        wrong = [first_line(error)]
    if wrong:
        raise ResultMissing(
            f"The saved model '{folder}' is not there, or is damaged",
            found="; ".join(wrong),
            expected="a folder with MLmodel, the flavor 'tflite' and the files that it names",
            remedy="Check the path, or download or log the model again",
        )
    return ModelFiles.in_folder(folder, hashes)


def _write(made: Path, contents: Contents, inputs: Ports, outputs: Ports, model: Any) -> None:
    from mlflow import pyfunc
    from mlflow.models import ModelSignature

    from quantline.release.served.loader import CODE, FLAVOR

    any_batch = takes_any_batch(inputs, outputs)
    code = _write_code(made.parent)
    hashes = {
        f"{CODE}/{code.name}/{source.name}": sha256(source.read_bytes())
        for source in code.iterdir()
    }
    model.add_flavor(
        FLAVOR, data=MODEL, sha256={**contents.sha256, **hashes}, inputs=list(inputs),
        outputs=list(outputs), any_batch=any_batch,
    )  # fmt: skip
    shown = example(contents, inputs)
    pyfunc.save_model(
        path=str(made),
        loader_module=f"{code.name}.loader",
        code_paths=[str(code)],
        mlflow_model=model,
        signature=ModelSignature(_schema(inputs, any_batch), _schema(outputs, any_batch)),
        input_example=shown if len(shown) > 1 else next(iter(shown.values())),
        pip_requirements=[f"{name}=={version(name)}" for name in REQUIRED],
        metadata=metadata(contents, inputs, outputs),
    )
    for name, content in contents.stored.items():
        (made / name).write_bytes(content)
    for cache in (made / CODE).rglob("__pycache__"):  # of MLflow's trial of the example
        shutil.rmtree(cache)
    model.model_size_bytes = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    model.save(str(made / "MLmodel"))


def _schema(ports: Ports, any_batch: bool) -> Any:
    from mlflow.types import Schema, TensorSpec

    return Schema(
        [
            TensorSpec(real_dtype(port), (-1, *port.shape[1:]) if any_batch else port.shape, name)
            for name, port in ports.items()
        ]
    )


def _write_code(folder: Path) -> Path:
    """Write the code that runs the model, as a package without dependencies on Quantline."""
    package = resources("quantline")
    sources = {
        "__init__.py": package / "release" / "served" / "__init__.py",
        "loader.py": package / "release" / "served" / "loader.py",
        "tensor_io.py": package / "tflite" / "tensor_io.py",
    }
    contents = {name: value.read_bytes() for name, value in sources.items()}
    # Its name tells its version: Python keeps the first module of a name that it meets, and one
    # process may load models that were saved by several.
    code = folder / f"quantline_model_{sha256(b''.join(contents.values()))[:8]}"
    code.mkdir()
    for name, content in contents.items():
        (code / name).write_bytes(content)
    return code


def _not_written(folder: Path, found: str, expected: str) -> OutputNotWritten:
    return OutputNotWritten(
        f"The model cannot be saved as '{folder}'",
        found=found,
        expected=expected,
        remedy="Give another folder; nothing was half-written",
    )
