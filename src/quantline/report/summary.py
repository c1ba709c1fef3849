"""The summary of a run's results, as values and as a picture."""

from __future__ import annotations

import io
import math
from typing import Any

from quantline.errors import ResultMissing
from quantline.report.table import change_text, shown_metrics


def summarize(
    float_metrics: dict[str, Any],
    int8_metrics: dict[str, Any],
    comparison: dict[str, Any],
    latency: dict[str, Any],
    integer_only: dict[str, Any],
    edgetpu: dict[str, dict[str, Any]],
    gate: dict[str, Any],
    recipe: dict[str, Any],
) -> dict[str, Any]:
    """Put the stages' results together.

    Returns:
        The keys ``float``, ``int8``, ``comparison``, ``outputs``, ``integer_only``, ``edgetpu`` and
        ``gate``; each value says by ``evidence`` whether it was measured, read, parsed or
        predicted, and ``edgetpu`` by ``memory_evidence`` and ``latency_evidence`` too.
    """
    _check_same_examples(float_metrics, int8_metrics, comparison)
    times = latency["int8"]
    speed = {key: value for key, value in times.items() if key.startswith("speed_ratio")}
    compared = {key: value for key, value in comparison.items() if key != "per_class"}
    return {
        "float": {**float_metrics, **latency["float"]},
        "int8": {**int8_metrics, **{key: times[key] for key in times if key not in speed}},
        "comparison": {**compared, **speed},
        "outputs": _outputs(recipe.get("measured")),
        "integer_only": integer_only,
        "edgetpu": _edgetpu(**edgetpu),
        "gate": {
            "verdict": gate["verdict"],
            "passed": gate["verdict"] == "passed",
            "rules": len(gate["rules"]),
            "champion": gate["champion"],
            **{
                outcome: sum(rule["outcome"] == outcome for rule in gate["rules"])
                for outcome in ("failed", "undecided", "skipped")
            },
        },
    }


def _outputs(measured: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the figures of the output that is furthest from the float model's."""
    if measured is None or not measured["outputs"]:
        return None
    compared = [output["before"] or output for output in measured["outputs"]]
    names = [output["name"] for output in measured["outputs"]]
    ratios = [math.inf if output["sqnr_db"] is None else output["sqnr_db"] for output in compared]
    at = ratios.index(min(ratios))
    worst = compared[at]["worst_channel"] or {}
    return {
        "evidence": measured["evidence"],
        "samples": measured["samples"],
        "output": names[at],
        "before": compared[at].get("operator"),
        "relative_error": compared[at]["relative_error"],
        "sqnr_db": compared[at]["sqnr_db"],
        "worst_channel": worst.get("channel"),
        "worst_channel_sqnr_db": worst.get("sqnr_db"),
    }


def _check_same_examples(
    float_metrics: dict[str, Any], int8_metrics: dict[str, Any], comparison: dict[str, Any]
) -> None:
    counts = [result.get("examples") for result in (float_metrics, int8_metrics, comparison)]
    first, second = (
        [metric.name for metric in shown_metrics(scores)]
        for scores in (float_metrics, int8_metrics)
    )
    unpaired = "top1" in first and "top1_drop_points" not in comparison
    if first != second or unpaired or len(set(counts)) > 1:
        raise ResultMissing(
            "The scores of the two models, and their comparison, are not of the same examples",
            found=f"{counts[0]}, {counts[1]} and {counts[2]} examples"
            + ("" if first == second and not unpaired else ", some with labels and some without"),
            expected="the same examples with the same labels",
            remedy="Run the pipeline with `from_nodes=predict_float,predict_int8`",
        )


_MAPPING = ("evidence", "runtime_version", "mapped_operators", "unknown_operators", "mapped_share",
            "mapped_share_macs", "subgraphs")  # fmt: skip
_SIZES = ("parameter_bytes", "parameter_bytes_low", "parameter_bytes_high", "cached_bytes",
          "streamed_bytes")  # fmt: skip


def _edgetpu(
    report: dict[str, Any],
    latency: dict[str, Any],
    compilation: dict[str, Any],
    run: dict[str, Any],
) -> dict[str, Any]:
    compiled = compilation["compiled"]
    # What the compiler did replaces what was predicted of it.
    memory = compilation["memory"] if compiled else report["memory"]
    values = {
        **{name: report[name] for name in _MAPPING},
        "operators": report["operators_total"],
        **{name: memory[name] for name in _SIZES},
        "memory": memory["verdict"],
        "memory_evidence": memory["evidence"],
        "latency_ms_low": latency["low"],
        "latency_ms_high": latency["high"],
        "latency_evidence": latency["evidence"],
        "cpu_ms": latency["cpu"]["cpu_ms"],
        "compiled": compiled,
        "ran": run["ran"],
    }
    if compiled:
        (model,) = compilation["models"]
        values |= {
            "evidence": compilation["evidence"],
            "operators": model["operators_total"],
            "mapped_operators": model["mapped_operators"],
            "unknown_operators": 0,
            "mapped_share": model["mapped_operators"] / model["operators_total"],
            "mapped_share_macs": compilation["work"]["mapped_share_macs"],
            "subgraphs": model["subgraphs"],
            "predicted_wrongly": len(compilation["comparison"]["misses"]),
        }
    if run["ran"]:
        measured = {**run["latency"], **run["metrics"]}
        values |= {
            "latency_evidence": measured.pop("evidence"),
            **measured,
            "device": run["device"],
        }
        values |= {
            key: value
            for agreement in run["agreements"][:1]
            for key, value in agreement.items()
            if key in {"equal_share", "steps_max", "top1_agreement"}
        }
    return values


# Each figure's place in the summary. What a run does not have, such as accuracy without labels, is
# left out.
_PLACES = {
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
    """Return the key figures of a summary, the task's first metric among them; all on one level."""
    places = dict(_PLACES)
    for metric in shown_metrics(summary["float"])[:1]:
        places |= {f"{part}_{metric.name}": (part, metric.name) for part in ("float", "int8")}
        changes = (f"{metric.name}_drop_points", f"{metric.name}_change")
        places |= {key: ("comparison", key) for key in changes}
    found = {name: summary[part].get(key) for name, (part, key) in places.items()}
    return {name: value for name, value in found.items() if value is not None}


_COLORS = ("#8a8f98", "#1f77b4")


def draw_summary(summary: dict[str, Any]) -> bytes:
    """Draw accuracy, size and latency of both models side by side; return a PNG file's bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    accuracy, size, latency = figure.subplots(1, 3)
    models = [summary["float"], summary["int8"]]
    change = summary["comparison"]

    for metric in shown_metrics(models[0])[:1]:
        scale = 100 if metric.is_share else 1
        for place, values in enumerate(models):
            keys = (metric.name, f"{metric.name}_low", f"{metric.name}_high")
            value, low, high = (scale * values[key] for key in keys)
            accuracy.errorbar(
                place, value, [[value - low], [high - value]], fmt="o", capsize=6, ms=8,
                color=_COLORS[place],
            )  # fmt: skip
        unit = ", %" if metric.is_share else ""
        accuracy.set(xlim=(-0.6, 1.6), ylabel=f"{metric.label}{unit}, with 95 % interval")
        accuracy.set_title(change_text(change, metric), fontsize=10)
        break
    else:
        accuracy.set_title("no labels: no accuracy", fontsize=10)
    size.bar([0, 1], [values["size_bytes"] / 2**10 for values in models], color=_COLORS)
    size.set(ylabel="size, KiB")
    size.set_title(f"{change['size_ratio']:.1f}x smaller", fontsize=10)
    middles = [values["latency_ms_p50"] for values in models]
    spreads = [
        [values["latency_ms_p50"] - values["latency_ms_p10"] for values in models],
        [values["latency_ms_p90"] - values["latency_ms_p50"] for values in models],
    ]
    latency.bar([0, 1], middles, yerr=spreads, capsize=6, color=_COLORS)
    latency.set(ylabel="CPU latency, ms, p10 to p90")
    latency.set_title(f"{change['speed_ratio']:.1f}x as fast", fontsize=10)
    for axes in (accuracy, size, latency):
        axes.set_xticks([0, 1], ["float", "int8"])
        axes.spines[["top", "right"]].set_visible(False)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
