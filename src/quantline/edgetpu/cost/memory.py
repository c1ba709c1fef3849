"""The parameters that stay in the Edge TPU's memory between inferences or are streamed.

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

from quantline.edgetpu.cost.parameters import parameter_parts
from quantline.edgetpu.cost.rules import Part, Sum, total
from quantline.edgetpu.cost.work import layer_weights
from quantline.edgetpu.vocabulary import Evidence, activations
from quantline.files import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from quantline.edgetpu.compiled.read import CompiledPrograms
    from quantline.tflite.graph import Subgraph

MIB = 1 << 20

# What the compiler printed as used and remaining, together: 7.0 to 7.9 MiB for maps up to 480x640,
# and 6.1 where layers were streamed; 1.7 to 1.9 MiB where maps had a million pixels and more.
# Between them, against the largest inputs and outputs of one operator, straight lines.
_ACTIVATIONS = (0.0, 4.0 * MIB, 10.0 * MIB)
_CAPACITY = (7.85 * MIB, 7.0 * MIB, 1.7 * MIB)
_CAPACITY_LOW = (5.8 * MIB, 5.8 * MIB, 1.0 * MIB)
_CAPACITY_HIGH = int(7.9 * MIB)

# Weights on a vector of so many values are streamed though there is room: seen from 9,504 on, and
# not up to 5,904. The limit between them is taken to be a power of 2.
_LONG_VECTOR, _LONG_CACHED, _LONG_STREAMED = 8192, 5904, 9504
# Constants of element-wise operators are streamed too, in the one compiled model that has them.
_STREAMED_RULE = "a constant for each channel"


class Fit(StrEnum):
    """The verdict whether all parameters stay in the chip's memory."""

    FITS = "fits"
    DOES_NOT_FIT = "does not fit"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Memory:
    """The parameters of the operators on the Edge TPU, bytes."""

    # all of them, in the compiler's layout; None where the bounds are so far from what is predicted
    # that it is not known
    parameter_bytes: int | None
    parameter_bytes_low: int  # at the least
    parameter_bytes_high: int  # at the most
    cached_bytes: int | None  # those that stay in the chip's memory; None where it is not known
    streamed_bytes: int | None  # those that the host sends at each inference; None if unknown
    streamed_least_bytes: int  # as many if there is as much room for cached ones as there may be
    streamed_most_bytes: int  # as many if there is as little
    remaining_bytes: int | None  # room for more of them in the chip's memory; None if unknown
    verdict: Fit  # of whether all parameters stay in the chip's memory
    evidence: Evidence  # the basis of the numbers
    basis: str  # the basis in detail, as a sentence

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return plain(self)


def predict_memory(
    subgraph: Subgraph, chosen: Collection[int], runtime_version: int
) -> tuple[Memory, dict[int, list[Part]]]:
    """Predict the parameters that are cached and streamed: the whole, and by operator.

    Layers are cached in their order as long as they fit. What fits depends on the compiler's
    placing of activations, which is not predicted: so the verdict may be undecided.

    Args:
        subgraph: The main subgraph of the model before compilation.
        chosen: Indices of the operators that are compiled for the Edge TPU.
        runtime_version: The Edge TPU runtime that they are compiled for.
    """
    parts = parameter_parts(subgraph, chosen, runtime_version)
    whole = total(part for listed in parts.values() for part in listed)
    largest = _largest_activations(subgraph, chosen)
    capacity = int(np.interp(largest, _ACTIVATIONS, _CAPACITY))
    low = int(np.interp(largest, _ACTIVATIONS, _CAPACITY_LOW))
    vectors = _vectors(subgraph, chosen)
    limits = (_LONG_VECTOR, _LONG_STREAMED, _LONG_CACHED + 1)
    likely, surely, possibly = ({at for at in vectors if vectors[at] >= limit} for limit in limits)
    weights = {
        index: total(part for part in value if part.rule.name != _STREAMED_RULE)
        for index, value in parts.items()
    }
    cached = _cached((weight.bytes for at, weight in weights.items() if at not in likely), capacity)
    most = _cached((weight.high for at, weight in weights.items() if at not in possibly), low)
    least = sum(total(part).low for at, part in parts.items() if at not in surely)
    memory = Memory(
        parameter_bytes=whole.bytes if whole.is_known else None,
        parameter_bytes_low=whole.low,
        parameter_bytes_high=whole.high,
        cached_bytes=cached if whole.is_known else None,
        streamed_bytes=whole.bytes - cached if whole.is_known else None,
        streamed_least_bytes=whole.low - min(least, _CAPACITY_HIGH),
        streamed_most_bytes=whole.high - most,
        remaining_bytes=capacity - cached if whole.is_known else None,
        verdict=_verdict(whole, surely, possibly, low),
        evidence=Evidence.PREDICTED,
        basis=f"The compiler's layout of weights; room for {low / MIB:.1f} to "
        f"{_CAPACITY_HIGH / MIB:.1f} MiB of parameters next to activations of up to "
        f"{largest / MIB:.1f} MiB in one operator, as it was in published models.",
    )
    return memory, parts


def memory_of_compiled(compiled: CompiledPrograms) -> Memory:
    """Return the memory of a compiled file, read from the programs in it."""
    streamed, parameters = compiled.streamed_bytes, compiled.parameter_bytes
    return Memory(
        parameter_bytes=parameters,
        parameter_bytes_low=parameters,
        parameter_bytes_high=parameters,
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


def _verdict(whole: Sum, surely: Collection[int], possibly: Collection[int], low: int) -> Fit:
    if surely or whole.low > _CAPACITY_HIGH:
        return Fit.DOES_NOT_FIT
    return Fit.FITS if whole.high <= low and not possibly else Fit.UNDECIDED


def _largest_activations(subgraph: Subgraph, chosen: Collection[int]) -> int:
    chosen_operators = [operator for operator in subgraph.operators if operator.index in chosen]
    # 8-bit values: as many bytes as elements.
    sizes = [[tensor.size for tensor in activations(operator, subgraph.tensors)]
             for operator in chosen_operators]  # fmt: skip
    return max(map(sum, sizes), default=0)


def _vectors(subgraph: Subgraph, chosen: Collection[int]) -> dict[int, int]:
    """Return the length of the vector that each fully connected layer multiplies."""
    found = {
        operator.index: layer_weights(operator, subgraph.tensors)
        for operator in subgraph.operators
        if operator.type == "FULLY_CONNECTED" and operator.index in chosen
    }
    return {index: weights.inputs for index, weights in found.items() if weights}
