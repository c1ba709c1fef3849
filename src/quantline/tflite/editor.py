"""Edits of a ``.tflite`` model's tensors, constants and operators, in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from quantline.tflite.consistency import OPERATORS, type_number
from quantline.tflite.edit import pack
from quantline.tflite.graph import parse, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_LAST_OLD_OPERATOR = 127  # the deprecated field for an operator's type holds no more


class Editor:
    """A model opened for editing.

    Attributes:
        tree: The schema's mutable object tree (``ModelT``).
    """

    def __init__(self, model: bytes) -> None:
        """Open a model, known to be readable."""
        self.tree = parse(model)
        self._size = len(model)
        self._stored: dict[bytes, int] = {}

    @property
    def subgraphs(self) -> list[Any]:
        """The model's subgraphs (``SubGraphT``)."""
        return list(self.tree.subgraphs)

    def pack(self) -> bytes:
        """Return the edited model's bytes."""
        return pack(self.tree, self._size)

    # Operators

    def type_of(self, operator: Any) -> str:
        """Return an operator's schema name, such as ``CONV_2D``, or a custom operator's own."""
        code = self.tree.operatorCodes[operator.opcodeIndex]
        name = OPERATORS.get(type_number(code), "")
        return text(code.customCode) if name == "CUSTOM" else name

    def raise_version(self, operator: Any, version: int) -> None:
        """Make the version at least this one, of all operators of this operator's type.

        TensorFlow too gives every operator of a type the highest version that one of them needs.
        """
        builtin = type_number(self.tree.operatorCodes[operator.opcodeIndex])
        for code in self.tree.operatorCodes:
            if type_number(code) == builtin:
                code.version = max(code.version, version)

    def operator(
        self, kind: str, version: int, inputs: Sequence[int], outputs: Sequence[int]
    ) -> Any:
        """Return a new operator without options, to be put in its place by the caller."""
        operator = schema.OperatorT()
        builtin = getattr(schema.BuiltinOperator, kind)
        known = [(type_number(code), code.version) for code in self.tree.operatorCodes]
        is_known = (builtin, version) in known
        operator.opcodeIndex = (
            known.index((builtin, version)) if is_known else self.add_code(builtin, version)
        )
        operator.inputs, operator.outputs = indices(inputs), indices(outputs)
        return operator

    def add_code(self, builtin: int, version: int = 1) -> int:
        """Add an operator code; return its index."""
        code = schema.OperatorCodeT()
        code.builtinCode, code.version = builtin, version
        code.deprecatedBuiltinCode = min(builtin, _LAST_OLD_OPERATOR)
        self.tree.operatorCodes.append(code)
        return len(self.tree.operatorCodes) - 1

    def bypass(self, number: int, sources: Mapping[int, int], removed: Iterable[Any]) -> None:
        """Remove operators from a subgraph; their readers read ``sources[output]`` instead."""
        subgraph = self.tree.subgraphs[number]
        removed_ids = {id(operator) for operator in removed}
        kept = [operator for operator in subgraph.operators if id(operator) not in removed_ids]
        subgraph.operators = kept

        def source(index: int) -> int:
            while index in sources:
                index = sources[index]
            return index

        for operator in subgraph.operators:
            operator.inputs = _mapped(operator.inputs, source)
        subgraph.outputs = _mapped(subgraph.outputs, source)
        for signature in self.tree.signatureDefs or ():
            if signature.subgraphIndex == number:
                for entry in signature.outputs or ():
                    entry.tensorIndex = source(entry.tensorIndex)

    # Tensors and constants

    def float_constants(self, subgraph: Any) -> list[tuple[int, list[tuple[Any, int]]]]:
        """Return the float constants that operators read, with readers and positions there."""
        readers: dict[int, list[tuple[Any, int]]] = {}
        for operator in subgraph.operators or ():
            for operand, index in enumerate(numbers(operator.inputs)):
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
        data = np.asarray(self.tree.buffers[tensor.buffer].data, np.uint8)
        return data.view(np.float32).reshape(numbers(tensor.shape))

    def add_tensor(self, subgraph: Any, like: int, dtype: str) -> int:
        """Add a tensor of another's shape that is written when the model runs; return its index."""
        pattern = subgraph.tensors[like]
        tensor = schema.TensorT()
        tensor.shape, tensor.shapeSignature = pattern.shape, pattern.shapeSignature
        tensor.hasRank = pattern.hasRank
        # With the index the names of several companions of one tensor differ.
        tensor.name = (pattern.name or b"") + f";{dtype}_{len(subgraph.tensors)}".encode()
        tensor.type = getattr(schema.TensorType, dtype.upper())
        subgraph.tensors.append(tensor)
        return len(subgraph.tensors) - 1

    def add_constant(self, subgraph: Any, name: bytes | str, values: np.ndarray) -> int:
        """Add a constant tensor; return its index."""
        tensor = schema.TensorT()
        tensor.name, tensor.buffer = name, self.add_buffer(values)
        tensor.type = getattr(schema.TensorType, values.dtype.name.upper())
        tensor.shape = indices(values.shape)
        subgraph.tensors.append(tensor)
        return len(subgraph.tensors) - 1

    def add_buffer(self, values: np.ndarray) -> int:
        """Add a buffer with an array's bytes; return its index."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.tree.buffers.append(buffer)
        return len(self.tree.buffers) - 1

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
            axis: The dimension along which the scales differ.
        """
        tensor = subgraph.tensors[index]
        tensor.type = getattr(schema.TensorType, values.dtype.name.upper())
        content = values.tobytes()
        if content not in self._stored:
            self._stored[content] = self.add_buffer(values)
        tensor.buffer = self._stored[content]
        if scales is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)
            tensor.quantization.quantizedDimension = axis

    # Removal of what nothing names

    def prune(self) -> None:
        """Drop the tensors, operator codes and buffers that nothing names."""
        for number, subgraph in enumerate(self.tree.subgraphs):
            entries = [
                entry
                for signature in self.tree.signatureDefs or ()
                if signature.subgraphIndex == number
                for entry in (*(signature.inputs or ()), *(signature.outputs or ()))
            ]
            fields = [(subgraph, "inputs"), (subgraph, "outputs")]
            fields += [(operator, field) for operator in subgraph.operators or ()
                       for field in ("inputs", "outputs", "intermediates")]  # fmt: skip
            named = {entry.tensorIndex for entry in entries}
            named |= {index for owner, field in fields for index in numbers(getattr(owner, field))}
            used = sorted(named - {-1})
            place = {-1: -1, **{old: new for new, old in enumerate(used)}}
            for owner, field in fields:
                if getattr(owner, field) is not None:
                    setattr(owner, field, _mapped(getattr(owner, field), place.__getitem__))
            for entry in entries:
                entry.tensorIndex = place[entry.tensorIndex]
            subgraph.tensors = [subgraph.tensors[index] for index in used]
        self.drop_codes_and_buffers()
        self.tree.metadataBuffer = None  # the older list of the metadata's buffers, by index

    def drop_codes_and_buffers(self) -> None:
        """Drop the operator codes and buffers that nothing names."""
        tree = self.tree
        operators = [operator for graph in tree.subgraphs for operator in graph.operators or ()]
        tree.operatorCodes = _renumbered(tree.operatorCodes, operators, "opcodeIndex")
        tensors = [tensor for graph in tree.subgraphs for tensor in graph.tensors or ()]
        # Buffer 0 stays: it is the one that stands for no data.
        users = [*tensors, *(tree.metadata or ())]
        tree.buffers = _renumbered(tree.buffers, users, "buffer", always=1)

    def _holds_data(self, tensor: Any) -> bool:
        data = self.tree.buffers[tensor.buffer].data
        return data is not None and len(data) > 0


def indices(values: Iterable[int]) -> np.ndarray:
    """Return indices as the schema's object tree holds them."""
    return np.asarray(list(values), np.int32)


def _renumbered(items: list[Any], users: list[Any], field: str, always: int = 0) -> list[Any]:
    """Return the first items and those that users name in a field; correct the users' indices."""
    used = sorted({*range(always), *(getattr(user, field) for user in users)})
    place = {old: new for new, old in enumerate(used)}
    for user in users:
        setattr(user, field, place[getattr(user, field)])
    return [items[index] for index in used]


def _mapped(values: Any, place: Callable[[int], int]) -> np.ndarray:
    return indices(place(index) for index in numbers(values))


def numbers(values: Any) -> list[int]:
    """Return indices or sizes of the schema's object tree as a list; none where there are none."""
    return [] if values is None else [int(value) for value in values]
