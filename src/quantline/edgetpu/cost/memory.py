"""Which parameters stay in the Edge TPU's memory between inferences, and which are streamed.

The chip has about 8 MB, which parameters share with activations and instructions. A layer's
parameters are cached as a whole or sent by the host at each inference as a whole.
Source: https://coral.ai/docs/edgetpu/compiler/#parameter-data-caching, and what the compiler
printed for published models.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.edgetpu.cost.kernel import kernel
from quantline.edgetpu.cost.parameters import LONG_VECTOR, parameter_bytes
from quantline.edgetpu.tensors import activations, elements
from quantline.edgetpu.vocabulary import Evidence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from quantline.edgetpu.compiled.read import Compiled
    from quantline.tflite.graph import Subgraph

MIB = 1 << 20

# What the compiler printed as used and remaining, together: 7.0 to 7.9 MiB for maps up to 480x640,
# and 6.1 where layers were streamed; 1.7 to 1.9 MiB where maps had a million pixels and more.
# Between them, against the largest inputs and outputs of one operator, straight lines.
_ACTIVATIONS = (0.0, 4.0 * MIB, 10.0 * MIB)
_CAPACITY = (7.85 * MIB, 7.0 * MIB, 1.7 * MIB)
_CAPACITY_LOW = (5.8 * MIB, 5.8 * MIB, 1.0 * MIB)
_CAPACITY_HIGH = int(7.9 * MIB)


class Fit(StrEnum):
    """Whether all parameters stay in the chip's memory."""

    FITS = "fits"
    DOES_NOT_FIT = "does not fit"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Memory:
    """The parameters of the operators on the Edge TPU, bytes.

    Attributes:
        parameter_bytes: All of them, in the compiler's layout.
        cached_bytes: Those that stay in the chip's memory.
        streamed_bytes: Those that the host sends at each inference.
        streamed_least_bytes: As many if there is as much room for the cached ones as there may be.
        streamed_most_bytes: As many if there is as little.
        remaining_bytes: Room for more of them in the chip's memory; None where that is not known.
        verdict: Whether all stay in the chip's memory.
        evidence: How it is known.
        basis: What it rests on, as a sentence.
    """

    parameter_bytes: int
    cached_bytes: int
    streamed_bytes: int
    streamed_least_bytes: int
    streamed_most_bytes: int
    remaining_bytes: int | None
    verdict: Fit
    evidence: Evidence
    basis: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return {
            name: str(value) if isinstance(value, StrEnum) else value
            for name, value in vars(self).items()
        }


def predict_memory(
    subgraph: Subgraph, chosen: Collection[int], runtime_version: int
) -> tuple[Memory, dict[int, int]]:
    """Predict which parameters are cached and which are streamed.

    Layers are cached in their order as long as they fit. Of compiled models of more than 100 KB the
    sum was right within 0.6 %; what fits depends on the compiler's placing of activations, which
    is not foreseen: hence a verdict with room for doubt.

    Args:
        subgraph: The main subgraph of the model before compilation.
        chosen: Indices of the operators that are compiled for the Edge TPU.
        runtime_version: The Edge TPU runtime that they are compiled for.

    Returns:
        The whole, and the bytes of each operator chosen by its index.
    """
    sizes = parameter_bytes(subgraph, chosen, runtime_version)
    largest = _largest_activations(subgraph, chosen)
    capacity = int(np.interp(largest, _ACTIVATIONS, _CAPACITY))
    too_long = _on_long_vectors(subgraph, chosen)
    cacheable = [size for index, size in sizes.items() if index not in too_long]
    low = int(np.interp(largest, _ACTIVATIONS, _CAPACITY_LOW))
    total = sum(sizes.values())
    cached = _cached(cacheable, capacity)
    memory = Memory(
        parameter_bytes=total,
        cached_bytes=cached,
        streamed_bytes=total - cached,
        streamed_least_bytes=total - min(sum(cacheable), _CAPACITY_HIGH),
        streamed_most_bytes=total - _cached(cacheable, low),
        remaining_bytes=capacity - cached,
        verdict=_verdict(sizes, too_long, low),
        evidence=Evidence.PREDICTED,
        basis=f"The compiler's layout of weights; room for {low / MIB:.1f} to "
        f"{_CAPACITY_HIGH / MIB:.1f} MiB of parameters beside activations of up to "
        f"{largest / MIB:.1f} MiB in one operator, as it was in published models.",
    )
    return memory, sizes


def memory_of_compiled(compiled: Compiled) -> Memory:
    """Return what a compiled file says of its parameters.

    Args:
        compiled: What was read from the file.
    """
    streamed = compiled.streamed_bytes
    return Memory(
        parameter_bytes=compiled.parameter_bytes,
        cached_bytes=compiled.cached_bytes,
        streamed_bytes=streamed,
        streamed_least_bytes=streamed,
        streamed_most_bytes=streamed,
        remaining_bytes=None,
        verdict=Fit.DOES_NOT_FIT if streamed else Fit.FITS,
        evidence=Evidence.PARSED,
        basis="Read from the programs in the compiled file, which do not say what room is left.",
    )


def _cached(sizes: Iterable[int], capacity: int) -> int:
    cached = 0
    for size in sizes:
        if cached + size <= capacity:
            cached += size
    return cached


def _verdict(sizes: Mapping[int, int], too_long: Collection[int], low: int) -> Fit:
    total = sum(sizes.values())
    if too_long or total > _CAPACITY_HIGH:
        return Fit.DOES_NOT_FIT
    return Fit.FITS if total <= low else Fit.UNDECIDED


def _largest_activations(subgraph: Subgraph, chosen: Collection[int]) -> int:
    # 8-bit values: as many bytes as elements.
    return max(
        (
            sum(elements(each) for each in activations(operator, subgraph.tensors))
            for operator in subgraph.operators
            if operator.index in chosen
        ),
        default=0,
    )


def _on_long_vectors(subgraph: Subgraph, chosen: Collection[int]) -> set[int]:
    layers = [each for each in subgraph.operators if each.type == "FULLY_CONNECTED"]
    found = {each.index: kernel(each, subgraph.tensors) for each in layers if each.index in chosen}
    return {index for index, each in found.items() if each and each.inputs >= LONG_VECTOR}
