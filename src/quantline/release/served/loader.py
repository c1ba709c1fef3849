"""The ``mlflow.pyfunc`` loader of a saved ``.tflite`` model: real numbers in, real numbers out.

It works where Quantline is not installed: it imports numpy, mlflow, ai-edge-litert and what lies
next to it, which is why that import is a relative one.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from .tensor_io import TensorIO

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

FLAVOR = "tflite"
CODE = "code"


def _load_pyfunc(path: str) -> ServedModel:
    """Load a saved model, as ``mlflow.pyfunc.load_model`` asks its loader to.

    Args:
        path: The model's folder.

    Raises:
        MlflowException: A file is missing or damaged, or this LiteRT cannot run the model.
    """
    folder = Path(path)
    try:
        flavor = dict(Model.load(path).flavors[FLAVOR])
    except Exception as error:  # of MLflow, of its YAML reader, or of what was read
        raise _damaged([f"MLmodel has no flavor '{FLAVOR}' ({type(error).__name__})"]) from error
    data, names = flavor.get("data"), [flavor.get("inputs"), flavor.get("outputs")]
    wrong = damage(folder, flavor.get("sha256"), [data])
    if not all(isinstance(name, list) for name in names):
        wrong.append("MLmodel does not name the inputs and outputs")
    if wrong:
        raise _damaged(wrong)
    return ServedModel(
        (folder / str(data)).read_bytes(),
        inputs=flavor["inputs"],
        outputs=flavor["outputs"],
        any_batch=flavor.get("any_batch") is True,
    )


def _damaged(wrong: list[str]) -> MlflowException:
    return MlflowException(
        f"The saved model is damaged. Found: {'; '.join(wrong)}. Expected: the files that were "
        "saved, as MLmodel names them. Download or log the model again."
    )


def damage(folder: Path, sha256: Any, needed: Collection[Any] = ()) -> list[str]:
    """Return what is wrong with the files of a saved model, a phrase each.

    Args:
        folder: Where they are.
        sha256: The SHA-256 that each file must have, by name, as MLmodel has it.
        needed: The names that must be among them.
    """
    if not isinstance(sha256, Mapping):
        return [f"MLmodel has no hashes of the files, but {_shown(sha256)}"]
    wrong = [f"MLmodel has no SHA-256 of {_shown(n)}" for n in needed if n not in [*sha256]]
    for name, expected in sha256.items():
        if not _is_inside(name):
            wrong.append(f"MLmodel names {_shown(name)}, which is no file of the folder")
        elif not (isinstance(expected, str) and re.fullmatch("[0-9a-f]{64}", expected)):
            wrong.append(f"MLmodel has {_shown(expected)} for the SHA-256 of '{name}'")
        else:
            wrong += _changed(folder, name, expected)
    return [*wrong, *_foreign_code(folder, sha256)]


def _changed(folder: Path, name: str, expected: str) -> Iterator[str]:
    path = folder / name
    try:
        if path.exists() and not path.is_file():
            raise OSError("no file")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        yield f"'{name}' cannot be read ({error.strerror or error})"
        return
    if found != expected:
        yield f"'{name}' has the SHA-256 {found[:12]}, not {expected[:12]}"


def _foreign_code(folder: Path, sha256: Mapping[Any, Any]) -> Iterator[str]:
    """Yield the code that was not saved: MLflow puts the folder of the code on Python's path."""
    if not any(str(name).startswith(f"{CODE}/") for name in sha256):
        return  # saved when the code had no hashes
    for path in sorted((folder / CODE).rglob("*")):
        name = path.relative_to(folder).as_posix()
        is_cache = path.parent.name == "__pycache__" and path.suffix == ".pyc"
        if not path.is_dir() and name not in sha256 and not is_cache:
            yield f"'{name}' is code that was not saved with it"


def _is_inside(name: Any) -> bool:
    return (
        isinstance(name, str)
        and name not in ("", ".")
        and not set(name) & {"\\", "\0"}
        and not PurePosixPath(name).is_absolute()
        and ".." not in PurePosixPath(name).parts
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]} ..."


class ServedModel:
    """A loaded model. It may be called from several threads, which then take turns."""

    def __init__(
        self, content: bytes, inputs: list[str], outputs: list[str], *, any_batch: bool
    ) -> None:
        """Load a model.

        Args:
            content: A ``.tflite`` file's bytes.
            inputs: The inputs' names, in the interpreter's order.
            outputs: The outputs' names, likewise.
            any_batch: Whether the first dimension of all of them is a batch of 1, so that any
                number of examples can be taken, one after the other.

        Raises:
            MlflowException: The runtime refuses the model, or it has other inputs or outputs.
        """
        try:
            self._interpreter = Interpreter(model_content=content, num_threads=os.cpu_count())
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise MlflowException(
                f"ai-edge-litert {version('ai-edge-litert')} cannot run the saved model. Found: "
                f"{' '.join(str(error).split())}. Expected: the version that it was saved with. "
                "Install the model's requirements.txt."
            ) from error
        taken, given = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if (len(inputs), len(outputs)) != (len(taken), len(given)):
            raise _damaged(
                [
                    f"MLmodel names {len(inputs)} inputs and {len(outputs)} outputs of a model of "
                    f"{len(taken)} and {len(given)}"
                ]
            )
        self._inputs = {n: TensorIO.of(value) for n, value in zip(inputs, taken, strict=True)}
        self._outputs = {n: TensorIO.of(value) for n, value in zip(outputs, given, strict=True)}
        self._any_batch = any_batch
        self._lock = threading.Lock()  # the scoring server calls from a pool of threads

    def predict(self, data: Mapping[str, np.ndarray]) -> Any:
        """Run the model on real-valued inputs, quantizing at the edges.

        Args:
            data: Each input by name, as the signature has it: MLflow has checked shape and dtype,
                and turned arrays and data frames into this form.

        Returns:
            The output, or several by name; float32 where the model's own is quantized.

        Raises:
            MlflowException: A value is NaN or infinite, or the inputs differ in length.
        """
        self._check(data)
        if not self._any_batch:
            data = {name: value[np.newaxis] for name, value in data.items()}
        examples = len(next(iter(data.values())))
        results = {
            name: np.empty(
                (examples, *self._example(port)), np.float32 if port.scale else port.dtype
            )
            for name, port in self._outputs.items()
        }
        with self._lock:
            for index in range(examples):
                self._run({name: value[index] for name, value in data.items()})
                for name, port in self._outputs.items():
                    stored = self._interpreter.get_tensor(port.index)
                    real = port.dequantize(stored) if port.scale else stored
                    results[name][index] = real.reshape(self._example(port))
        if not self._any_batch:
            results = {name: value[0] for name, value in results.items()}
        return next(iter(results.values())) if len(results) == 1 else results

    def _run(self, example: Mapping[str, np.ndarray]) -> None:
        # What a model keeps between runs must not tell one caller of another's example.
        self._interpreter.reset_all_variables()
        for name, port in self._inputs.items():
            self._interpreter.set_tensor(
                port.index, port.quantize(example[name].reshape(port.shape))
            )
        self._interpreter.invoke()

    def _example(self, port: TensorIO) -> tuple[int, ...]:
        return port.shape[1:] if self._any_batch else port.shape

    def _check(self, data: Mapping[str, np.ndarray]) -> None:
        for name, value in data.items():
            wrong = value.size - np.isfinite(value).sum()
            if wrong:
                raise MlflowException.invalid_parameter_value(
                    f"The input '{name}' holds values that are not finite. Found: {wrong} of "
                    f"{value.size} are NaN or infinite; a null in JSON is NaN. Expected: finite "
                    "numbers. Correct the input."
                )
        counts = {name: len(value) for name, value in data.items() if self._any_batch}
        if len(set(counts.values())) > 1:
            raise MlflowException.invalid_parameter_value(
                "The inputs do not hold the same number of examples. Found: "
                f"{', '.join(f'{count} of {name!r}' for name, count in counts.items())}. Expected: "
                "as many of each. Give every example all inputs."
            )
