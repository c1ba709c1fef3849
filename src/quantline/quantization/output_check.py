"""The outputs of a quantized model: whether they still say what the float model's say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.errors import CheckFailed, first_few
from quantline.quantization.output_text import failures, remedies

if TYPE_CHECKING:
    from collections.abc import Mapping


def lost_outputs(measured: Mapping[str, Any]) -> CheckFailed | None:
    """Return the error that a model with lost outputs is; None where none is lost.

    Args:
        measured: What :func:`quantline.quantization.quantize` measured: the recipe's ``measured``.
    """
    lost = failures(measured, "lost")
    if not lost:
        return None
    return CheckFailed(
        "The quantized model has lost an output",
        found=f"on {measured['samples']} calibration samples, {first_few(lost, 3)}",
        expected="outputs that vary as those of the float model do",
        remedy=". ".join(
            [
                *remedies(measured, "lost"),
                "Use `lost_outputs='warn'` to go on with this model all the same",
            ]
        ),
    )


def enforce_outputs(measured: Mapping[str, Any] | None) -> None:
    """Stop where an output is lost.

    Raises:
        CheckFailed: With the outputs, and what of them is lost.
    """
    error = None if measured is None else lost_outputs(measured)
    if error is not None:
        raise error
