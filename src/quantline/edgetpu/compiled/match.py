"""The operators of a model that the compiler put on the Edge TPU, found from the two files.

A compiled file has one operator for each group that was mapped, and those that were left. Both
files begin and end in the same tensors. From the outputs backwards, an operator that was left can
only be the one that makes the same tensor in the original; what makes the outputs of an Edge TPU
operator in the original, from its inputs on, is what was mapped. Names, which need not be unique,
only serve to find an Edge TPU operator's inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from quantline.edgetpu.mapping.partition import live_operators
from quantline.edgetpu.mapping.requirements import is_compiled
from quantline.edgetpu.vocabulary import Evidence, Placement
from quantline.errors import MismatchError, first_few
from quantline.files import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from quantline.tflite.graph import Graph, Operator, Subgraph


@dataclass(frozen=True)
class Match:
    """The placement of a model's operators in the compiled file, by their indices."""

    subgraphs: tuple[tuple[int, ...], ...]  # by Edge TPU operator, in their order
    cpu: tuple[int, ...]  # those left to the CPU
    dead: tuple[int, ...]  # those that no output depends on; the compiler drops them

    @property
    def edgetpu(self) -> tuple[int, ...]:
        """All that run on the Edge TPU."""
        return tuple(sorted(index for subgraph in self.subgraphs for index in subgraph))

    @property
    def placements(self) -> tuple[Placement, ...]:
        """The placement of each operator, in the operators' order."""
        return placements(self.edgetpu, self.cpu, self.dead)

    def to_dict(self) -> dict[str, Any]:
        """Return the indices as plain data, ready for JSON."""
        return plain(self, edgetpu=self.edgetpu, evidence=Evidence.PARSED)


def placements(
    edgetpu: Iterable[int], cpu: Iterable[int], dead: Iterable[int]
) -> tuple[Placement, ...]:
    """Return the placement of each operator from the indices of each place."""
    sides = ((Placement.EDGETPU, edgetpu), (Placement.CPU, cpu), (Placement.DEAD, dead))
    placed = {index: place for place, indices in sides for index in indices}
    return tuple(placed[index] for index in sorted(placed))


def match(original: Graph, compiled: Graph) -> Match:
    """Find the operators of a model that were mapped to the Edge TPU, from its compiled file.

    Raises:
        MismatchError: It was not made of that model.
    """
    return _Matching(original.main, compiled.main).result()


class _Matching:
    """The search for the original of every tensor of a compiled model."""

    def __init__(self, original: Subgraph, compiled: Subgraph) -> None:
        self._original = original
        self._compiled = compiled
        self._producers = original.producers
        self._compiled_producers = compiled.producers
        self._live = {operator.index: operator for operator in live_operators(original)}
        self._tensors: dict[int, int] = {}  # of the compiled model: its original
        self._left: set[int] = set()

    def result(self) -> Match:
        for side in ("inputs", "outputs"):
            ours, theirs = getattr(self._compiled, side), getattr(self._original, side)
            if len(ours) != len(theirs):
                _differ(f"{len(theirs)} {side} of the model, {len(ours)} of the compiled one")
            self._identify_all(ours, theirs)
        subgraphs = []
        # Whatever uses an operator's outputs comes after it and is known by then.
        for operator in reversed(self._compiled.operators):
            if is_compiled(operator):
                subgraphs.append(self._mapped(operator))
            else:
                self._keep(operator)
        mapped = {index for subgraph in subgraphs for index in subgraph}
        if mapped & self._left:
            _differ(f"both left and mapped: {self._names(mapped & self._left)}")
        if missing := self._live.keys() - mapped - self._left:
            _differ(f"neither left nor mapped: {self._names(missing)}")
        return Match(
            subgraphs=tuple(tuple(sorted(subgraph)) for subgraph in reversed(subgraphs)),
            cpu=tuple(sorted(self._left)),
            dead=tuple(
                operator.index
                for operator in self._original.operators
                if operator.index not in self._live
            ),
        )

    def _keep(self, operator: Operator) -> None:
        """Find the original of an operator that was left, and by it those of its inputs."""
        known = [self._tensors[output] for output in operator.outputs if output in self._tensors]
        if known:
            found = self._producers.get(known[0])
        else:
            # It is there for what it does to a variable: it has no output by which to find it.
            same = [original for original in self._live.values() if self._alike(original, operator)]
            found = same[-1] if same else None
        if found is None or not self._alike(found, operator):
            other = f"operator {found.index} {found.type}" if found else "no operator"
            _differ(
                f"operator {operator.index} {operator.type} of the compiled model, "
                f"{other} of the model in its place"
            )
        self._left.add(found.index)
        self._identify_all(operator.outputs, found.outputs)
        self._identify_all(operator.inputs, found.inputs)

    def _alike(self, original: Operator, compiled: Operator) -> bool:
        return (
            original.index not in self._left
            and (original.type, original.is_custom) == (compiled.type, compiled.is_custom)
            and len(original.inputs) == len(compiled.inputs)
            and len(original.outputs) == len(compiled.outputs)
        )

    def _may_be(self, original: Operator, compiled: Operator) -> bool:
        return self._alike(original, compiled) and not any(
            ours >= 0 and theirs >= 0 and self._difference(theirs, ours)
            for ours, theirs in zip(compiled.inputs, original.inputs, strict=True)
        )

    def _mapped(self, operator: Operator) -> set[int]:
        """Return the operators of the original that are in an Edge TPU operator."""
        ends = [self._tensors[output] for output in operator.outputs if output in self._tensors]
        before = self._back(ends, stops=())
        unknown = [index for index in operator.inputs if index >= 0 and index not in self._tensors]
        # What an operator makes that was left is easier to tell: it takes its original first.
        for place in sorted(unknown, key=lambda tensor: self._left_producer(tensor) is None):
            self._identify(place, self._origin(operator, place, before))
        stops = {self._tensors[tensor] for tensor in operator.inputs if tensor in self._tensors}
        return self._back(ends, stops)

    def _origin(self, operator: Operator, place: int, before: Collection[int]) -> int:
        """Find the original of an Edge TPU operator's input, among what its outputs depend on."""
        producer = self._left_producer(place)
        taken = set(self._tensors.values())
        found = [
            tensor
            for index in sorted(before)
            for tensor in self._original.operators[index].outputs
            if tensor not in taken
            and not self._difference(tensor, place)
            and (producer is None or self._may_be(self._producers[tensor], producer))
        ]
        if not found:
            wanted = self._compiled.tensors[place]
            _differ(
                f"no tensor like '{wanted.name}' ({wanted.dtype} {list(wanted.shape)}), an input "
                f"of operator {operator.index} of the compiled model"
            )
        return found[-1]  # of several alike, the one next to the outputs

    def _left_producer(self, place: int) -> Operator | None:
        producer = self._compiled_producers.get(place)
        return None if producer is None or is_compiled(producer) else producer

    def _back(self, ends: Iterable[int], stops: Collection[int]) -> set[int]:
        """Return the operators that make some tensors of the original, from others on."""
        waiting, found = list(ends), set[int]()
        while waiting:
            tensor = waiting.pop()
            producer = None if tensor in stops else self._producers.get(tensor)
            if producer is not None and producer.index not in found:
                found.add(producer.index)
                waiting += producer.inputs
        return found

    def _identify_all(self, compiled: Iterable[int], original: Iterable[int]) -> None:
        for ours, theirs in zip(compiled, original, strict=True):
            if ours >= 0 or theirs >= 0:
                self._identify(ours, theirs)

    def _identify(self, compiled: int, original: int) -> None:
        """Take a tensor of the original for that of the compiled model, if it can be."""
        if min(compiled, original) < 0:
            _differ("an operator with an optional input in the one, without it in the other")
        tensor = (
            f"tensor {compiled} '{self._compiled.tensors[compiled].name}' of the compiled model"
        )
        if difference := self._difference(original, compiled):
            _differ(f"{tensor} {difference}")
        if self._original.tensors[original].constant is not None:
            return  # which may be stored once for several places
        if self._tensors.setdefault(compiled, original) != original:
            _differ(f"{tensor} is in two places of the model")

    def _difference(self, original: int, compiled: int) -> str:
        """Return the difference between two tensors; empty where they may be the same one."""
        ours, theirs = self._compiled.tensors[compiled], self._original.tensors[original]
        if ours.dtype != theirs.dtype:
            return f"is {ours.dtype}, not {theirs.dtype}"
        if not _fits(ours.shape, theirs.shape):
            return f"has shape {list(ours.shape)}, not {list(theirs.shape)}"
        if ours.constant is not None or theirs.constant is not None:
            return "" if _equal(ours.constant, theirs.constant) else "has other values"
        if ours.name != theirs.name:
            return f"is '{theirs.name}' in the model"
        # Early compilers did not write them for every tensor.
        if ours.quantization and theirs.quantization and ours.quantization != theirs.quantization:
            return "has another scale or zero point"
        return ""

    def _names(self, indices: Iterable[int]) -> str:
        names = [f"operator {index} {self._live[index].type}" for index in sorted(indices)]
        return first_few(names, 3)


def _fits(ours: tuple[int, ...], theirs: tuple[int, ...]) -> bool:
    """Return whether a tensor may have been of a shape in the original, which may not say it.

    Of outputs of custom operators, such as a detector's, and of unknown sizes it does not.
    """
    if not theirs:
        return True
    return len(ours) == len(theirs) and all(
        own == original or -1 in (own, original) for own, original in zip(ours, theirs, strict=True)
    )


def _equal(ours: np.ndarray | None, theirs: np.ndarray | None) -> bool:
    return ours is not None and theirs is not None and np.array_equal(ours, theirs)


def _differ(found: str) -> NoReturn:
    raise MismatchError(
        "The compiled model was not made from this model",
        found=found,
        expected="a model and what edgetpu_compiler made of it",
        remedy="Give the .tflite file that was compiled, or compile it again",
    )
