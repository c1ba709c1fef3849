"""The recorded ranges of a model, as a value with its provenance: saved, loaded and merged."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.errors import (
    RangesMismatch,
    ResultMissing,
    SamplesNotFinite,
    first_few,
    first_line,
)
from quantline.files import canonical_json, write_atomic
from quantline.lineage import KEY
from quantline.ranges.sketch import Sketch, merged
from quantline.reading import Unreadable, read_file

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class TensorRange:
    """What was seen of one tensor over all samples.

    Attributes:
        index: The tensor's index in the float model's main subgraph.
        name: Its name.
        min: The smallest finite value; float32, infinite where there was none.
        max: The largest finite value; likewise.
        samples: How many samples were seen.
        count: How many values were seen.
        sum_min: The sum of each sample's smallest value, exact.
        sum_max: The sum of each sample's largest value, exact.
        nan: How many values were NaN.
        inf: How many values were infinite.
        sketch: The histogram of the values that entered it, which are evenly spread ones where
            there are many.
    """

    index: int
    name: str
    min: float
    max: float
    samples: int = 0
    count: int = 0
    sum_min: Fraction = Fraction(0)
    sum_max: Fraction = Fraction(0)
    nan: int = 0
    inf: int = 0
    sketch: Sketch = field(default_factory=Sketch.empty, repr=False)

    @property
    def average_min(self) -> float:
        """The cumulative moving average of each sample's smallest value.

        It weighs all samples alike, ``a += (min - a) / n``; an exponential average would depend on
        their order, and could not be merged.
        """
        return float(self.sum_min / self.samples) if self.samples else self.min

    @property
    def average_max(self) -> float:
        """The cumulative moving average of each sample's largest value."""
        return float(self.sum_max / self.samples) if self.samples else self.max

    def merge(self, other: TensorRange) -> TensorRange:
        """Return what was seen by either."""
        return TensorRange(
            index=self.index,
            name=self.name,
            min=min(self.min, other.min),
            max=max(self.max, other.max),
            samples=self.samples + other.samples,
            count=self.count + other.count,
            sum_min=self.sum_min + other.sum_min,
            sum_max=self.sum_max + other.sum_max,
            nan=self.nan + other.nan,
            inf=self.inf + other.inf,
            sketch=merged([self.sketch, other.sketch]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            **vars(self),
            "min": self.min if math.isfinite(self.min) else None,
            "max": self.max if math.isfinite(self.max) else None,
            "sum_min": str(self.sum_min),
            "sum_max": str(self.sum_max),
            "sketch": self.sketch.to_text(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TensorRange:
        """Build the range from what :meth:`to_dict` gave."""
        low, high = values["min"], values["max"]
        return cls(
            **{
                **values,
                "min": math.inf if low is None else float(low),
                "max": -math.inf if high is None else float(high),
                "sum_min": Fraction(values["sum_min"]),
                "sum_max": Fraction(values["sum_max"]),
                "sketch": Sketch.from_text(values["sketch"]),
            }
        )


@dataclass(frozen=True)
class RangeSet:
    """What was recorded, from which model and which samples.

    Attributes:
        tensors: One range for each recorded tensor, by ascending index.
        samples: How many samples were seen.
        float_model_sha256: The hash of the float ``.tflite`` they were recorded from.
        samples_sha256: The hashes of the samples' content, as the manifests have them, sorted.
        versions: The versions of the packages that recorded them.
    """

    tensors: tuple[TensorRange, ...]
    samples: int
    float_model_sha256: str
    samples_sha256: tuple[str, ...]
    versions: Mapping[str, str]

    def merge(self, other: RangeSet) -> RangeSet:
        """Return the ranges over both sets' samples; the order of merging makes no difference.

        Raises:
            RangesMismatch: They were recorded from different models, or from the same samples.
        """
        self._check_model(other)
        twice = set(self.samples_sha256) & set(other.samples_sha256)
        if twice:
            raise RangesMismatch(
                "The two range sets were recorded from the same samples",
                found=f"samples of hash {first_few(sorted(each[:12] for each in twice), 3)} twice",
                expected="disjoint shards",
                remedy="Merge each shard once",
            )
        return RangeSet(
            tensors=tuple(a.merge(b) for a, b in zip(self.tensors, other.tensors, strict=True)),
            samples=self.samples + other.samples,
            float_model_sha256=self.float_model_sha256,
            samples_sha256=tuple(sorted((*self.samples_sha256, *other.samples_sha256))),
            versions=_merge_versions(self.versions, other.versions),
        )

    def check_finite(self) -> None:
        """Refuse ranges that NaN or infinite values went into.

        Raises:
            SamplesNotFinite: With the tensors and how many such values each had.
        """
        broken = [each for each in self.tensors if each.nan or each.inf or each.min > each.max]
        if broken:
            told = [f"{each.index} '{each.name}' ({each.nan} NaN, {each.inf} Inf of {each.count})"
                    for each in broken]  # fmt: skip
            raise SamplesNotFinite(
                "The model gives NaN or infinite values on the calibration set",
                found=f"{len(broken)} tensors: {first_few(told, 3)}",
                expected="finite activations",
                remedy="Check the samples' scale in 'dataset.transform', and the model's weights",
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the set as plain JSON values."""
        return {
            **vars(self),
            "tensors": [each.to_dict() for each in self.tensors],
            "samples_sha256": list(self.samples_sha256),
            "versions": dict(self.versions),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], name: str = "The recorded ranges") -> RangeSet:
        """Build the set from what :meth:`to_dict` gave.

        Raises:
            ResultMissing: The values are not those of a range set.
        """
        try:
            values = {key: value for key, value in values.items() if key != KEY}
            tensors = tuple(TensorRange.from_dict(each) for each in values["tensors"])
            hashes = tuple(str(each) for each in values["samples_sha256"])
            return cls(**{**values, "tensors": tensors, "samples_sha256": hashes})
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise ResultMissing(
                f"{name} cannot be read",
                found=f"{type(error).__name__}: {error}",
                expected="what the 'calibration' pipeline or 'quantline record' writes",
                remedy="Record the ranges again",
            ) from error

    def save(self, path: str | Path) -> None:
        """Write the set to one JSON file, whole or not at all.

        Raises:
            OutputNotWritten: The file cannot be written.
        """
        write_atomic(Path(path), canonical_json(self.to_dict()))

    @classmethod
    def load(cls, path: str | Path) -> RangeSet:
        """Read a file that :meth:`save` wrote.

        Raises:
            ResultMissing: There is no such file, or it holds something else.
        """
        try:
            values = json.loads(read_file(path))
        except (OSError, ValueError, RecursionError) as error:
            raise ResultMissing(
                f"The ranges '{path}' cannot be read",
                found=str(error) if isinstance(error, Unreadable) else first_line(error),
                expected="a file that 'quantline record' or the 'calibration' pipeline wrote",
                remedy="Check the path, or record the ranges again",
            ) from error
        return cls.from_dict(values, f"The file '{path}'")

    def _check_model(self, other: RangeSet) -> None:
        if self.float_model_sha256 != other.float_model_sha256:
            raise RangesMismatch(
                "The two range sets were recorded from different models",
                found=f"{self.float_model_sha256[:12]} and {other.float_model_sha256[:12]}",
                expected="the same float model",
                remedy="Record both from one .tflite file",
            )
        if [each.index for each in self.tensors] != [each.index for each in other.tensors]:
            raise RangesMismatch(
                "The two range sets do not hold the same tensors",
                found=f"{len(self.tensors)} and {len(other.tensors)} tensors",
                expected="two complete recordings of one model",
                remedy="Record both again with this version",
            )


def _merge_versions(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """Keep every version that took part, so that mixing them stays visible."""
    kept = {}
    for name in sorted({*one, *other}):
        used = {*one.get(name, "").split(" + "), *other.get(name, "").split(" + ")}
        kept[name] = " + ".join(sorted(each for each in used if each))
    return kept
