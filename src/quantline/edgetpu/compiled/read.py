"""The contents of a compiled model: Edge TPU programs, and operators left to the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.edgetpu.compiled.package import Package, read_package
from quantline.edgetpu.mapping.requirements import is_compiled
from quantline.edgetpu.vocabulary import Evidence
from quantline.files import plain

if TYPE_CHECKING:
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
    cached_bytes: int  # parameters that are loaded into the chip's memory once
    streamed_bytes: int  # parameters that are sent to the chip at each inference
    instruction_bytes: int  # instructions of what runs at each inference
    scratch_bytes: int  # host memory that what runs at each inference uses
    min_runtime_version: int | None  # the oldest runtime that takes it; None without a program
    estimated_cycles: int | None  # the compiler's estimate for one inference; None without one

    @property
    def parameter_bytes(self) -> int:
        """Parameters of all programs, as the compiler lays them out."""
        return self.cached_bytes + self.streamed_bytes

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data, ready for JSON."""
        left = [{"index": operator.index, "type": operator.type} for operator in self.left]
        sizes = {name: value for name, value in vars(self).items() if name != "left"}
        return sizes | {
            "evidence": str(Evidence.PARSED),
            "left_operators": left,
            "parameter_bytes": self.parameter_bytes,
            "subgraphs": [_subgraph(subgraph) for subgraph in self.subgraphs],
        }


def read_compiled(graph: Graph, name: str = "the model") -> CompiledPrograms:
    """Read the Edge TPU programs of a model.

    Raises:
        ModelUnreadable: One of its programs is damaged.
    """
    programs = [operator for operator in graph.main.operators if is_compiled(operator)]
    packages = [read_package(operator.custom_options, name) for operator in programs]
    subgraphs = tuple(map(CompiledSubgraph, programs, packages))
    versions = [package.min_runtime_version for package in packages]
    cycles = [package.main.estimated_cycles for package in packages]
    known = [cycle for cycle in cycles if cycle is not None]
    return CompiledPrograms(
        subgraphs=subgraphs,
        left=tuple(operator for operator in graph.main.operators if not is_compiled(operator)),
        cached_bytes=sum(package.cached_bytes for package in packages),
        streamed_bytes=sum(package.streamed_bytes for package in packages),
        instruction_bytes=sum(package.main.instruction_bytes for package in packages),
        scratch_bytes=sum(package.main.scratch_bytes for package in packages),
        min_runtime_version=max(versions, default=None),
        estimated_cycles=sum(known) if known and len(known) == len(cycles) else None,
    )


def _subgraph(subgraph: CompiledSubgraph) -> dict[str, Any]:
    package = subgraph.package
    return {
        "cached_bytes": package.cached_bytes,
        "compiler_version": package.compiler_version,
        # The token is text: not every reader of JSON keeps 64 bits of a number.
        "executables": [
            plain(executable, caching_token=f"{executable.caching_token:016x}")
            for executable in package.executables
        ],
        "index": subgraph.operator.index,
        "min_runtime_version": package.min_runtime_version,
        "streamed_bytes": package.streamed_bytes,
    }
