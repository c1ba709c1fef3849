"""Descriptions and checks of differences between an import and the original."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantline.errors import MismatchError, first_few
from quantline.tflite import read
from quantline.tflite.graph import parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Outputs = list[dict[str, "np.ndarray"]]
# The distance from 1 to the next number of a type.
_SPACING = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
_MOST_SPACINGS = 32


def widening(path: str, types: Sequence[str], narrow: Outputs, wide: Outputs) -> str:
    """Check a model that was rebuilt in float32 against the original, and describe the change.

    Each operator of the original rounds its result by up to half a spacing of its type, and the
    rebuilt model does not; errors of many operators, as independent as these, grow with the square
    root of their number. Thirty-two spacings are those of some thousand.
    """
    allowed = _MOST_SPACINGS * max(_SPACING[kind] for kind in types)
    worst = max(_difference(narrow, wide, name) for name in wide[0])
    if not worst <= allowed:
        raise MismatchError(
            f"'{path}', rebuilt in float32, and the original in {' and '.join(types)} disagree",
            found=f"outputs that differ by up to {worst:.3g} of the largest value",
            expected=f"at most {allowed:.3g}, which rounding explains",
            remedy="The original overflows or depends on its own rounding: save it with the "
            "dtype policy 'float32', and check what it computes there",
        )
    return (
        f"computed in float32 instead of {' and '.join(types)}: outputs differ by up to "
        f"{worst:.1g} of the largest value (measured)"
    )


def unrolling(layers: Sequence[str], content: bytes) -> str:
    """Describe recurrent layers that were written out step by step.

    Args:
        layers: Their names.
        content: The float ``.tflite`` file's bytes.
    """
    weights = sum(
        0 if buffer.data is None else len(buffer.data) for buffer in parse(content).buffers
    )
    names = first_few([f"'{name}'" for name in layers], 3)
    return (
        f"{names} written out step by step, as no integer kernel runs a loop: "
        f"{len(read(content).main.operators)} operators, {len(content) / 1024:.1f} KiB of which "
        f"{weights / 1024:.1f} KiB are constants (parsed)"
    )


def _difference(narrow: Sequence[Mapping[str, np.ndarray]], wide: Outputs, name: str) -> float:
    """Return the largest difference of an output, as a share of its largest magnitude."""
    pairs = [(before[name].astype(np.float64), after[name].astype(np.float64))
             for before, after in zip(narrow, wide, strict=True)]  # fmt: skip
    largest = max(float(np.abs(before).max(initial=0)) for before, _ in pairs)
    with np.errstate(invalid="ignore"):
        return float(
            np.max([np.abs(before - after).max(initial=0) for before, after in pairs])
        ) / max(largest, 1e-12)
