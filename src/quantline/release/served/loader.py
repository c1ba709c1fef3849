"""Runs a saved ``.tflite`` model for ``mlflow.pyfunc``: real numbers in, real numbers out.

It works where Quantline is not installed: it imports numpy, mlflow, ai-edge-litert and what lies
beside it, which is why that import is a relative one.
"""

from __future__ import annotations

import hashlib
import os
import threading
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from .port import Port

if TYPE_CHECKING:
    from collections.abc import Mapping

FLAVOR = "tflite"


def _load_pyfunc(path: str) -> ServedModel:
    """Load a saved model, as ``mlflow.pyfunc.load_model`` asks its loader to.

    Args:
        path: The model's folder.

    Raises:
        MlflowException: A file is missing or damaged, or this LiteRT cannot run the model.
    """
    folder = Path(path)
    flavor = Model.load(path).flavors[FLAVOR]
    wrong = damage(folder, flavor["sha256"])
    if wrong:
        raise MlflowException(
            f"The saved model is damaged. Found: {'; '.join(wrong)}. Expected: the files that were "
            "saved, as MLmodel names them. Download or log the model again."
        )
    return ServedModel(
        (folder / flavor["data"]).read_bytes(),
        inputs=flavor["inputs"],
        outputs=flavor["outputs"],
        any_batch=flavor["any_batch"],
    )


def damage(folder: Path, sha256: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the files of a saved model, a phrase each.

    Args:
        folder: Where they are.
        sha256: The SHA-256 that each file must have, by name.
    """
    wrong = []
    for name, expected in sha256.items():
        try:
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError as error:
            wrong.append(f"'{name}' cannot be read ({error.strerror or error})")
            continue
        if found != expected:
            wrong.append(f"'{name}' has the SHA-256 {found[:12]}, not {expected[:12]}")
    return wrong


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
            MlflowException: The runtime refuses the model.
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
        self._inputs = {n: Port.of(each) for n, each in zip(inputs, taken, strict=True)}
        self._outputs = {n: Port.of(each) for n, each in zip(outputs, given, strict=True)}
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

    def _example(self, port: Port) -> tuple[int, ...]:
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
