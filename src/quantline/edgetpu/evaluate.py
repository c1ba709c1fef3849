"""The report on a model for the Edge TPU: mapping, memory, latency and suggestions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from quantline.edgetpu.advice.suggest import Suggestion, suggest
from quantline.edgetpu.compiled.match import Match, match
from quantline.edgetpu.compiled.read import CompiledPrograms, read_compiled
from quantline.edgetpu.cost.latency import Band, latency_of_compiled, predict_latency
from quantline.edgetpu.cost.memory import Memory, memory_of_compiled, predict_memory
from quantline.edgetpu.cost.remainder import Remainder, measure_remainder, not_measured
from quantline.edgetpu.cost.rules import Part, Sum, total
from quantline.edgetpu.cost.work import macs, share_of_macs, share_on_edgetpu
from quantline.edgetpu.mapping.operators import NEWEST_RUNTIME
from quantline.edgetpu.mapping.verdict import MappingReport, predict
from quantline.edgetpu.vocabulary import Evidence, Placement
from quantline.files import plain
from quantline.tflite.graph import Graph, read

NOT_PREDICTED = (
    "whether the compiler refuses the model for large activations, or ends in an internal error",
    "what a search for a smaller part to compile ('--search_delegate') would find",
    "small layers that the compiler now and then streams though there is room",
    "how the chip slows down when it gets hot, and what a slow host or USB 2 adds",
    "the outputs to the last step: on the chip they may differ from the CPU's by some",
)


@dataclass(frozen=True)
class EdgeTpuReport:
    """The report on a model for the Edge TPU."""

    report: MappingReport  # the place of each operator
    memory: Memory
    band: Band | None  # the latency on the chip; None if unknown
    remainder: Remainder  # the latency of the rest on the CPU
    macs: dict[int, int | None]  # by operator index; None inside of a compiled group
    parameter_bytes: dict[int, Sum]  # bytes on the chip by operator index, for what runs there
    parameter_parts: dict[int, list[Part]]  # by operator index; none where they are parsed
    mapped_share_macs: float | None  # from 0 to 1; None inside of a compiled group
    suggestions: tuple[Suggestion, ...]  # changes that put more on it, the worst obstacle first
    evidence: Evidence  # the basis of mapping and memory
    not_predicted: tuple[str, ...]  # effects outside of the prediction, as clauses
    compiled: CompiledPrograms | None = None  # the programs of a compiled model
    placed: Match | None = None  # of each operator of a compiled model's original, if given

    def __repr__(self) -> str:
        mapped = f"{self.report.mapped_operators} of {self.report.operators_total} operators mapped"
        latency = self.latency_ms()
        band = "unknown" if latency["low"] is None else f"from {latency['low']:.2g} ms"
        return f"EdgeTpuPrediction({mapped}, {self.evidence}, latency {band})"

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data, ready for JSON."""
        operators = [
            plain(operator, evidence=self.evidence, macs=self.macs[operator.index])
            | self._parameters(operator.index)
            for operator in self.report.operators
        ]
        return {
            **self.report.to_dict(),
            "evidence": str(self.evidence),
            "latency_ms": self.latency_ms(),
            "mapped_share_macs": self.mapped_share_macs,
            "memory": self.memory.to_dict(),
            "not_predicted": list(self.not_predicted),
            "operators": operators,
            "suggestions": [suggestion.to_dict() for suggestion in self.suggestions],
        }

    def _parameters(self, index: int) -> dict[str, Any]:
        size, parts = self.parameter_bytes.get(index), self.parameter_parts.get(index, ())
        return {
            "parameter_bytes": size.bytes if size else None,
            "parameter_bytes_high": size.high if size else None,
            "parameter_bytes_low": size.low if size else None,
            "parameter_rules": [part.to_dict() for part in parts],
        }

    def latency_ms(self) -> dict[str, Any]:
        """Return the latency as plain data: the chip's band, the CPU's share, and both together.

        ``high`` is None where the CPU's share was not timed, and both are where the chip's is not
        known.
        """
        cpu = self.remainder.to_dict()
        if not self.remainder.operators:
            cpu["evidence"] = str(self.evidence)  # that nothing stays on the CPU was not timed
        unknown = (
            "The compiled file holds no estimate of cycles, as those for runtime 14 do not; "
            "what it was compiled from would tell."
        )
        low = high = None
        if self.band:
            timed = self.remainder.milliseconds
            low = self.band.low + (timed[0] if timed else 0.0)
            high = self.band.high + timed[2] if timed else None
        return {
            "basis": self.band.basis if self.band else unknown,
            "cpu": cpu,
            "edgetpu_high": self.band.high if self.band else None,
            "edgetpu_low": self.band.low if self.band else None,
            "evidence": str(Evidence.PREDICTED),
            "high": high,
            "low": low,
        }


def evaluate(
    model: bytes,
    runtime_version: int = NEWEST_RUNTIME,
    multiple_subgraphs: bool = False,
    measure_cpu: bool = True,
    name: str = "the model",
    original: Graph | None = None,
) -> EdgeTpuReport:
    """Evaluate a model for the Edge TPU, from its file, before or after compilation.

    Of a compiled model, mapping and memory are parsed; of another, all is predicted. Operators of
    unknown mapping count as on the CPU. The CPU's share is timed here, in a child process.

    Args:
        model: The ``.tflite`` file's bytes.
        runtime_version: The Edge TPU runtime to compile for, 10 to 14.
        multiple_subgraphs: True as with ``--enable_multiple_subgraphs``.
        measure_cpu: True to time the operators that stay on the CPU.
        name: The model's name in an error.
        original: The original of a compiled model: from it come the work on the chip and, where the
            compiled file holds no estimate of cycles, the latency.

    Raises:
        MismatchError: The model was not compiled from ``original``.
        ModelUnreadable: The bytes are not a whole model, or its Edge TPU program is damaged.
        ModelError: There are no bytes.
        ParameterError: There is no such runtime version.
    """
    graph = read(model, name)
    # It may be refused, and the rest takes long.
    placed = None if original is None else match(original, graph)
    report = predict(graph, runtime_version, multiple_subgraphs)
    left = report.indices(Placement.CPU, Placement.UNKNOWN)
    unmeasured = not_measured(left, "Not asked for.")
    remainder = measure_remainder(model, left) if measure_cpu else unmeasured
    compiled = read_compiled(graph, name)
    if compiled.subgraphs:
        found = _of_compiled(report, compiled, remainder)
        return _with_original(found, original, placed) if original and placed else found
    return _predicted(graph, report, remainder, multiple_subgraphs)


def _predicted(
    graph: Graph, report: MappingReport, remainder: Remainder, multiple_subgraphs: bool
) -> EdgeTpuReport:
    main = graph.main
    mapped = set(report.indices(Placement.EDGETPU))
    dead = report.indices(Placement.DEAD)
    memory, parts = predict_memory(main, mapped, report.runtime_version)
    live = [operator for operator in main.operators if operator.index not in dead]
    share = share_of_macs([main.operators[index] for index in mapped], live, main.tensors)
    return EdgeTpuReport(
        report=report,
        memory=memory,
        band=predict_latency(main, mapped, memory, report.subgraphs),
        remainder=remainder,
        macs={operator.index: macs(operator, main.tensors) for operator in main.operators},
        parameter_bytes={index: total(part) for index, part in parts.items()},
        parameter_parts=parts,
        mapped_share_macs=share,
        suggestions=suggest(graph, report.runtime_version, multiple_subgraphs),
        evidence=Evidence.PREDICTED,
        not_predicted=NOT_PREDICTED,
    )


def _with_original(found: EdgeTpuReport, original: Graph, placed: Match) -> EdgeTpuReport:
    """Add latency and work from the original of a compiled model."""
    chosen, subgraphs = set(placed.edgetpu), len(placed.subgraphs)
    band = found.band or predict_latency(original.main, chosen, found.memory, subgraphs)
    share = share_on_edgetpu(placed, original)
    return replace(found, band=band, mapped_share_macs=share, placed=placed)


def _of_compiled(
    report: MappingReport, compiled: CompiledPrograms, remainder: Remainder
) -> EdgeTpuReport:
    if compiled.min_runtime_version is not None:
        report = replace(report, runtime_version=compiled.min_runtime_version)
    memory = memory_of_compiled(compiled)
    programs = {subgraph.operator.index: subgraph.package for subgraph in compiled.subgraphs}
    return EdgeTpuReport(
        report=report,
        memory=memory,
        band=latency_of_compiled(compiled, memory),
        remainder=remainder,
        macs={operator.index: None for operator in report.operators},
        parameter_bytes={
            index: Sum.of(package.cached_bytes + package.streamed_bytes)
            for index, package in programs.items()
        },
        parameter_parts={},
        mapped_share_macs=None,
        suggestions=(),
        evidence=Evidence.PARSED,
        not_predicted=NOT_PREDICTED[-2:],
        compiled=compiled,
    )
