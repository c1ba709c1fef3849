"""Schemas of the manifest and of the reports on calibration examples."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from quantline.results.fields import Count, Hash, Many, Part, Some, Whole


class Example(Part):
    """One example of a split."""

    id: str  # its TFDS id, file name, or row
    label: Whole | None
    sha256: Hash  # of its content before the transform


class Split(Part):
    """The examples that were drawn from one split."""

    split: str
    sha256: Hash  # of all labels and contents, in order
    examples: Some[Example]

    @model_validator(mode="after")
    def _check_ids(self) -> Split:
        if len({example.id for example in self.examples}) < len(self.examples):
            raise ValueError("examples of which each has an id of its own")
        return self


class Source(Part):
    """The dataset that examples come from."""

    source: str
    name: str
    version: str | None


class TransformSpec(Part):
    """The transform that makes examples model input."""

    sha256: Hash
    spec: Any  # ``dataset.transform`` as it was; the hash is what is compared


class Manifest(Part):
    """``manifest.json``."""

    dataset: Source
    seed: int
    transform: TransformSpec
    calibration: Split
    evaluation: Split


class LintFinding(Part):
    """A finding of the lint: :class:`quantline.errors.Finding`."""

    name: str
    severity: Literal["error", "warning", "note"]
    found: str
    expected: str
    remedy: str


class Spread(Part):
    """The distribution of model inputs: :class:`quantline.sampling.Distribution`."""

    examples: Count
    low: float
    high: float
    mean: float
    min: float
    max: float
    spread: float


class CalibrationLint(Part):
    """``calibration_lint.json``."""

    examples: Count
    findings: Many[LintFinding]
    distribution: Spread | None
    evaluation_distribution: Spread | None


class RangeDifference(Part):
    """The distance of the ranges of two sets of examples, in per cent of each range."""

    examples: Count
    median_pct: float
    mean_pct: float
    worst_pct: float
    worst_tensor: str | None


class Convergence(Part):
    """The change that more examples would make to the ranges."""

    evidence: str
    examples: Count
    halves: RangeDifference | None
    curve: Many[RangeDifference]


class CalibrationReport(CalibrationLint):
    """``calibration.json``."""

    convergence: Convergence
