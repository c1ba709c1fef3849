"""Schemas of the reports of checks of a model."""

from __future__ import annotations

from typing import Any, Literal

from quantline.results.fields import Count, Index, Many, Part, Share, Some


class Finding(Part):
    """One thing found in a model: :class:`quantline.contract.Finding`."""

    rule: str
    severity: Literal["integer_only", "specification", "target", "note"]
    subgraph: Index
    operator: Index | None
    type: str
    tensor: Index | None
    name: str
    layer: str | None
    found: str
    expected: str
    remedy: str | None = None
    effect_steps: float | None = None


class Preflight(Part):
    """``preflight.json``."""

    evidence: str
    findings: Many[Finding]


class Target(Part):
    """A target, and whether its contract is kept."""

    name: str
    holds: bool


class Verdict(Part):
    """The keys that both reports on a converted model have."""

    evidence: str
    integer_only: bool
    specification: bool
    held_to: Literal["int8", "uint8", "none"] = "int8"
    target: Target | None
    operators: Count
    float_operators: Count
    tensors: Count
    integer_tensors: Count
    input_types: Many[str]
    output_types: Many[str]
    findings_by_severity: dict[str, Count]


class CheckReport(Part):
    """The findings of a check, as :class:`quantline.contract.Report` is read from it."""

    integer_only: bool
    specification: bool
    held_to: Literal["int8", "uint8", "none"] = "int8"
    target: Target | None
    operators: Count
    tensors: Count
    integer_tensors: Count
    interface: Many[Index]
    input_types: Many[str]
    output_types: Many[str]
    findings: Many[Finding]


class Validation(CheckReport, Verdict):
    """``validation.json``."""

    promised: bool  # whether the scheme promises integers only


class IntegerOnly(Verdict):
    """``integer_only.json``."""

    interface_operators: Count
    required: bool


class GoldenReport(Part):
    """``golden.json``."""

    evidence: str
    vectors: Some[str]
    kernels: str
    tolerance: Share


class KernelDifference(Part):
    """The difference of two sets of kernels at one output."""

    output: str
    differing_share: Share
    largest: float | None
    largest_steps: float | None


class KernelComparison(Part):
    """The difference of two sets of kernels."""

    first: str
    second: str
    exact: bool
    outputs: Many[KernelDifference]


class Kernels(Part):
    """``kernels.json``."""

    evidence: str
    samples: Count
    repeatable: bool
    failed: dict[str, str]
    comparisons: Many[KernelComparison]


class Layers(Part):
    """``layers.json``; a layer has the fields of :class:`quantline.contract.layers.LayerError`."""

    evidence: str
    samples: Count
    layers: Many[dict[str, Any]]
