"""The bytes of parameters on the Edge TPU, in the compiler's layout.

The layout was read from the parameters in compiled files, where the scales and biases of the
original model, found again, show where each layer begins: scales, biases, zero points of the
weights, then the weights. Each number is a sum of parts, each by a rule of :mod:`.rules` and with
its bounds: a rule that was seen in few models widens them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantline.edgetpu.cost.rearrangements import RESHAPES, rearrangement, spread_outputs
from quantline.edgetpu.cost.rules import (
    BLOCK,
    MANY,
    WORD,
    Part,
    aligned_bytes,
    between,
    channels,
    exactly,
    matrix_bytes,
    pixels,
    round_up,
    stored_outputs,
    stored_values,
)
from quantline.edgetpu.cost.work import LSTM_WEIGHTS, LayerWeights, layer_weights
from quantline.edgetpu.vocabulary import at

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from quantline.tflite.graph import Operator, Subgraph, Tensor


# Up to this runtime version a layer keeps biases that are all zero.
_KEEPS_ZEROS = 12
_BIAS = {"TRANSPOSE_CONV": 3}
# An LSTM of one compiled file took five times the weights' bytes.
_LSTM_AT_MOST = 5


@dataclass(frozen=True)
class _Layer:
    """A layer with weights, and the Edge TPU runtime that it is compiled for."""

    type: str
    found: LayerWeights
    bias: Tensor | None
    strides: tuple[int, int]  # down and across
    runtime_version: int

    def parts(self, outputs: int) -> list[Part]:
        """Return its parts; its outputs may be spread to more than it has."""
        found, is_convolution = self.found, channels(self.found.source) == 1 < self.found.outputs
        if self.type == "DEPTHWISE_CONV_2D" and not is_convolution:
            return self._depthwise()
        dense = self.type == "FULLY_CONNECTED"
        inputs, parts = self._inputs()
        small = not dense and found.outputs <= BLOCK
        rows = BLOCK if small and outputs == found.outputs else stored_outputs(outputs)
        words = self._words(rows)
        size = _rest(rows * inputs, words)
        per_row = inputs + sum(part.bytes for part in words) // rows
        kind = "fully connected weights" if dense else "convolution weights"
        if self.type == "TRANSPOSE_CONV":
            parts.append(between("transposed convolution", size, size * self._phases()))
        elif is_convolution and self.type == "DEPTHWISE_CONV_2D":
            diagonal = inputs // BLOCK * WORD * round_up(found.outputs, BLOCK)
            parts.append(between("one channel to many", size, diagonal))
        elif outputs != found.outputs:
            own = matrix_bytes(inputs, found.outputs, 0)
            parts.append(exactly(kind, own))
            parts.append(between("outputs spread for a RESHAPE", size - own, 0))
        elif rows == BLOCK and found.outputs > 1:
            more = (stored_outputs(found.outputs) - rows) * per_row
            parts.append(between("few outputs", size, size + more))
        else:
            parts.append(exactly("a single output" if rows == BLOCK else kind, size))
            if dense and self._scales_differ and round_up(rows, MANY) > rows:
                more = (round_up(rows, MANY) - rows) * per_row
                parts.append(between("units of different scales", more, 0))
        return parts + words

    def _inputs(self) -> tuple[int, list[Part]]:
        """Return the stored numbers that each output is summed from, and further parts."""
        found, source = self.found, self.found.source
        packed = round_up(found.inputs, BLOCK)
        if self.type != "FULLY_CONNECTED":
            return found.height * found.width * packed, []
        extra = (stored_values(source) - packed) * stored_outputs(found.outputs)
        if source.size != found.inputs or pixels(source) == 1 or not extra:
            return packed, []
        # Up to there nothing was packed by a matrix.
        packs = self.runtime_version > _KEEPS_ZEROS
        packing = matrix_bytes(stored_values(source), found.inputs) if packs else 0
        return packed, [between("weights on a map", extra, 0, packing)]

    def _depthwise(self) -> list[Part]:
        found = self.found
        rows = round_up(found.outputs, BLOCK)
        words = self._words(rows)
        size = _rest(rows * found.height * found.width * WORD, words)
        if found.outputs == channels(found.source):
            return [exactly("depthwise weights", size), *words]
        return [between("several outputs a channel", size, BLOCK * size), *words]

    def _words(self, rows: int) -> list[Part]:
        parts = []
        if self.bias is not None:
            if self.bias.constant is None or self.bias.constant.any():
                parts.append(exactly("biases", rows * WORD))
            elif self.type == "DEPTHWISE_CONV_2D" or self.runtime_version <= _KEEPS_ZEROS:
                parts.append(exactly("biases of zero kept", rows * WORD))
            else:
                parts.append(exactly("biases of zero", 0))
        if self._scales_differ:
            parts.append(exactly("a scale for each channel", 2 * rows * WORD))
        return parts

    @property
    def _scales_differ(self) -> bool:
        """True if outputs differ in scale; one scale given for each of them is a single one."""
        quantization = self.found.weights.quantization
        return quantization is not None and len(set(quantization.scales)) > 1

    def _phases(self) -> int:
        """Return the factor by which a transposed convolution may grow."""
        down, across = self.strides
        taps = round_up(self.found.height, down) * round_up(self.found.width, across)
        return max(-(-taps // (self.found.height * self.found.width)), 2)


def _rest(size: int, words: Sequence[Part]) -> int:
    """Return the bytes of the weights, with the padding of the whole operator."""
    words_bytes = sum(word.bytes for word in words)
    return aligned_bytes(size + words_bytes) - words_bytes


def _lstm(operator: Operator, tensors: Sequence[Tensor]) -> list[Part]:
    """Return the parts of an LSTM: its matrices, and room for what was not understood."""
    found = [at(operator, position, tensors) for position in LSTM_WEIGHTS]
    size = sum(
        matrix_bytes(round_up(part.shape[-1], BLOCK), part.shape[0])
        for part in found
        if part is not None and part.constant is not None and len(part.shape) > 1
    )
    return [between("LSTM weights", size, size * _LSTM_AT_MOST)]


def parameter_parts(
    subgraph: Subgraph, chosen: Collection[int], runtime_version: int
) -> dict[int, list[Part]]:
    """Return the parts of the parameters of each chosen operator, by its index."""
    host, spread = _from_host(subgraph), _spread(subgraph, chosen)
    found = {}
    for operator in subgraph.operators:
        if operator.index in chosen:
            reads_host = bool(host.intersection(operator.inputs))
            after = spread.get(operator.index)
            found[operator.index] = _parts(operator, subgraph, runtime_version, reads_host, after)
    # The convolution before does it.
    nothing = exactly("outputs spread for a RESHAPE", 0)
    return found | {reader.index: [nothing] for reader in spread.values()}


def _parts(
    operator: Operator, subgraph: Subgraph, runtime_version: int, reads_host: bool,
    after: Operator | None,
) -> list[Part]:  # fmt: skip
    tensors = subgraph.tensors
    found = layer_weights(operator, tensors)
    if found is not None:
        outputs = spread_outputs(after, tensors) if after else None
        bias = at(operator, _BIAS.get(operator.type, 2), tensors)
        strides = (operator.options.get("strideH", 1), operator.options.get("strideW", 1))
        layer = _Layer(operator.type, found, bias, strides, runtime_version)
        return layer.parts(outputs or found.outputs)
    if operator.type in ("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"):
        return _lstm(operator, tensors)
    return rearrangement(operator, tensors, runtime_version, reads_host)


def _spread(subgraph: Subgraph, chosen: Collection[int]) -> dict[int, Operator]:
    """Return the RESHAPE for which each convolution spreads its outputs, by its index."""
    found = {}
    for operator in subgraph.operators:
        if operator.type == "CONV_2D" and operator.index in chosen:
            (result,) = operator.outputs
            reading = [] if result in subgraph.outputs else subgraph.consumers.get(result, [])
            if len(reading) == 1 and reading[0].index in chosen:
                if spread_outputs(reading[0], subgraph.tensors):
                    found[operator.index] = reading[0]
    return found


def _from_host(subgraph: Subgraph) -> set[int]:
    # The host sends an input in any order that the program wants: no need to rearrange it.
    found = set(subgraph.inputs)
    for operator in subgraph.operators:
        kept = operator.type == "QUANTIZE" or operator.type in RESHAPES
        if kept and found.intersection(operator.inputs):
            found.update(operator.outputs)
    return found
