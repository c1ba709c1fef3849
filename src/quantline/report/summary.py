"""The summary: what the report shows and what the registry will judge by."""

from __future__ import annotations

from typing import Any


def summarize(
    float_metrics: dict[str, Any],
    int8_metrics: dict[str, Any],
    comparison: dict[str, Any],
    latency: dict[str, Any],
    integer_only: dict[str, Any],
    edgetpu: dict[str, Any],
    gate: dict[str, Any],
) -> dict[str, Any]:
    """Put the stages' results together.

    Args:
        float_metrics: Scores and size of the float model.
        int8_metrics: Scores and size of the int8 model.
        comparison: What :func:`quantline.evaluation.compare` gave, and the size ratio.
        latency: What :func:`quantline.evaluation.measure` gave for both models.
        integer_only: The verdict of the validation.
        edgetpu: The Edge TPU report.
        gate: The verdict.

    Returns:
        The keys ``float``, ``int8``, ``comparison``, ``integer_only``, ``edgetpu`` and ``gate``;
        each value says by ``evidence`` whether it was measured, parsed or predicted.
    """
    times = latency["int8"]
    speed = {key: value for key, value in times.items() if key.startswith("speed_ratio")}
    compared = {key: value for key, value in comparison.items() if key != "per_class"}
    return {
        "float": {**float_metrics, **latency["float"]},
        "int8": {**int8_metrics, **{key: times[key] for key in times if key not in speed}},
        "comparison": {**compared, **speed},
        "integer_only": integer_only,
        "edgetpu": {
            "evidence": edgetpu["evidence"],
            "runtime_version": edgetpu["runtime_version"],
            "operators": edgetpu["operators_total"],
            "mapped_operators": edgetpu["mapped_operators"],
            "unknown_operators": edgetpu["unknown_operators"],
            "mapped_share": edgetpu["mapped_share"],
            "subgraphs": edgetpu["subgraphs"],
        },
        "gate": {
            "verdict": gate["verdict"],
            "passed": gate["verdict"] == "passed",
            "rules": len(gate["rules"]),
            "champion": gate["champion"],
            **{
                outcome: sum(each["outcome"] == outcome for each in gate["rules"])
                for outcome in ("failed", "undecided", "skipped")
            },
        },
    }
