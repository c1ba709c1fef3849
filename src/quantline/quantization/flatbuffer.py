"""Edits of a ``.tflite`` file that change what it stores: new tensors, constants and operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from quantline.tflite.edit import pack
from quantline.tflite.graph import parse
from quantline.tflite.rewire import renumbered

if TYPE_CHECKING:
    from collections.abc import Sequence


_LAST_OLD_OPERATOR = 127  # the deprecated field for an operator's type holds no more


def with_unique_names(model: bytes) -> bytes:
    """Return the model with the index appended to every tensor name that is not unique."""
    edited = parse(model)
    seen: set[bytes] = set()
    for number, subgraph in enumerate(edited.subgraphs):
        for index, tensor in enumerate(subgraph.tensors):
            if (tensor.name or b"") in seen:
                tensor.name = (tensor.name or b"") + f";{number}_{index}".encode()
            seen.add(tensor.name or b"")
    return pack(edited, len(model))


def with_own_buffers(model: bytes) -> bytes:
    """Return the model with a buffer for each constant, where equal ones had shared one.

    TensorFlow's int16x8 quantizer writes into buffers: a float constant of zeros that shares its
    bytes with an index of zero would leave a damaged index behind.
    """
    edited = parse(model)
    taken: set[int] = set()
    for subgraph in edited.subgraphs:
        for tensor in subgraph.tensors:
            if tensor.buffer in taken:
                copy = schema.BufferT()
                copy.data = edited.buffers[tensor.buffer].data
                edited.buffers.append(copy)
                tensor.buffer = len(edited.buffers) - 1
            elif tensor.buffer:
                taken.add(tensor.buffer)
    return pack(edited, len(model))


class Editor:
    """A model opened for editing.

    Attributes:
        subgraphs: The schema's mutable subgraphs (``SubGraphT``).
    """

    def __init__(self, model: bytes) -> None:
        """Open a model.

        Args:
            model: A ``.tflite`` file's bytes, known to be readable.
        """
        self._model = parse(model)
        self._size = len(model)
        self._codes = list(self._model.operatorCodes or ())
        self._stored: dict[bytes, int] = {}
        self.subgraphs = self._model.subgraphs

    def type_of(self, operator: Any) -> str:
        """Return an operator's schema name, such as ``CONV_2D``."""
        return str(_NAMES.get(_number(self._codes[operator.opcodeIndex]), ""))

    def raise_version(self, operator: Any, version: int) -> None:
        """Make the version at least this one, of all operators of this operator's type.

        TensorFlow too gives every operator of a type the highest version that one of them needs.
        """
        builtin = _number(self._codes[operator.opcodeIndex])
        for code in self._codes:
            if _number(code) == builtin:
                code.version = max(code.version, version)

    def operator(
        self, kind: str, version: int, inputs: Sequence[int], outputs: Sequence[int]
    ) -> Any:
        """Return a new operator without options, to be put in its place by the caller."""
        made = schema.OperatorT()
        made.opcodeIndex = self._code(getattr(schema.BuiltinOperator, kind), version)
        made.inputs, made.outputs = np.asarray(inputs, np.int32), np.asarray(outputs, np.int32)
        return made

    def float_constants(self, subgraph: Any) -> list[tuple[int, list[tuple[Any, int]]]]:
        """Return the float constants that operators read.

        Returns:
            For each its tensor index, and who reads it as which of its inputs.
        """
        readers: dict[int, list[tuple[Any, int]]] = {}
        for operator in subgraph.operators or ():
            for operand, index in enumerate(_list(operator.inputs)):
                readers.setdefault(index, []).append((operator, operand))
        return [
            (index, readers[index])
            for index, tensor in enumerate(subgraph.tensors)
            if index in readers
            and tensor.type == schema.TensorType.FLOAT32
            and tensor.sparsity is None
            and self._holds_data(tensor)
        ]

    def values(self, subgraph: Any, index: int) -> np.ndarray:
        """Return a float constant's values, float32, in its shape."""
        tensor = subgraph.tensors[index]
        data = np.asarray(self._model.buffers[tensor.buffer].data, np.uint8)
        return data.view(np.float32).reshape(_list(tensor.shape))

    def add_tensor(self, subgraph: Any, like: int, dtype: str) -> int:
        """Add a tensor of another's shape that is written when the model runs; return its index."""
        pattern = subgraph.tensors[like]
        tensor = schema.TensorT()
        tensor.shape, tensor.shapeSignature = pattern.shape, pattern.shapeSignature
        tensor.hasRank = pattern.hasRank
        # The index keeps names apart where one tensor has several companions.
        tensor.name = (pattern.name or b"") + f";{dtype}_{len(subgraph.tensors)}".encode()
        tensor.type = getattr(schema.TensorType, dtype.upper())
        subgraph.tensors.append(tensor)
        return len(subgraph.tensors) - 1

    def store(
        self,
        subgraph: Any,
        index: int,
        values: np.ndarray,
        scales: np.ndarray | None = None,
        axis: int = 0,
    ) -> None:
        """Make a tensor a constant of these values; equal constants are stored once.

        Args:
            subgraph: The tensor's subgraph.
            index: The tensor.
            values: Its values; their dtype becomes the tensor's.
            scales: float32 array of shape (n_scales,), where it is quantized symmetrically.
            axis: Along which dimension the scales differ.
        """
        tensor = subgraph.tensors[index]
        tensor.type = getattr(schema.TensorType, values.dtype.name.upper())
        content = values.tobytes()
        if content not in self._stored:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(content, np.uint8)
            self._stored[content] = len(self._model.buffers)
            self._model.buffers.append(buffer)
        tensor.buffer = self._stored[content]
        if scales is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)
            tensor.quantization.quantizedDimension = axis

    def pack(self) -> bytes:
        """Return the edited model's bytes, without buffers and operator codes that nothing uses."""
        operators = [
            operator for subgraph in self.subgraphs for operator in subgraph.operators or ()
        ]
        self._model.operatorCodes = renumbered(self._codes, operators, "opcodeIndex")
        tensors = [tensor for subgraph in self.subgraphs for tensor in subgraph.tensors or ()]
        users = [*tensors, *(self._model.metadata or ())]
        # Buffer 0 stays: it is the one that stands for no data.
        self._model.buffers = renumbered(self._model.buffers, users, "buffer", always=1)
        return pack(self._model, self._size)

    def _holds_data(self, tensor: Any) -> bool:
        data = self._model.buffers[tensor.buffer].data
        return data is not None and len(data) > 0

    def _code(self, builtin: int, version: int) -> int:
        for index, code in enumerate(self._codes):
            if (_number(code), code.version) == (builtin, version):
                return index
        code = schema.OperatorCodeT()
        code.builtinCode, code.version = builtin, version
        code.deprecatedBuiltinCode = min(builtin, _LAST_OLD_OPERATOR)
        self._codes.append(code)
        return len(self._codes) - 1


_NAMES = {number: name for name, number in vars(schema.BuiltinOperator).items() if name.isupper()}


def _number(code: Any) -> int:
    # Files from before operator 127 hold the type in the deprecated field only.
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def _list(values: Any) -> list[int]:
    return [] if values is None else [int(value) for value in values]
