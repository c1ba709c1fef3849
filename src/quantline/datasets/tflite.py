"""A dataset for quantized models that refuses to save one that breaks its promise."""

from __future__ import annotations

from typing import Any

from quantline.contract import check_model, enforce
from quantline.contract.targets import check_target, enforce_target, load
from quantline.datasets.files import BytesDataset
from quantline.errors import CheckFailed, ParameterError, suggest
from quantline.quantization.schemes import SCHEMES
from quantline.tflite import read


class TfliteDataset(BytesDataset):
    """A ``.tflite`` file that is only written if it keeps what its catalog entry promises."""

    def __init__(
        self,
        *,
        filepath: str,
        promise: str = "int8",
        float_input: bool = False,
        float_output: bool = False,
        target: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Take the promise.

        Args:
            filepath: The file.
            promise: The scheme that the model is quantized by; of one that allows float, operators
                may stay float.
            float_input: True if its inputs are float32.
            float_output: True if its outputs are float32.
            target: The target whose contract it keeps: a built-in one's name, or the path of a
                YAML file.
            metadata: Kedro's.

        Raises:
            ParameterError: There is no such scheme or target.
        """
        super().__init__(filepath=filepath, metadata=metadata)
        if promise not in SCHEMES:
            raise ParameterError(
                f"The dataset '{filepath}' promises a scheme that does not exist",
                found=f"'{promise}'",
                expected=f"one of {', '.join(SCHEMES)}",
                remedy=suggest(promise, list(SCHEMES)) or "Correct 'promise'",
            )
        self._promise = promise
        self._float_input = float_input
        self._float_output = float_output
        self._target = None if target is None else load(target)

    def write(self, value: bytes) -> bytes:
        """Return the model as it is, if it keeps the promise.

        Raises:
            ModelUnreadable: It is not a ``.tflite`` file.
            CheckFailed: It holds floats, though integers are promised.
            CheckFailed: It breaks the target's contract.
        """
        graph = read(value, f"the model for '{self.filepath}'")
        report = check_model(
            graph,
            float_input=self._float_input,
            float_output=self._float_output,
            promise=self._promise,
        )
        if self._target is not None:
            report = check_target(report, graph, self._target, len(value))
        try:
            if not SCHEMES[self._promise].allows_float:
                enforce(report)
            enforce_target(report)
        except CheckFailed as error:
            raise type(error)(
                f"'{self.filepath}' was not written: it breaks its promise. {error.what}",
                found=error.found,
                expected=error.expected,
                remedy="Change the model or the promise of its catalog entry, or make the entry a "
                "quantline.datasets.BytesDataset, which saves anything",
            ) from error
        return value
