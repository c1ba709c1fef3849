"""The recorded ranges of a model, as a value with its provenance: saved, loaded and merged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import DataError, MismatchError, first_few
from quantline.files import canonical_json, plain, write_atomic
from quantline.ranges.sketch import TensorRange
from quantline.results import Origin, check_plain, check_schema, parse_json, read_bytes
from quantline.results.models import StoredRanges
from quantline.results.parse import MOST_BYTES
from quantline.tables import html_table
from quantline.tflite.finite import HUGE

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping


_CONTENT = "a set of recorded ranges"
_VANISHING = 1e-6  # as a share of the largest value; 16 bits have steps of 3e-5


def _holds_huge_values(tensor: TensorRange) -> bool:
    """Return True if values near the largest float occur together with much smaller ones."""
    largest = max(-tensor.min, tensor.max)
    if largest < HUGE:
        return False
    sizes = np.abs(np.stack(tensor.sketch.edges())).max(axis=0)
    # The bin of zero ends at the smallest numbers of all.
    return bool(((sizes > 1 / HUGE) & (sizes < largest * _VANISHING)).any())


@dataclass(frozen=True)
class RangeSet:
    """The ranges recorded from a model over samples.

    Attributes:
        tensors: One range for each recorded tensor, by ascending index.
        samples: The number of samples.
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
            MismatchError: They were recorded from different models, or from the same samples.
        """
        self._check_model(other)
        twice = set(self.samples_sha256) & set(other.samples_sha256)
        if twice:
            raise MismatchError(
                "The two range sets were recorded from the same samples",
                found=f"samples of hash {first_few(sorted(item[:12] for item in twice), 3)} twice",
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
        """Refuse ranges that NaN, infinite values or values near the largest float went into."""
        broken = self._broken()
        if broken:
            counts = [f"{tensor.index} '{tensor.name}' ({tensor.nan} NaN, {tensor.inf} Inf of "
                      f"{tensor.count})" for tensor in broken]  # fmt: skip
            raise DataError(
                "The model gives NaN or infinite values on the calibration set",
                found=f"{len(broken)} tensors: {first_few(counts, 3)}",
                expected="finite activations",
                remedy="Check the samples' scale in `transform`, and the model's weights",
            )
        huge = [f"{tensor.index} '{tensor.name}' [{tensor.min:g}, {tensor.max:g}]"
                for tensor in self.tensors if _holds_huge_values(tensor)]  # fmt: skip
        if huge:
            raise DataError(
                "The model gives values near the largest float on the calibration set",
                found=f"{len(huge)} tensors: {first_few(huge, 3)}",
                expected=f"activations below {HUGE:g}: with larger ones, all other values are the "
                "same integer",
                remedy="Look for what gives the first of them, such as a mask of -3.4e38, and give "
                "it the order of the other values, such as -30 where a softmax reads it",
            )

    @property
    def is_finite(self) -> bool:
        """True if all recorded values were finite."""
        return not self._broken()

    def _broken(self) -> list[TensorRange]:
        return [
            tensor for tensor in self.tensors if tensor.nan or tensor.inf or tensor.min > tensor.max
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the set as plain JSON values."""
        return plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], name: str = "The recorded ranges") -> RangeSet:
        """Build the set from the result of :meth:`to_dict`.

        Raises:
            ResultMissing: The values are not those of a range set.
        """
        remedy = "Record the ranges again"
        origin = Origin(name, _CONTENT, remedy)
        check_plain(values, origin)
        check_schema(StoredRanges, values, origin)
        tensors = []
        for position, stored in enumerate(values["tensors"]):
            try:
                tensors.append(TensorRange.from_dict(stored))
            except ValueError as error:
                raise origin.unreadable(f"at 'tensors.{position}': {error}") from error
        return cls(
            tensors=tuple(tensors),
            samples=values["samples"],
            float_model_sha256=values["float_model_sha256"],
            samples_sha256=tuple(values["samples_sha256"]),
            versions=dict(values["versions"]),
        )

    def __repr__(self) -> str:
        model = self.float_model_sha256[:12]
        return f"RangeSet({len(self.tensors)} tensors, {self.samples} samples, model {model})"

    def _repr_html_(self) -> str:
        def number(value: float) -> str:
            return f"{value:.4g}" if math.isfinite(value) else "-"

        rows = [
            [
                str(tensor.index),
                *map(number, (tensor.min, tensor.max, tensor.average_min, tensor.average_max)),
                f"{tensor.nan + tensor.inf}",
                tensor.name,
            ]
            for tensor in self.tensors
        ]
        headings = ["", "min", "max", "average min", "average max", "NaN, infinite", "tensor"]
        return html_table(headings, rows)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the set to one JSON file, whole or not at all."""
        write_atomic(Path(path), canonical_json(self.to_dict()))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RangeSet:
        """Read a file that :meth:`save` wrote.

        Raises:
            ResultMissing: There is no such file, or it holds something else.
        """
        remedy = "Check the path, or record the ranges again"
        origin = Origin(f"The ranges '{path}'", _CONTENT, remedy)
        content = read_bytes(Path(path), origin, MOST_BYTES)
        return cls.from_dict(parse_json(content, origin), f"The file '{path}'")

    def _check_model(self, other: RangeSet) -> None:
        if self.float_model_sha256 != other.float_model_sha256:
            raise MismatchError(
                "The two range sets were recorded from different models",
                found=f"{self.float_model_sha256[:12]} and {other.float_model_sha256[:12]}",
                expected="the same float model",
                remedy="Record both from one .tflite file",
            )
        if [tensor.index for tensor in self.tensors] != [tensor.index for tensor in other.tensors]:
            raise MismatchError(
                "The two range sets do not hold the same tensors",
                found=f"{len(self.tensors)} and {len(other.tensors)} tensors",
                expected="two complete recordings of one model",
                remedy="Record both again with this version",
            )


def _merge_versions(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """Return every version that took part, so that a mixture stays visible."""
    kept = {}
    for name in sorted({*one, *other}):
        used = {*one.get(name, "").split(" + "), *other.get(name, "").split(" + ")}
        kept[name] = " + ".join(sorted(item for item in used if item))
    return kept
