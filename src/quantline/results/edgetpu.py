"""Schemas of the reports on a model on the Edge TPU."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from quantline.results.fields import Count, Many, Part, Share, Unsigned, require, require_ordered
from quantline.results.scores import Scores


class Memory(Part):
    """The parameters on the chip, bytes: :class:`quantline.edgetpu.cost.memory.Memory`.

    The first, the fourth and the fifth are null where the bounds are too far apart.
    """

    parameter_bytes: Count | None
    parameter_bytes_low: Count
    parameter_bytes_high: Count
    cached_bytes: Count | None
    streamed_bytes: Count | None
    verdict: str
    evidence: str


class EdgeTpuReport(Part):
    """``edgetpu.json``: where each operator runs."""

    evidence: str
    runtime_version: Count
    operators_total: Count
    mapped_operators: Count
    unknown_operators: Count
    mapped_share: Share
    mapped_share_macs: Share | None
    subgraphs: Count
    memory: Memory


class CpuTime(Part):
    """The time that the operators on the CPU take."""

    cpu_ms: Unsigned | None  # null where they were not timed
    evidence: str | None


class EdgeTpuLatency(Part):
    """``edgetpu_latency.json``, milliseconds; null where nothing tells."""

    evidence: str
    low: Unsigned | None
    high: Unsigned | None
    cpu: CpuTime


class CompiledModel(Part):
    """The compiler's report on one model."""

    operators_total: Annotated[int, Field(gt=0, le=2**31)]
    mapped_operators: Count
    subgraphs: Count


class Misses(Part):
    """The prediction, and what the compiler did."""

    misses: Many[dict[str, object]]


class CompiledWork(Part):
    """The share of the work that is on the chip."""

    mapped_share_macs: Share | None


class EdgeTpuCompilation(Part):
    """``edgetpu_compilation.json``: the last five where the model was compiled, else ``why``."""

    compiled: bool
    evidence: str | None
    why: str | None
    models: Annotated[list[CompiledModel], Field(min_length=1, max_length=1)] | None = None
    memory: Memory | None = None
    comparison: Misses | None = None
    work: CompiledWork | None = None

    @model_validator(mode="after")
    def _check_compiled(self) -> EdgeTpuCompilation:
        if self.compiled:
            require(self, "evidence", "models", "memory", "comparison", "work")
        return self


class DeviceTimes(Part):
    """The time that the device takes, milliseconds."""

    evidence: str
    latency_ms_p10: Unsigned
    latency_ms_p50: Unsigned
    latency_ms_p90: Unsigned

    @model_validator(mode="after")
    def _check_order(self) -> DeviceTimes:
        require_ordered(self, "latency_ms_p10", "latency_ms_p50", "latency_ms_p90")
        return self


class OutputAgreement(Part):
    """The difference of the device's values of one output from the CPU's."""

    equal_share: Share
    steps_max: Count
    top1_agreement: Share | None


class EdgeTpuRun(Part):
    """``edgetpu_run.json``: the last four where the model ran, else ``why``."""

    ran: bool
    evidence: str | None
    why: str | None
    devices: Many[dict[str, object]]
    device: str | None = None
    latency: DeviceTimes | None = None
    agreements: Many[OutputAgreement] | None = None
    metrics: Scores | None = None

    @model_validator(mode="after")
    def _check_ran(self) -> EdgeTpuRun:
        if self.ran:
            require(self, "evidence", "device", "latency", "agreements", "metrics")
            first = self.agreements[0] if self.agreements else None
            if self.metrics is not None and self.metrics.labelled_examples:
                if first is None or first.top1_agreement is None:
                    raise ValueError("the share of examples with the CPU's top-1 in 'agreements'")
        return self
