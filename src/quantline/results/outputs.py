"""Schemas of the measurements of a quantized model's outputs."""

from __future__ import annotations

from typing import Literal

from quantline.results.fields import Count, Index, Many, Number, Part, Share, Some, Unsigned


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
    """The cause of an output's loss or noise: :class:`quantline.quantization.diagnosis.Cause`."""

    kind: str
    operator: str
    tensor: Index
    name: str
    layer: str | None
    share: Share
    found: str
    remedy: str


class MeasuredOutput(MeasuredTensor):
    """The distance at one output."""

    name: str
    verdict: Literal["lost", "noisy"] | None
    before: BeforeSquashing | None
    cause: Cause | None  # null where nothing is lost, or the models have no layer in common


class MeasuredOutputs(Part):
    """The outputs of a quantized model, measured beside those of the float model."""

    evidence: str
    kernels: str
    ran_on: Some[str]
    samples: Count
    outputs: Many[MeasuredOutput] | None  # null where nothing was compared
    reason: str | None  # why not
