"""Reading a ``.tflite`` file, of any origin, into plain values or the schema's object tree."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from quantline.errors import ModelError, ModelUnreadable
from quantline.files import sha256
from quantline.tflite.consistency import (
    DTYPES,
    OPERATORS,
    check_consistency,
    custom_options,
    stored,
    type_number,
)
from quantline.tflite.values import (
    CONVERSIONS,
    Graph,
    Operator,
    Quantization,
    Signature,
    Subgraph,
    Tensor,
    float_operators,
    is_integer,
)
from quantline.tflite.verify import Damage, verify

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CONVERSIONS", "IDENTIFIER", "Graph", "Model", "Operator", "Quantization", "Signature",
    "Subgraph", "Tensor", "float_operators", "is_integer", "parse", "read", "text",
]  # fmt: skip

IDENTIFIER = b"TFL3"

# Files given in place of a .tflite file: their first bytes, their kind, and the remedy.
_OTHER_FORMATS = (
    (
        b"PK\x03\x04",
        "a zip file",
        "If it is a Keras 3 model, name it .keras; if it is an archive, unpack the model first",
    ),
    (b"\x89HDF", "an HDF5 file", "If it is a Keras model, name it .h5"),
    (b"\x1f\x8b", "a gzip file", "Unpack it first"),
    (b"version https://git-lfs", "a pointer of Git LFS", "Fetch the file itself: git lfs pull"),
    (b"<", "a page of HTML or XML", "Download the file itself, and not the page that shows it"),
    (b"{", "a JSON file", "Give the model itself, and not a description of it"),
)


def read(model: bytes, name: str = "the model") -> Graph:
    """Read a ``.tflite`` file's content, once it is known to hold together.

    Every index in it names something that is there, and every constant fills its tensor's shape.

    Args:
        model: The file's bytes.
        name: The model's name in errors.

    Raises:
        ModelError: There are no bytes.
        ModelUnreadable: The bytes are not a whole ``.tflite`` file.
    """
    if not model:
        raise ModelError(
            f"{name} is empty",
            found="0 bytes",
            expected="a .tflite file",
            remedy="Write or copy the file again",
        )
    if model[4:8] != IDENTIFIER:
        raise _another_format(model, name)
    try:
        verify(model)
        tree = schema.ModelT.InitFromPackedBuf(bytes(model), 0)
        check_consistency(tree, model)
    except Damage as damage:
        raise ModelUnreadable(
            f"{name} is a damaged .tflite file",
            found=f"{damage.where}: {damage.found}",
            expected=damage.expected,
            remedy="Copy it again, as it may have been cut off, or write it with another tool",
        ) from damage
    return _graph(tree, model)


def _another_format(model: bytes, name: str) -> ModelUnreadable:
    what = f"{name} is not a .tflite file"
    remedy = "Give the path of a .tflite file, a Keras 3 .keras file or a SavedModel folder"
    for start, kind, advice in _OTHER_FORMATS:
        if model.startswith(start):
            what, remedy = f"{name} is {kind}, not a .tflite file", advice
    return ModelUnreadable(
        what,
        found=f"{len(model):,} bytes that begin with {bytes(model[:8])!r}",
        expected="the file identifier TFL3 at byte 4",
        remedy=remedy,
    )


def parse(model: bytes) -> Any:
    """Return the schema's mutable object tree (``ModelT``) of a readable model, for editing.

    Constants and custom options that the file holds behind its tables are in the tree too: packed
    anew, they would no longer be where the tables say.
    """
    content = bytes(model)
    tree = schema.ModelT.InitFromPackedBuf(content, 0)
    for buffer in tree.buffers or ():
        buffer.data = stored(buffer, content)
        buffer.offset = buffer.size = 0
    for subgraph in tree.subgraphs:
        for operator in subgraph.operators or ():
            operator.customOptions = custom_options(operator, content)
            operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0
    return tree


def _graph(model: Any, content: bytes) -> Graph:
    codes = [_operator_code(code) for code in model.operatorCodes or ()]
    constants = [stored(buffer, content) for buffer in model.buffers or ()]
    subgraphs = tuple(
        _subgraph(index, subgraph, constants, codes, content)
        for index, subgraph in enumerate(model.subgraphs)
    )
    signatures = tuple(
        Signature(
            key=text(signaturedef.signatureKey),
            subgraph=signaturedef.subgraphIndex,
            inputs={text(item.name): item.tensorIndex for item in signaturedef.inputs or ()},
            outputs={text(item.name): item.tensorIndex for item in signaturedef.outputs or ()},
        )
        for signaturedef in model.signatureDefs or ()
    )
    return Graph(subgraphs, signatures, model.version, text(model.description))


def _operator_code(code: Any) -> tuple[str, bool, int]:
    kind = type_number(code)
    if kind == schema.BuiltinOperator.CUSTOM:
        return text(code.customCode), True, code.version
    return OPERATORS.get(kind, f"UNKNOWN_{kind}"), False, code.version


def _subgraph(
    index: int,
    subgraph: Any,
    constants: Sequence[np.ndarray | None],
    codes: Sequence[tuple[str, bool, int]],
    content: bytes,
) -> Subgraph:
    listed = enumerate(subgraph.tensors or ())
    tensors = tuple(_tensor(number, tensor, constants) for number, tensor in listed)
    operators = []
    for number, operator in enumerate(subgraph.operators or ()):
        kind, is_custom, version = codes[operator.opcodeIndex]
        operators.append(
            Operator(
                index=number,
                type=kind,
                is_custom=is_custom,
                version=version,
                inputs=_numbers(operator.inputs),
                outputs=_numbers(operator.outputs),
                options=_options(operator.builtinOptions) | _options(operator.builtinOptions2),
                intermediates=_numbers(operator.intermediates),
                custom_options=_bytes(custom_options(operator, content)),
            )
        )
    return Subgraph(
        index=index,
        name=text(subgraph.name),
        tensors=tensors,
        operators=tuple(operators),
        inputs=_numbers(subgraph.inputs),
        outputs=_numbers(subgraph.outputs),
    )


def _tensor(index: int, tensor: Any, constants: Sequence[np.ndarray | None]) -> Tensor:
    # Buffer 0 is empty by convention: tensors without stored values name it.
    constant = constants[tensor.buffer] if tensor.buffer else None
    return Tensor(
        index=index,
        name=text(tensor.name),
        dtype=DTYPES[tensor.type],
        # The signature says which dimensions are unknown; those of a constant are known.
        shape=(constant is None and _numbers(tensor.shapeSignature)) or _numbers(tensor.shape),
        constant=constant,
        is_variable=bool(tensor.isVariable),
        quantization=_quantization(tensor.quantization, tensor.shape),
        is_sparse=tensor.sparsity is not None,
    )


def _quantization(quantization: Any, shape: Any) -> Quantization | None:
    if quantization is None or quantization.scale is None or len(quantization.scale) == 0:
        return None
    zero_points = quantization.zeroPoint
    scales = tuple(quantization.scale.tolist())
    return Quantization(
        scales=scales,
        zero_points=(0,) * len(scales) if zero_points is None else tuple(zero_points.tolist()),
        # One dimension can only be meant itself, whichever of the weights' is named.
        axis=quantization.quantizedDimension if len(_numbers(shape)) > 1 else 0,
    )


def _numbers(values: np.ndarray | None) -> tuple[int, ...]:
    return () if values is None else tuple(values.tolist())


def _bytes(values: np.ndarray | None) -> bytes:
    return b"" if values is None else np.asarray(values, np.uint8).tobytes()


def _options(options: Any) -> dict[str, Any]:
    return {} if options is None else dict(vars(options))


def text(value: bytes | str | None) -> str:
    """Return a text of the object tree, with invalid UTF-8 replaced."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value or ""


@dataclass(frozen=True)
class Model:
    """A ``.tflite`` file in memory.

    Attributes:
        content: The file's bytes.
        name: Its name in errors.
    """

    content: bytes = field(repr=False)
    name: str = field(default="the model", compare=False)

    @cached_property
    def graph(self) -> Graph:
        """The file's content as a graph.

        Raises:
            ModelError: There are no bytes.
            ModelUnreadable: The bytes are not a whole ``.tflite`` file.
        """
        return read(self.content, self.name)

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the bytes, in hexadecimal digits."""
        return sha256(self.content)

    def __reduce__(self) -> tuple[type[Model], tuple[bytes, str]]:
        """Pickle the bytes alone: another process parses them itself."""
        return Model, (self.content, self.name)
