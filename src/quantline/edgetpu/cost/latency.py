"""The latency of one inference on the Edge TPU as a band, predicted without a device.

The parts and their rates are those of microbenchmarks over USB 3
(https://github.com/iwatake2222/EdgeTPU_Analysis): a fixed time for each call, the compiler's
estimate of cycles, inputs, outputs, instructions and streamed parameters. Depthwise convolutions,
which that estimate leaves out, are fitted to the latencies that Coral publishes for MobileNets and
PoseNet (https://coral.ai/docs/edgetpu/benchmarks/ and https://coral.ai/models/all/).

The doubts about the parts are taken as independent: their squares are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import TYPE_CHECKING

from quantline.edgetpu.cost.work import convolution_cycles, depthwise_steps, macs
from quantline.edgetpu.vocabulary import extent

if TYPE_CHECKING:
    from collections.abc import Collection

    from quantline.edgetpu.compiled.read import CompiledPrograms
    from quantline.edgetpu.cost.memory import Memory
    from quantline.tflite.graph import Operator, Subgraph

# Instructions in compiled files: about 2 KB an operator, and 2 bytes for each pixel of the largest
# map (45 KB for MobileNet v1 0.25 at 128 pixels a side, 130 KB for v2 at 224, 161 KB for DeepLab at
# 513, 0.8 to 1.0 MB for PoseNet at 721 by 1,281).
_INSTRUCTIONS = 2_000
_INSTRUCTIONS_PIXEL = 2
# The factor, either way, within which all of those compiled files are.
INSTRUCTIONS_SPREAD = 2.5


@dataclass(frozen=True)
class Traffic:
    """Bytes that go over the bus at each inference, without streamed parameters."""

    input_bytes: int  # activations
    output_bytes: int  # activations
    instruction_bytes: int  # instructions sent, within a factor of `INSTRUCTIONS_SPREAD`


def traffic(subgraph: Subgraph, chosen: Collection[int]) -> Traffic:
    """Return the bytes that go over the bus for the operators that are compiled."""
    sent: set[int] = set()
    given: set[int] = set()
    wanted = set(subgraph.outputs)
    pixels = 0
    for operator in subgraph.operators:
        if operator.index not in chosen:
            wanted.update(operator.inputs)
            continue
        sent.update(index for index in operator.inputs if index >= 0)
        given.update(operator.outputs)
        for index in operator.outputs:
            shape = extent(subgraph.tensors[index])
            pixels = max(pixels, shape[1] * shape[2] if len(shape) == 4 else 1)
    code = _INSTRUCTIONS * len(chosen) + _INSTRUCTIONS_PIXEL * pixels
    return Traffic(_bytes(subgraph, sent - given), _bytes(subgraph, given & wanted), code)


def _bytes(subgraph: Subgraph, indices: Collection[int]) -> int:
    tensors = [subgraph.tensors[index] for index in indices]
    return sum(tensor.size for tensor in tensors if tensor.constant is None)


# All in milliseconds. A call on its own took 0.29 in one measurement, 0.74 in another.
_CALL, _CALL_LOW, _CALL_HIGH = 0.5, 0.29, 0.74
_CYCLE = 1.026e-6
_DEPTHWISE_STEP = 7.5e-6
_INPUT_BYTE = 1 / 311e3
# What fits Coral's networks; chains of convolutions with large outputs took as long as the other
# (https://github.com/Jorgitou98/EdgeTPU-QuantRL-Evaluation).
_OUTPUT_BYTE, _OUTPUT_BYTE_SLOW = 1 / 200e3, 1 / 111e3
_INSTRUCTION_BYTE = 1 / 366e3
# The fastest that a published latency (VGG19) leaves room for, and streamed by itself.
_STREAMED_BYTE_FAST, _STREAMED_BYTE_SLOW = 1 / 455e3, 1 / 366e3
# Of operators outside the kinds that the rest was fitted on: DenseNet-121 needs so long for its MUL
# and ADD of 21 million values, and networks on the whole for their multiply-accumulates.
_OUTSIDE_VALUE = 0.6e-6
_OUTSIDE_MAC = 1 / 235e6

_FACTOR = 1.3
_FACTOR_OUTSIDE = 2.0
# The depthwise share of a compiled file is not known; in MobileNets it is 0.4 of the rest.
_DEPTHWISE_UNKNOWN = 0.4

_FITTED = frozenset(
    {
        "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED", "MAX_POOL_2D", "MEAN", "QUANTIZE", "RELU", "RELU6", "RESHAPE",
        "SOFTMAX", "SQUEEZE",
    }
)  # fmt: skip

_MACHINE = "USB 3 at full clock (libedgetpu1-max) on a desktop computer, the first call left out"


@dataclass(frozen=True)
class Band:
    """A band of latency on the Edge TPU for one inference, milliseconds."""

    low: float
    high: float
    basis: str  # the conditions and the basis of the band, as a sentence


def predict_latency(
    subgraph: Subgraph, chosen: Collection[int], memory: Memory, subgraphs: int
) -> Band:
    """Predict the latency of the Edge TPU for its part of a model.

    Of 20 networks with published latencies 19 lie in their band; the other's publication is faster
    than USB 3 can carry its weights. The band tells nothing about USB 2, where transfers take ten
    times as long, nor about slow hosts.
    """
    operators = [operator for operator in subgraph.operators if operator.index in chosen]
    if not operators:
        return Band(0.0, 0.0, "Nothing runs on the Edge TPU.")
    tensors = subgraph.tensors
    bus = traffic(subgraph, chosen)
    fitted = (
        sum(convolution_cycles(operator, tensors) for operator in operators) * _CYCLE
        + sum(depthwise_steps(operator, tensors) for operator in operators) * _DEPTHWISE_STEP
        + bus.input_bytes * _INPUT_BYTE
        + bus.output_bytes * _OUTPUT_BYTE
    )
    code = bus.instruction_bytes * _INSTRUCTION_BYTE
    strange = [operator for operator in operators if operator.type not in _FITTED]
    outside = sum(_outside(operator, subgraph) for operator in strange)
    share = outside / (outside + fitted) if outside else 0.0
    factor = _FACTOR + (_FACTOR_OUTSIDE - _FACTOR) * share
    kinds = f", {share:.0%} of it in operators of other kinds than those" if share > 0.005 else ""
    return _band(
        subgraphs,
        fitted + code + outside / 2,
        factor,
        below=(code - code / INSTRUCTIONS_SPREAD, outside / 2),
        above=(
            code * INSTRUCTIONS_SPREAD - code,
            bus.output_bytes * (_OUTPUT_BYTE_SLOW - _OUTPUT_BYTE),
            outside / 2,
        ),
        memory=memory,
        basis=f"For {_MACHINE}; fitted to microbenchmarks and to published latencies, with a "
        f"factor of {factor:.2g} either way for the work{kinds}.",
    )


def latency_of_compiled(compiled: CompiledPrograms, memory: Memory) -> Band | None:
    """Predict the latency of a compiled model from its file; None without an estimate of cycles."""
    if compiled.estimated_cycles is None:
        return None
    programs = [subgraph.package.main for subgraph in compiled.subgraphs]
    sent = sum(layer.size_bytes for program in programs for layer in program.inputs)
    given = sum(layer.size_bytes for program in programs for layer in program.outputs)
    parts = (
        compiled.estimated_cycles * _CYCLE
        + sent * _INPUT_BYTE
        + given * _OUTPUT_BYTE
        + compiled.instruction_bytes * _INSTRUCTION_BYTE
    )
    depthwise = parts * _DEPTHWISE_UNKNOWN
    return _band(
        len(programs),
        parts + depthwise / 2,
        _FACTOR,
        below=(depthwise / 2,),
        above=(depthwise / 2, given * (_OUTPUT_BYTE_SLOW - _OUTPUT_BYTE)),
        memory=memory,
        basis=f"For {_MACHINE}; cycles and bytes are from the compiled file, their rates fitted to "
        f"microbenchmarks; what depthwise convolutions add is not known.",
    )


def _band(
    calls: int,
    work: float,
    factor: float,
    *,
    below: tuple[float, ...],
    above: tuple[float, ...],
    memory: Memory,
    basis: str,
) -> Band:
    middle = calls * _CALL + work
    low = middle - hypot(middle - middle / factor, calls * (_CALL - _CALL_LOW), *below)
    high = middle + hypot(middle * factor - middle, calls * (_CALL_HIGH - _CALL), *above)
    # At best all streaming goes on while the chip computes, at worst none of it.
    low = max(low, memory.streamed_least_bytes * _STREAMED_BYTE_FAST)
    return Band(low, high + memory.streamed_most_bytes * _STREAMED_BYTE_SLOW, basis)


def _outside(operator: Operator, subgraph: Subgraph) -> float:
    results = [subgraph.tensors[index] for index in operator.outputs]
    values = sum(result.size for result in results)
    return values * _OUTSIDE_VALUE + macs(operator, subgraph.tensors) * _OUTSIDE_MAC
