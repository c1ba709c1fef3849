"""The results of evaluating one model on labelled examples, or two on the same ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quantline.files import plain
from quantline.report.table import change_text, decimal, percent, shown_metrics
from quantline.tables import html_table, size

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from quantline.metrics import Judgement
    from quantline.stats.noninferiority import Noninferiority


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """The results of a model for labelled examples, measured on the CPU.

    Attributes:
        name: The model.
        metrics: Each metric with its 95 % interval, as ``top1``, ``top1_low`` and ``top1_high``;
            the number of examples and classes, and the size of the ``.tflite`` file.
        latency_ms: The latency's median with its 10th and 90th percentile, and how it was measured;
            None where it was not.
        predictions: A row an example: id, label, prediction, label_rank, confidence, loss.
    """

    name: str
    metrics: dict[str, Any]
    latency_ms: dict[str, Any] | None
    predictions: pa.Table

    def to_dict(self) -> dict[str, Any]:
        """Return the metrics and the latency as plain JSON values."""
        return {"model": self.name, **self.metrics, "latency": self.latency_ms}

    def rows(self) -> list[tuple[str, str]]:
        """Return rows for people, a name and a text each."""
        return [
            *_metrics(self.metrics),
            ("size", size(self.metrics["size_bytes"])),
            *([] if self.latency_ms is None else [("latency, CPU", _latency(self.latency_ms))]),
        ]

    def __repr__(self) -> str:
        found = ", ".join(f"{name} {text}" for name, text in self.rows())
        return f"EvaluationResult({self.metrics['examples']} examples, {found})"

    def _repr_html_(self) -> str:
        return html_table(("", self.name), self.rows())


@dataclass(frozen=True, eq=False)
class ComparisonResult:
    """Two models on the same examples, measured on the CPU.

    Attributes:
        reference: The model that is compared with.
        candidate: The other one.
        change: ``agreement``, the share of equal predictions, and ``top1_drop_points``, reference
            minus candidate, each with ``_low`` and ``_high``; ``lost`` and ``won``, the examples
            that only the reference, or only the candidate, has right; ``size_ratio``, how many
            times smaller the candidate is, and ``speed_ratio``, where latency was measured.
        verdict: The verdict on whether it is no worse by the margin; None without a margin.
    """

    reference: EvaluationResult
    candidate: EvaluationResult
    change: dict[str, Any]
    verdict: Noninferiority | None
    judgements: Mapping[str, Judgement] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """True unless a margin was given and the candidate is not shown to keep it."""
        verdicts = [judgement.verdict for judgement in self.judgements.values()]
        if self.verdict is not None:
            verdicts.append(self.verdict.verdict)
        return all(verdict == "no worse" for verdict in verdicts)

    def to_dict(self) -> dict[str, Any]:
        """Return both models' metrics and what changes, as plain JSON values."""
        return plain(self, evidence="measured")

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return rows for people: a name, the reference, the candidate, the change."""
        change = self.change
        changes = {
            **{
                metric.label: change_text(change, metric)
                for metric in shown_metrics(self.reference.metrics)
            },
            "size": f"{change['size_ratio']:.2f}x smaller"
            if change["size_ratio"] >= 1
            else f"{1 / change['size_ratio']:.2f}x larger",
        }
        if "speed_ratio" in change:
            changes["latency, CPU"] = f"{change['speed_ratio']:.1f}x as fast"
        rows = [
            (name, first, second, changes.get(name, ""))
            for (name, first), (_, second) in zip(
                self.reference.rows(), self.candidate.rows(), strict=True
            )
        ]
        if "agreement" in change:
            rows.append(("same prediction", "", "", percent(change, "agreement")))
        return rows

    def __repr__(self) -> str:
        found = [f"{self.change['examples']} examples"]
        if "agreement" in self.change:
            found.append(f"same {percent(self.change, 'agreement')}")
        for metric in shown_metrics(self.reference.metrics)[:1]:
            found.append(f"{metric.label} {change_text(self.change, metric)}")
        found += [] if self.verdict is None else [self.verdict.verdict]
        found += [f"{name}: {item.verdict}" for name, item in self.judgements.items()]
        return f"ComparisonResult({', '.join(found)})"

    def _repr_html_(self) -> str:
        headings = ("", self.reference.name, self.candidate.name, "change")
        return html_table(headings, self.rows())


def _metrics(scores: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the label and the value with its interval of each metric that was scored."""
    return [
        (metric.label, (percent if metric.is_share else decimal)(scores, metric.name))
        for metric in shown_metrics(scores)
    ]


def _latency(times: Mapping[str, Any]) -> str:
    middle, low, high = (times[f"latency_ms_p{item}"] for item in (50, 10, 90))
    return f"{middle:.2g} ms [{low:.2g}, {high:.2g}]"
