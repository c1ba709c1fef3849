"""The few numbers by which people compare runs, such as in the table of ``dvc exp show``."""

from __future__ import annotations

from typing import Any

# Each figure's place in the summary. What a run does not have, such as accuracy without labels, is
# left out.
_PLACES = {
    "float_top1": ("float", "top1"),
    "int8_top1": ("int8", "top1"),
    "top1_drop_points": ("comparison", "top1_drop_points"),
    "agreement": ("comparison", "agreement"),
    "int8_size_bytes": ("int8", "size_bytes"),
    "size_ratio": ("comparison", "size_ratio"),
    "int8_latency_ms_p50": ("int8", "latency_ms_p50"),
    "speed_ratio": ("comparison", "speed_ratio"),
    "float_operators": ("integer_only", "float_operators"),
    "edgetpu_mapped_share": ("edgetpu", "mapped_share"),
    "edgetpu_latency_ms_high": ("edgetpu", "latency_ms_high"),
    "gate_passed": ("gate", "passed"),
}


def key_figures(summary: dict[str, Any]) -> dict[str, float | bool]:
    """Return the key figures of a summary; none lies deeper than the top level.

    Args:
        summary: What :func:`quantline.report.summarize` gave. How it knows each number, measured,
            parsed or predicted, it says itself.
    """
    found = {name: summary[part].get(key) for name, (part, key) in _PLACES.items()}
    return {name: value for name, value in found.items() if value is not None}
