"""Prediction of what the Edge TPU does with a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline import recipe
from quantline.api.model_file import read_tflite
from quantline.edgetpu import evaluate
from quantline.recipe.check import check_arguments

if TYPE_CHECKING:
    from quantline.api.given import ModelLike
    from quantline.edgetpu import EdgeTpuReport


def predict_edgetpu(
    model: ModelLike,
    *,
    runtime_version: int = recipe.EdgeTpu().runtime_version,
    multiple_subgraphs: bool = False,
    original: ModelLike | None = None,
) -> EdgeTpuReport:
    """Predict what the Edge TPU does with a ``.tflite`` model: operators, memory, latency.

    Of a compiled model, mapping and memory are parsed from the file. Neither compiler nor device is
    needed.

    Args:
        model: The ``.tflite`` file's path, its bytes, or the result of a quantization.
        runtime_version: The version of the Edge TPU's runtime that the model is meant for.
        multiple_subgraphs: True if every group of operators that the Edge TPU can run is compiled,
            and not only the first.
        original: Of a compiled model, what it was made from.

    Raises:
        ModelUnreadable: It is no whole ``.tflite`` file.
        ParameterError: There is no such version.
        MismatchError: The compiled model was not made from ``original``.
    """
    settings = check_arguments(
        recipe.EdgeTpu,
        {"runtime_version": runtime_version, "multiple_subgraphs": multiple_subgraphs},
    )
    name, content, _ = read_tflite(model)
    return evaluate(
        content,
        settings.runtime_version,
        settings.multiple_subgraphs,
        name=name,
        original=None if original is None else read_tflite(original)[2],
    )
