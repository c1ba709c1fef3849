"""Numbers as text, rounded to the digits that their intervals leave meaningful.

What follows the sign ± is the wider side of the 95 % interval.
"""

from __future__ import annotations

from math import floor, log10
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def _interval(values: Sequence[float], unit: str = "", sign: str = "") -> str:
    value, low, high = values
    wider = max(high - value, value - low)
    # Two digits of an uncertainty are meaningful, and of the value as many decimals.
    digits = 2 if wider <= 0 else max(0, 1 - floor(log10(wider)))
    # The option z: a change that rounds to nothing is +0.0, not -0.0.
    return f"{value:{sign}z.{digits}f} ± {wider:.{digits}f}{unit}"


def percent(values: Mapping[str, Any], key: str) -> str:
    """Return a share and its interval in per cent; ``key``, ``key_low`` and ``key_high``."""
    return _interval([100 * values[name] for name in (key, f"{key}_low", f"{key}_high")], " %")


def points(values: Mapping[str, Any], key: str) -> str:
    """Return a drop in points and its interval as a change, with its sign."""
    # A drop is float minus int8; the column reads int8 against float.
    change = [-values[name] for name in (key, f"{key}_high", f"{key}_low")]
    return _interval(change, " points", "+")


def decimal(values: Mapping[str, Any], key: str) -> str:
    """Return a number and its interval."""
    return _interval([values[name] for name in (key, f"{key}_low", f"{key}_high")])
