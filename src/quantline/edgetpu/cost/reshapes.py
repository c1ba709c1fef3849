"""The bytes that a RESHAPE needs: none as long as blocks of 4 channels stay whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.edgetpu.cost.blocks import BLOCK, channels, matrix, stored_values, up
from quantline.edgetpu.cost.rules import UNSEEN, between, exactly
from quantline.edgetpu.tensors import extent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.edgetpu.cost.rules import Part
    from quantline.tflite.graph import Operator, Tensor

RESHAPES = frozenset({"EXPAND_DIMS", "RESHAPE", "SQUEEZE"})

# Up to this runtime version no matrix was seen.
_OLD_RUNTIME = 12
_GROUP = 16  # values, of which groups of pixels give a multiple


def reshape(source: Tensor, result: Tensor, runtime_version: int, from_host: bool) -> Part:
    """Return the part of a RESHAPE, or of what amounts to one.

    Args:
        source: What it reads.
        result: What it gives.
        runtime_version: The Edge TPU runtime that it is compiled for.
        from_host: Whether it reads an input of the model, quantized at the most.
    """
    old, new = channels(source), channels(result)
    if old == new or not (old % BLOCK or new % BLOCK):
        return exactly("blocks stay whole", 0)
    if from_host and 1 in (old, new):
        return exactly("the host sends one channel", 0)
    if new < old:
        # Behind a convolution its outputs are spread; see spread_outputs.
        width = _split(source, result) or old
        return between("channels split by a RESHAPE", 0, matrix(up(old, BLOCK), width))
    return _packing(source, new, runtime_version)


def spread_outputs(consumer: Operator, tensors: Sequence[Tensor]) -> int | None:
    """Return how many outputs a convolution has when it spreads them for a RESHAPE.

    Args:
        consumer: What alone reads the convolution's output.
        tensors: All tensors of its subgraph.

    Returns:
        None where they stay as they are.
    """
    if consumer.type not in RESHAPES:
        return None
    return _split(tensors[consumer.inputs[0]], tensors[consumer.outputs[0]])


def _packing(source: Tensor, new: int, runtime_version: int) -> Part:
    old = channels(source)
    if new % old:
        return between(UNSEEN, 0, matrix(stored_values(source), new))
    at_once = matrix(new // old * up(old, BLOCK), new)
    if runtime_version <= _OLD_RUNTIME:
        return between("pixels packed at once", 0, at_once)
    grouped = _group(source)
    if grouped is None:
        return exactly("pixels packed at once", at_once)
    return between("pixels packed in groups", grouped, 0)


def _group(source: Tensor) -> int | None:
    """Return the bytes of the matrix that packs groups of pixels; None where no row has such.

    16 pixels of a channel, and an identity matrix of 16, were found for maps of 64 and 128 pixels
    a side.
    """
    old, width = channels(source), extent(source)[-2]
    for count in range(2, width + 1):
        if width % count == 0 and count * old % _GROUP == 0:
            return matrix(count * up(old, BLOCK), count * old)
    return None


def _split(source: Tensor, result: Tensor) -> int | None:
    """Return how many channels a pixel needs that a RESHAPE makes several of, or None."""
    old, new = channels(source), channels(result)
    if new >= old or old % new or not new % BLOCK:
        return None
    return old // new * up(new, BLOCK)
