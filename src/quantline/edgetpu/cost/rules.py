"""The rules by which parameter bytes are predicted: their mechanism, and where it was seen; blocks.

``seen_in_models`` counts independent models in which a rule's bytes were found as predicted:
files that went through the compiler, and models whose layers and printed sizes users published.
Files of one family, such as the same network for several sizes, count as one.
``python -m benchmarks.edgetpu_rules FOLDER ...`` counts them again. A rule seen in fewer than
``FEW`` gives an interval, as wide as the other ways in which the compiler might do the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from quantline.edgetpu.vocabulary import extent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quantline.tflite.graph import Tensor


COUNTED = 25
"""Independent models of which the compiler's result was at hand, published sizes aside."""

FEW = 3
"""A rule seen in fewer independent models than this widens its answer."""

FAR = 0.3
"""The share of the prediction by which its bounds may lie off before it is ``unknown``."""

NEAR = 4096
"""Bytes by which they may lie off all the same: of few bytes a small part is much."""

UNSEEN = "an operator not seen"
"""No rule, but the want of one."""


@dataclass(frozen=True)
class Rule:
    """A rule by which parameters come about."""

    name: str
    mechanism: str  # the compiler's doing, from which the bytes follow
    compiled: int  # in how many independent compiled files it was seen
    # in how many models that users published layer by layer, with the bytes that the compiler
    # printed: of an image of 28x28 and 10 units (github.com/tensorflow/tensorflow issue 73946,
    # version 16.0), and of weather over 180 and 30 steps of 27 features (version 14.1)
    published: int = 0

    @property
    def seen_in_models(self) -> int:
        """In how many independent models it was seen."""
        return self.compiled + self.published


_DECLARED = (
    Rule("convolution weights",
        "blocks of 4 inputs by 4 outputs, up to 64 outputs filled up to 16, more to 64", 15),
    Rule("depthwise weights", "a channel's weight takes a diagonal of a block of 4 by 4", 8),
    Rule("fully connected weights", "a matrix in the blocks of a convolution", 9),
    Rule("biases", "32 bits for each output, left out where no bias is given", 12),
    Rule("biases of zero",
        "from runtime 13 on, a convolution or matrix does without biases that are all zero", 4),
    Rule("biases of zero kept",
        "depthwise convolutions, and all layers up to runtime 12, keep biases of zero", 7),
    Rule("a scale for each channel",
        "where outputs differ in scale, 32 bits for it and 32 for the weights' zero point", 10),
    Rule("units of different scales",
        "a fully connected layer whose units differ in scale has them filled up to 64", 0,
        published=2),
    Rule("a single output", "a convolution to one output takes a block of 4 outputs, not of 16", 7),
    Rule("few outputs",
        "a convolution to 2, 3 or 4 outputs may take a block of 4 outputs, or one of 16", 0),
    Rule("one channel to many", "a depthwise convolution of one channel is stored as a convolution",
        2),
    Rule("several outputs a channel",
        "a depthwise convolution of a multiplier above 1 may need more than a diagonal", 0),
    Rule("weights on a map",
        "a matrix that reads a map has the channels of every pixel filled up to 4", 1),
    Rule("transposed convolution",
        "the phases of the stride may be stored singly, their taps filled up", 0),
    Rule(
        "LSTM weights", "a matrix for each gate; what else the gates need was never seen alone", 0),
    Rule("blocks stay whole",
        "channels in multiples of 4 are stored in whole blocks, which a RESHAPE only renames", 7),
    Rule("the host sends one channel",
        "an input of one channel, or to one, that is reshaped first is sent by the host as it is "
        "after that: the compiled program's input has the later shape", 2),
    Rule("pixels packed in groups",
        "channels that fill no block of 4 are packed by a matrix over as many pixels of a row as "
        "give a multiple of 16 values", 1),
    Rule("pixels packed at once",
        "where a row has no such groups, one matrix packs all pixels that become a vector", 2,
        published=1),
    Rule("outputs spread for a RESHAPE",
        "a convolution before a RESHAPE to fewer channels puts its outputs into blocks of 4", 1),
    Rule("channels split by a RESHAPE",
        "fewer channels than before, behind no convolution, may need a matrix", 0),
    Rule(
        "channels added by PAD", "padding in the channels is a product with an identity matrix", 1),
    Rule("whole blocks joined", "a CONCATENATION of multiples of 16 channels only places them", 3),
    Rule("parts of blocks joined",
        "a CONCATENATION of channels that fill no block of 4 is a product with a matrix; of "
        "multiples of 4 it may be one", 2),
    Rule("channels cut or reordered",
        "cutting, packing or transposing channels may be a product with a matrix", 1),
    Rule("masked softmax",
        "from runtime 13 on, a SOFTMAX of values that do not fill blocks of 4 masks the rest of "
        "the last: 3 words a value, 4 values to 64 bytes; of whole blocks it needs none", 4),
    Rule("a constant for each channel",
        "a constant of an element-wise operator is stored as 32-bit words, 4 to 64 bytes", 1),
    Rule("a constant map",
        "a constant of a map's size is stored in bytes, or as a word for each value", 0),
    Rule("no parameters", "the operator computes with activations only", 22),
    Rule(UNSEEN, "it may be a product with a matrix of its channels", 0),
)  # fmt: skip

RULES = {rule.name: rule for rule in _DECLARED}
"""Every rule by its name."""

PUBLISHED = {rule.name: rule.published for rule in _DECLARED if rule.published}
"""In how many models that users published layer by layer each rule was seen."""


@dataclass(frozen=True)
class Sum:
    """Bytes of parameters, of one operator or of several."""

    bytes: int
    low: int
    high: int

    @classmethod
    def of(cls, size: int) -> Sum:
        """Return bytes that are known to the byte."""
        return cls(size, size, size)

    @property
    def is_known(self) -> bool:
        """Return whether the bounds lie within ``FAR`` of the prediction, or within ``NEAR``."""
        most = max(self.bytes - self.low, self.high - self.bytes)
        return most <= max(self.bytes * FAR, NEAR)


@dataclass(frozen=True)
class Part(Sum):
    """Bytes that an operator's parameters take by one rule."""

    rule: Rule

    def to_dict(self) -> dict[str, Any]:
        """Return the part as plain data, ready for JSON."""
        return {
            "bytes": self.bytes,
            "high": self.high,
            "low": self.low,
            "mechanism": self.rule.mechanism,
            "rule": self.rule.name,
            "seen_in_models": self.rule.seen_in_models,
        }


def exactly(rule: str, size: int) -> Part:
    """Return bytes that a rule gives to the byte."""
    return Part(size, size, size, RULES[rule])


def between(rule: str, size: int, *others: int) -> Part:
    """Return bytes by a rule that may not apply, and those of the other ways to do the same."""
    return Part(size, min(size, *others), max(size, *others), RULES[rule])


def total(parts: Iterable[Part]) -> Sum:
    """Return the sum of parts, and of their bounds."""
    listed = list(parts)
    sizes = ([getattr(part, name) for part in listed] for name in ("bytes", "low", "high"))
    return Sum(*map(sum, sizes))


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
    """Return the bytes of a matrix, and of the words of each output: bias, scale, zero point.

    The inputs that each output is summed from are filled up to blocks already.
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
