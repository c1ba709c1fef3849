"""The blocks in which the compiler stores numbers, and their sizes in bytes."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from quantline.edgetpu.tensors import extent

if TYPE_CHECKING:
    from quantline.tflite.graph import Tensor

ALIGNMENT = 64  # bytes, of each operator's parameters
BLOCK = 4  # inputs, and outputs, of the smallest block of weights; channels of a pixel
WORD = 4  # bytes of a bias, a scale or a zero point

MANY = 64  # outputs; more are filled up to multiples of it
_LANES = 16  # outputs that are computed at once


def round_up(count: int, block: int) -> int:
    """Return a count filled up to whole blocks."""
    return -(-count // block) * block


def aligned_bytes(size: int) -> int:
    """Return a size as it is stored, bytes."""
    return round_up(size, ALIGNMENT)


def stored_outputs(outputs: int) -> int:
    """Return the number of outputs that a matrix is stored with."""
    return round_up(outputs, MANY if outputs > MANY else _LANES)


def matrix_bytes(inputs: int, outputs: int, words: int = 1) -> int:
    """Return the bytes of a matrix and of the words of each output.

    Args:
        inputs: Numbers that each output is summed from, filled up to blocks already.
        outputs: Its outputs.
        words: Words that are stored for each output: bias, scale, zero point.
    """
    return aligned_bytes((inputs + words * WORD) * stored_outputs(outputs))


def vector_bytes(values: int) -> int:
    """Return the bytes of one word for each value of a vector, of which a block has 64 bytes."""
    return round_up(values, BLOCK) // BLOCK * ALIGNMENT


def channels(tensor: Tensor) -> int:
    """Return the innermost size of a tensor; 1 of a scalar."""
    return extent(tensor)[-1] if tensor.shape else 1


def pixels(tensor: Tensor) -> int:
    """Return how many vectors of channels a tensor has."""
    return prod(extent(tensor)[:-1])


def stored_values(tensor: Tensor) -> int:
    """Return a tensor's values, the channels of every pixel filled up to blocks."""
    return pixels(tensor) * round_up(channels(tensor), BLOCK)
