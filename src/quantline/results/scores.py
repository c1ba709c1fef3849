"""Schemas of the measurements of models: scores, comparisons, latency, outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from pydantic import Field, create_model, model_validator

from quantline.metrics import METRICS
from quantline.recipe import SchemeName
from quantline.results.examples import LintFinding
from quantline.results.fields import (
    Count,
    Index,
    Many,
    Number,
    Part,
    Positive,
    Share,
    Some,
    Unsigned,
    Whole,
    require,
    require_ordered,
)

CLASSIFICATION = "classification"
_SCORED = {name: metric for name, metric in METRICS.items() if metric.score is not None}


class Figures(Part):
    """The distance of a quantized model from the float model, at an output or a channel of one."""

    rms_error: Unsigned | None
    relative_error: Unsigned | None  # the root of the mean squared error over that of the values
    error_to_variation: Unsigned | None  # over the standard deviation of the values
    largest_error: Unsigned | None
    rms_error_steps: Unsigned | None  # null where the output is not quantized
    largest_error_steps: Unsigned | None
    sqnr_db: Number | None  # null without an error, or without a signal


class ChannelFigures(Figures):
    """The figures of one channel: a place on an output's last axis."""

    channel: Index


class OutputLoss(Part):
    """The loss of an output: :class:`quantline.quantization.output_loss.Loss`."""

    verdict: Literal["lost", "noisy"] | None
    varying_channels: Count
    constant_channels: Count
    saturated_channels: Count
    noisy_channels: Count
    first_lost: Many[Index]
    constant: bool
    not_finite: bool
    lost_parts: Many[str]
    noisy_parts: Many[str]


class MeasuredTensor(Figures):
    """The distance at one tensor."""

    dtype: str
    channels: Count
    float_tensor: Index
    worst_channel: ChannelFigures | None
    loss: OutputLoss


class BeforeSquashing(MeasuredTensor):
    """The distance at what an output's SOFTMAX or other squashing function is given."""

    operator: str


class Cause(Part):
    """The cause of an output's loss or noise.

    Its kind is ``join``, ``mask``, ``constant``, ``channels``, ``steep``, ``rounding`` or
    ``outliers``; ``layer`` where one layer is at fault and nothing more is known, ``many`` where
    none is.
    """

    kind: str
    operator: str  # the type of the operator that is named
    tensor: Index  # its output in the float model
    name: str  # that tensor's
    layer: str | None  # of the original model, read from the name
    share: Share  # of the loss that this layer's error alone makes; measured
    found: str  # the rest of a sentence
    remedy: str


class MeasuredOutput(MeasuredTensor):
    """The distance at one output."""

    name: str
    verdict: Literal["lost", "noisy"] | None
    before: BeforeSquashing | None
    cause: Cause | None  # null where nothing is lost, or the models have no layer in common


class MeasuredOutputs(Part):
    """The outputs of a quantized model, compared with those of the float model."""

    evidence: str
    kernels: str
    ran_on: Some[str]
    samples: Count
    outputs: Many[MeasuredOutput] | None  # null where nothing was compared
    reason: str | None  # why not

    def __repr__(self) -> str:
        found = self.outputs or ()
        ratios = [output.sqnr_db for output in found if output.sqnr_db is not None]
        worst = f", worst {min(ratios):.1f} dB" if ratios else ""
        verdicts = "".join(f", '{output.name}' {output.verdict}" for output in found
                           if output.verdict is not None)  # fmt: skip
        return f"MeasuredOutputs({len(found)} outputs, {self.samples} samples{worst}{verdicts})"

    __str__ = __repr__


if TYPE_CHECKING:
    Scored: TypeAlias = Part
else:
    Scored = create_model(
        "Scored",
        __base__=Part,
        **{
            f"{name}{end}": ((Share if metric.is_share else Number) | None, None)
            for name, metric in _SCORED.items()
            for end in ("", "_low", "_high")
        },
    )


class Scores(Scored):
    """The scores of one model; without labelled examples there are none but the counts.

    It has three fields for each metric in ``quantline.metrics`` that has a score.
    """

    task: str = CLASSIFICATION
    examples: Count
    labelled_examples: Count
    classes: Count | None = None

    @model_validator(mode="after")
    def _check_labelled(self) -> Scores:
        if self.task != CLASSIFICATION:
            return self
        if self.classes is None:
            raise ValueError("'classes' of a classifier")
        for name, metric in _SCORED.items():
            if self.labelled_examples and self.classes >= metric.least_classes:
                require(self, name, f"{name}_low", f"{name}_high")
                require_ordered(self, f"{name}_low", name, f"{name}_high")
            elif getattr(self, name) is not None:
                raise ValueError(f"no '{name}' with {self.labelled_examples} labelled examples of "
                                 f"{self.classes} classes")  # fmt: skip
        return self


class Metrics(Scores):
    """``float_metrics.json`` and ``int8_metrics.json``."""

    size_bytes: Count = Field(gt=0)
    evidence: str
    findings: Many[LintFinding] = Field(default_factory=list)  # such as a model at chance level


class ComparedMetrics(Metrics):
    """The metrics of a scheme that is compared with others."""

    operators: Count
    float_operators: Count


class ClassShares(Part):
    """The accuracy of both models on one class."""

    label: Whole = Field(alias="class")
    examples: Count
    float_top1: Share
    int8_top1: Share


class Comparison(Part):
    """``comparison.json``."""

    examples: Count
    agreement: Share | None = None  # of classifiers
    agreement_low: Share | None = None
    agreement_high: Share | None = None
    size_ratio: Positive
    per_class: Many[ClassShares]
    evidence: str
    top1_drop_points: Number | None = None  # float minus int8, in percentage points
    top1_drop_points_low: Number | None = None
    top1_drop_points_high: Number | None = None
    lost: Count | None = None  # examples that only float has right
    won: Count | None = None

    @model_validator(mode="after")
    def _check_drop(self) -> Comparison:
        drop = ("top1_drop_points", "top1_drop_points_low", "top1_drop_points_high")
        if self.per_class or any(getattr(self, name) is not None for name in drop):
            require(self, *drop, "lost", "won")
        return self


class Times(Part):
    """The latency of one model."""

    latency_ms_p10: Unsigned
    latency_ms_p50: Unsigned
    latency_ms_p90: Unsigned
    latency_ms_min: Unsigned

    @model_validator(mode="after")
    def _check_order(self) -> Times:
        require_ordered(self, "latency_ms_p10", "latency_ms_p50", "latency_ms_p90")
        return self


class FasterTimes(Times):
    """The latency of a model that was timed by turns with another."""

    speed_ratio: Positive  # how many times as fast as the other
    speed_ratio_low: Positive
    speed_ratio_high: Positive


class Timed(Part):
    """The keys that every measurement of latency has."""

    evidence: str
    runs: Count
    warmup: Count
    threads: Count | None


class FloatLatency(Timed):
    """``float_latency.json``."""

    first: Times = Field(alias="float")


class Latency(Timed):
    """``latency.json``."""

    first: Times = Field(alias="float")
    int8: FasterTimes


class ChampionLatency(Part):
    """``champion_latency.json``: the same with the champion; nothing where there is none."""

    champion: Times | None = None
    int8: FasterTimes | None = None

    @model_validator(mode="after")
    def _check_both(self) -> ChampionLatency:
        if (self.champion is None) != (self.int8 is None):
            raise ValueError("the times of both the champion and the candidate, or of neither")
        return self


if TYPE_CHECKING:
    ComparedLatency: TypeAlias = Timed
else:
    ComparedLatency = create_model(  # compare_latency.json; every scheme's times by its name
        "ComparedLatency",
        __base__=FloatLatency,
        **dict.fromkeys(get_args(SchemeName), (FasterTimes, ...)),
    )


class Compared(Part):
    """``compare.json``."""

    evidence: str
    schemes: dict[str, Any]
