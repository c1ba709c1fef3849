"""A ``.tflite`` file as plain values: subgraphs, tensors, operators, signatures.

The names and meanings are those of TensorFlow Lite's flatbuffer schema (``schema.fbs``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMPY = {
    "float32": np.float32, "float16": np.float16, "float64": np.float64, "bool": np.bool_,
    "int8": np.int8, "int16": np.int16, "int32": np.int32, "int64": np.int64,
    "uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64,
}  # fmt: skip
CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE"})
"""Operators that convert real numbers to the integers that stand for them, and back."""


@dataclass(frozen=True)
class Quantization:
    """The map from a tensor's integers to real numbers: ``real = scale * (integer - zero_point)``.

    Attributes:
        scales: One scale, or one for each index along ``axis``; float32.
        zero_points: As many zero points as scales.
        axis: The dimension along which the scales differ; 0 for per-tensor quantization.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int


@dataclass(frozen=True)
class Tensor:
    """One tensor of a subgraph.

    Attributes:
        index: Its number in the subgraph.
        name: Its name; not always unique.
        dtype: The schema's type name in lower case, such as ``int8`` or ``float32``.
        shape: Its shape; a dimension of unknown size is -1.
        constant: The stored bytes of a constant, shape (size_bytes,), uint8; else None.
        is_variable: True if it keeps its value between invocations.
        quantization: Scales and zero points, where it has any.
        is_sparse: True if it is stored as a sparse tensor.
    """

    index: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    constant: np.ndarray | None = field(repr=False)
    is_variable: bool
    quantization: Quantization | None
    is_sparse: bool = False

    @property
    def is_static(self) -> bool:
        """True if every dimension is known before the model runs."""
        return all(size >= 0 for size in self.shape)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one example of an input: without its batch, where that is 1 or unknown."""
        return self.shape[1:] if self.shape[:1] in ((1,), (-1,)) else self.shape

    @property
    def size(self) -> int:
        """The number of values; a dimension of unknown size counts as 1."""
        return prod(abs(size) for size in self.shape)

    def values(self) -> np.ndarray:
        """Return a constant's values in its own dtype and shape.

        Raises:
            ValueError: It is no constant, sparse, or of a dtype that numpy does not have.
        """
        if self.constant is None or self.is_sparse or self.dtype not in _NUMPY:
            raise ValueError(f"tensor {self.index} '{self.name}' has no readable constant")
        return self.constant.view(_NUMPY[self.dtype]).reshape(self.shape)

    def real_values(self) -> np.ndarray:
        """Return a constant's values as the real numbers they stand for, float64.

        Raises:
            ValueError: As for :meth:`values`.
        """
        stored = self.values().astype(np.float64)
        if self.quantization is None:
            return stored
        shape = [1] * stored.ndim
        if len(self.quantization.scales) > 1:
            shape[self.quantization.axis] = -1
        scales, points = (
            np.reshape(item, shape) if stored.ndim else np.asarray(item[0])
            for item in (self.quantization.scales, self.quantization.zero_points)
        )
        return np.asarray((stored - points) * scales)


@dataclass(frozen=True)
class Operator:
    """One operator of a subgraph.

    Attributes:
        index: Its number in the subgraph, in the order of execution.
        type: The schema's name such as ``CONV_2D``; for a custom operator, its custom name.
        is_custom: True for a custom operator.
        version: The operator's version.
        inputs: Indices of its input tensors; -1 for an optional one that is not given.
        outputs: Indices of its output tensors.
        options: The fields of its builtin options, by the schema's Python names.
        intermediates: Indices of tensors that only it uses, such as an LSTM's gates.
        custom_options: The options of a custom operator, in its own format; empty otherwise.
    """

    index: int
    type: str
    is_custom: bool
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any] = field(repr=False)
    intermediates: tuple[int, ...] = ()
    custom_options: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Subgraph:
    """One subgraph: the main one has index 0, control flow has its bodies in the others."""

    index: int
    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def tensors_at(self, indices: Iterable[int]) -> list[Tensor]:
        """Return the tensors at these indices, without optional ones that are not given."""
        return [self.tensors[index] for index in indices if index >= 0]

    @cached_property
    def producers(self) -> dict[int, Operator]:
        """The operator that writes each tensor, by the tensor's index."""
        return {index: operator for operator in self.operators for index in operator.outputs}

    @cached_property
    def consumers(self) -> dict[int, list[Operator]]:
        """The operators that read each tensor, by the tensor's index."""
        found: dict[int, list[Operator]] = {}
        for operator in self.operators:
            for index in dict.fromkeys(operator.inputs):
                found.setdefault(index, []).append(operator)
        return found


@dataclass(frozen=True)
class Signature:
    """A named way to call the model: its inputs and outputs by name, as tensor indices."""

    key: str
    subgraph: int
    inputs: dict[str, int]
    outputs: dict[str, int]


@dataclass(frozen=True)
class Graph:
    """A whole model."""

    subgraphs: tuple[Subgraph, ...]
    signatures: tuple[Signature, ...]
    version: int
    description: str

    @property
    def main(self) -> Subgraph:
        """The subgraph that runs first."""
        return self.subgraphs[0]


def float_operators(graph: Graph) -> list[str]:
    """Return the operator types of a quantized model that compute with floats, sorted."""
    found = {
        operator.type
        for subgraph in graph.subgraphs
        for operator in subgraph.operators
        if operator.type not in CONVERSIONS
        for index in (*operator.inputs, *operator.outputs)
        if index >= 0 and subgraph.tensors[index].dtype == "float32"
    }
    return sorted(found)


def is_integer(dtype: str) -> bool:
    """Return True if a schema dtype name is an integer or a boolean type."""
    return re.fullmatch(r"u?int\d+|bool", dtype) is not None
