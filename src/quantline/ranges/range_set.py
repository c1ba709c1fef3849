"""The recorded ranges of a model, as a value with its provenance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from quantline.errors import ResultMissing

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class TensorRange:
    """The range of one tensor over all samples.

    Attributes:
        index: The tensor's index in the float model's main subgraph.
        name: Its name.
        min: The smallest value seen; float32.
        max: The largest value seen; float32.
    """

    index: int
    name: str
    min: float
    max: float


@dataclass(frozen=True)
class RangeSet:
    """What was recorded, from which model and which samples.

    Attributes:
        tensors: One range for each recorded tensor, by ascending index.
        samples: How many samples were seen.
        float_model_sha256: The hash of the float ``.tflite`` they were recorded from.
        samples_sha256: The hash of the samples' content, as the manifest has it.
        versions: The versions of the packages that recorded them.
    """

    tensors: tuple[TensorRange, ...]
    samples: int
    float_model_sha256: str
    samples_sha256: str | None
    versions: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return the set as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RangeSet:
        """Build the set from what :meth:`to_dict` gave.

        Raises:
            ResultMissing: The values are not those of a range set.
        """
        try:
            tensors = tuple(TensorRange(**each) for each in values["tensors"])
            return cls(**{**values, "tensors": tensors})
        except (TypeError, KeyError) as error:
            raise ResultMissing(
                "The recorded ranges cannot be read",
                found=f"{type(error).__name__}: {error}",
                expected="what the 'calibration' pipeline writes",
                remedy="Run the 'calibration' pipeline again",
            ) from error
