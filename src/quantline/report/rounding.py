"""Numbers as text, with the digits that their intervals leave meaningful, and no more."""

from __future__ import annotations

from math import floor, log10
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def _digits(low: float, high: float) -> int:
    """Return the decimals that show two digits of an interval's half width, and no more."""
    half = (high - low) / 2
    return 2 if half <= 0 else max(0, 1 - floor(log10(half)))


def _interval(values: Sequence[float], unit: str = "", sign: str = "") -> str:
    value, low, high = values
    digits = _digits(low, high)
    return f"{value:{sign}.{digits}f}{unit} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


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
