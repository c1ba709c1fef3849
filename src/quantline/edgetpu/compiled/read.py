"""The contents of a compiled model: Edge TPU programs, and operators left to the CPU."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from quantline.edgetpu.compiled.package import Package, read_package
from quantline.edgetpu.mapping.requirements import is_compiled
from quantline.edgetpu.vocabulary import Evidence

if TYPE_CHECKING:
    from quantline.edgetpu.compiled.package import Executable
    from quantline.tflite.graph import Graph, Operator


@dataclass(frozen=True)
class CompiledSubgraph:
    """One Edge TPU operator of a compiled model."""

    operator: Operator
    package: Package


@dataclass(frozen=True)
class CompiledPrograms:
    """The programs of a compiled model; one that was not compiled has none."""

    subgraphs: tuple[CompiledSubgraph, ...]  # its Edge TPU operators, in the order of execution
    left: tuple[Operator, ...]  # the operators that run on the CPU
    evidence: Evidence = Evidence.PARSED  # the basis of all of it

    @property
    def parameter_bytes(self) -> int:
        """Parameters of all programs, as the compiler lays them out."""
        return self.cached_bytes + self.streamed_bytes

    @property
    def cached_bytes(self) -> int:
        """Parameters that are loaded into the chip's memory once."""
        return sum(subgraph.package.cached_bytes for subgraph in self.subgraphs)

    @property
    def streamed_bytes(self) -> int:
        """Parameters that are sent to the chip at each inference."""
        return sum(subgraph.package.streamed_bytes for subgraph in self.subgraphs)

    @property
    def instruction_bytes(self) -> int:
        """Instructions of what runs at each inference."""
        return sum(subgraph.package.main.instruction_bytes for subgraph in self.subgraphs)

    @property
    def scratch_bytes(self) -> int:
        """Host memory that what runs at each inference uses."""
        return sum(subgraph.package.main.scratch_bytes for subgraph in self.subgraphs)

    @property
    def min_runtime_version(self) -> int | None:
        """The oldest Edge TPU runtime that takes the model; None where it has no program."""
        versions = [subgraph.package.min_runtime_version for subgraph in self.subgraphs]
        return max(versions, default=None)

    @property
    def estimated_cycles(self) -> int | None:
        """The compiler's estimate for one inference; None where it made none."""
        cycles = [subgraph.package.main.estimated_cycles for subgraph in self.subgraphs]
        known = [cycle for cycle in cycles if cycle is not None]
        return sum(known) if known and len(known) == len(cycles) else None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data, ready for JSON."""
        return {
            "cached_bytes": self.cached_bytes,
            "estimated_cycles": self.estimated_cycles,
            "evidence": str(self.evidence),
            "instruction_bytes": self.instruction_bytes,
            "left_operators": [
                {"index": operator.index, "type": operator.type} for operator in self.left
            ],
            "min_runtime_version": self.min_runtime_version,
            "parameter_bytes": self.parameter_bytes,
            "scratch_bytes": self.scratch_bytes,
            "streamed_bytes": self.streamed_bytes,
            "subgraphs": [_subgraph(subgraph) for subgraph in self.subgraphs],
        }


def read_compiled(graph: Graph, name: str = "the model") -> CompiledPrograms:
    """Read the Edge TPU programs of a model.

    Raises:
        ModelUnreadable: One of its programs is damaged.
    """
    subgraphs, left = [], []
    for operator in graph.main.operators:
        if is_compiled(operator):
            package = read_package(operator.custom_options, name)
            subgraphs.append(CompiledSubgraph(operator, package))
        else:
            left.append(operator)
    return CompiledPrograms(tuple(subgraphs), tuple(left))


def _subgraph(subgraph: CompiledSubgraph) -> dict[str, Any]:
    package = subgraph.package
    return {
        "cached_bytes": package.cached_bytes,
        "compiler_version": package.compiler_version,
        "executables": [_executable(executable) for executable in package.executables],
        "index": subgraph.operator.index,
        "min_runtime_version": package.min_runtime_version,
        "streamed_bytes": package.streamed_bytes,
    }


def _executable(executable: Executable) -> dict[str, Any]:
    # As text: not every reader of JSON keeps 64 bits of a number.
    return {**asdict(executable), "caching_token": f"{executable.caching_token:016x}"}
