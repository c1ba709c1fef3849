"""Schemas of the gate, the summary, the release and the champion."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from quantline.results.checks import IntegerOnly
from quantline.results.fields import Count, Many, Part, Positive, Share, Some, Unsigned

Decision = Literal["passed", "refused", "undecided"]
Outcome = Literal["passed", "failed", "undecided", "skipped"]
Version = Annotated[int, Field(ge=0, lt=2**63)]


class Rule(Part):
    """One rule: :class:`quantline.release.gate.row.Row`."""

    rule: str
    outcome: Outcome
    why: str
    evidence: str | None = None
    examples_needed: Count | None = None


class Change(Part):
    """The change from another model."""

    examples: Count
    lost: Many[str]  # ids of the examples that only the other has right
    won: Many[str]


class TensorDrift(Part):
    """By how much the range of one tensor moved, int8 steps."""

    name: str
    min_steps: float
    max_steps: float


class RangeDrift(Part):
    """The distance of the ranges from the champion's, or ``why`` it is not known."""

    tensors: Many[TensorDrift] | None
    why: str | None

    @model_validator(mode="after")
    def _check_why(self) -> RangeDrift:
        if self.tensors is None and self.why is None:
            raise ValueError("'tensors', or 'why' there are none")
        return self


class Gate(Part):
    """``gate.json``."""

    verdict: Decision
    reasons: Many[str]
    examples_needed: Count | None
    advice: Many[str] = Field(default=[])  # what may help, besides more examples
    champion: str | None
    model: str  # the registered model that the candidate is for
    champion_version: Version | None
    confidence: Share
    rules: Some[Rule]
    changes: dict[str, Change | None]
    range_drift: RangeDrift | None


class GateSummary(Part):
    """The gate in few numbers."""

    verdict: Decision
    passed: bool
    rules: Count
    champion: str | None
    failed: Count
    undecided: Count
    skipped: Count


class Summary(Part):
    """``summary.json``: every number in it becomes a metric of the MLflow run."""

    first: dict[str, Any] = Field(alias="float")
    int8: dict[str, Any]
    comparison: dict[str, Any]
    outputs: dict[str, Any] | None = None  # older summaries have none
    integer_only: IntegerOnly
    edgetpu: dict[str, Any]
    gate: GateSummary


class KeyFigures(Part):
    """``key_figures.json``; with it the task's first metric, where examples have labels."""

    agreement: Share | None = None
    int8_size_bytes: Count
    size_ratio: Positive
    int8_latency_ms_p50: Unsigned
    speed_ratio: Positive
    float_operators: Count
    edgetpu_mapped_share: Share
    edgetpu_latency_ms_high: Unsigned
    gate_passed: bool


class Released(Part):
    """``release.json``."""

    outcome: Literal["promoted", "waiting", "superseded", "unchanged", "refused"]
    verdict: Decision
    why: Many[str]  # each rule that did not pass
    advice: Many[str] = Field(default=[])  # what may help, besides more examples
    model: str
    version: Version | None  # null where none was registered
    run_id: str
    release_id: str


class ChampionFile(Part):
    """``champion.json``: the registered version whose files lie next to it; null without one."""

    model: str
    version: Version | None
