"""Records of what ``edgetpu_compiler`` prints about a compilation: its word, not a measurement."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from quantline.edgetpu.vocabulary import Evidence, Status


@dataclass(frozen=True)
class PrintedSize:
    """A size as it was printed: with two decimals of its unit."""

    size_bytes: int  # the size, bytes
    # the possible error, bytes: 0.01 of the unit, as it is not known whether the compiler rounds or
    # cuts off; 0 for what was printed in bytes
    rounding_bytes: int

    def may_be(self, size_bytes: int) -> bool:
        """Return whether an exact size may have been printed like this."""
        return abs(size_bytes - self.size_bytes) <= self.rounding_bytes

    def minus(self, other: PrintedSize) -> PrintedSize:
        """Return the difference, at least 0."""
        return PrintedSize(
            max(self.size_bytes - other.size_bytes, 0), self.rounding_bytes + other.rounding_bytes
        )


@dataclass(frozen=True)
class OperatorCount:
    """One row of the operator table; a type has a row for each of its statuses."""

    type: str  # the schema's name such as `CONV_2D`; `CUSTOM` for every custom operator
    count: int
    status: str  # the compiler's wording

    @property
    def is_mapped(self) -> bool:
        """Return whether they run on the Edge TPU."""
        return self.status == Status.MAPPED


@dataclass(frozen=True)
class ModelRecord:
    """The printed facts about one compiled model."""

    input_model: str  # file name
    output_model: str  # the compiled file's name
    input_size: PrintedSize | None
    output_size: PrintedSize | None
    cached: PrintedSize | None  # parameters kept on chip
    remaining: PrintedSize | None  # room left on chip for further parameters
    streamed: PrintedSize | None  # parameters sent to the chip at each inference
    subgraphs: int  # Edge TPU operators in the compiled model
    operators_total: int  # of the input model
    mapped_operators: int
    operators: tuple[OperatorCount, ...]  # the operator table; empty where it was not printed
    attempts: int  # the number of prefixes of the model that a search tried; 0 without a search
    cut_at: tuple[str, ...]  # names of the tensors at which the search ended the Edge TPU's part

    @property
    def cpu_operators(self) -> int:
        """Number of operators that stay on the CPU."""
        return self.operators_total - self.mapped_operators

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; ``*_rounding_bytes`` is the possible error of a size."""
        sizes = {
            "cached": self.cached,
            "input": self.input_size,
            "output": self.output_size,
            "remaining": self.remaining,
            "streamed": self.streamed,
        }
        return {
            "attempts": self.attempts,
            "cpu_operators": self.cpu_operators,
            "cut_at": list(self.cut_at),
            "evidence": str(Evidence.READ),
            "mapped_operators": self.mapped_operators,
            "operators": [asdict(operator) for operator in self.operators],
            "operators_total": self.operators_total,
            "subgraphs": self.subgraphs,
            **{
                f"{name}_bytes": value.size_bytes if value else None
                for name, value in sizes.items()
            },
            **{
                f"{name}_rounding_bytes": value.rounding_bytes
                for name, value in sizes.items()
                if value is not None
            },
        }


@dataclass(frozen=True)
class CompilerOutput:
    """A whole standard output."""

    version: str
    duration_ms: int  # the duration by the compiler's own account
    models: tuple[ModelRecord, ...]  # one record a model, in the order of printing
    unknown: tuple[str, ...]  # lines that are no part of the known formats
