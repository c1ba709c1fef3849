"""A check that the parts of an unpacked model fit each other, so that readers may rely on it.

Numbers that name something else name something that is there, stored values fill their tensor's
shape, and operators have the operands that they cannot do without. On these conditions TensorFlow
Lite's own interpreter takes a model (``interpreter_builder.cc``, ``subgraph.cc``); what else its
kernels demand is not among them.
"""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from quantline.tflite.verify import Damage, within

if TYPE_CHECKING:
    from collections.abc import Iterable


OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}

# The least number of inputs and outputs, which kernels check before anything else (``NumInputs``
# and ``NumOutputs`` in ``tensorflow/lite/kernels``). Those that are not named take one.
_INPUTS = {
    0: "CALL CALL_ONCE CUSTOM DELEGATE HASHTABLE STABLEHLO_COMPOSITE STABLEHLO_CUSTOM_CALL "
    "STABLEHLO_IOTA STABLEHLO_WHILE VAR_HANDLE WHILE",
    2: "ADD ARG_MAX ARG_MIN ASSIGN_VARIABLE ATAN2 BATCH_MATMUL BITWISE_XOR BROADCAST_ARGS "
    "BROADCAST_TO CONV_2D CONV_3D CUMSUM DEPTHWISE_CONV_2D DIV EMBEDDING_LOOKUP EQUAL EXPAND_DIMS "
    "FILL FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL LESS "
    "LESS_EQUAL LOGICAL_AND LOGICAL_OR MATRIX_SET_DIAG MAXIMUM MEAN MINIMUM MIRROR_PAD MUL "
    "MULTINOMIAL NOT_EQUAL PAD POW PRELU REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD "
    "RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_SEQUENCE REVERSE_V2 RFFT2D RIGHT_SHIFT "
    "SEGMENT_SUM SPLIT SQUARED_DIFFERENCE SUB SUM TILE TOPK_V2 TRANSPOSE",
    3: "BATCH_TO_SPACE_ND CONV_3D_TRANSPOSE DYNAMIC_UPDATE_SLICE HASHTABLE_FIND HASHTABLE_IMPORT "
    "PADV2 RANGE SCATTER_ND SELECT SELECT_V2 SLICE SPACE_TO_BATCH_ND SPLIT_V TRANSPOSE_CONV "
    "UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM",
    4: "ONE_HOT SPARSE_TO_DENSE STRIDED_SLICE",
    5: "LSTM NON_MAX_SUPPRESSION_V4 RNN SVDF UNIDIRECTIONAL_SEQUENCE_RNN",
    6: "NON_MAX_SUPPRESSION_V5",
    20: "UNIDIRECTIONAL_SEQUENCE_LSTM",
}
# Those that are not named give one.
_NO_OUTPUTS = (
    "ASSIGN_VARIABLE CALL CALL_ONCE CUSTOM DELEGATE HASHTABLE_IMPORT IF STABLEHLO_CASE "
    "STABLEHLO_COMPOSITE STABLEHLO_CUSTOM_CALL STABLEHLO_WHILE WHILE"
)

_FEWEST_INPUTS = {name: count for count, names in _INPUTS.items() for name in names.split()}
_FEWEST_OUTPUTS = dict.fromkeys(_NO_OUTPUTS.split(), 0)
_MOST_REQUIRED = 4  # of recurrent operators, many inputs are optional


def type_number(code: Any) -> int:
    """Return the number of the type of an operator code (``OperatorCodeT``)."""
    # Files from before operator 127 hold it in the deprecated field only.
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def fewest_inputs(operator: str) -> int:
    """Return the least number of inputs of an operator type, optional ones among them."""
    return _FEWEST_INPUTS.get(operator, 1)


def required_inputs(operator: str) -> int:
    """Return the number of first inputs of an operator that are not optional."""
    fewest = fewest_inputs(operator)
    return fewest if fewest <= _MOST_REQUIRED else 1


def fewest_outputs(operator: str) -> int:
    """Return the least number of outputs of an operator."""
    return _FEWEST_OUTPUTS.get(operator, 1)


DTYPES = {value: name.lower() for name, value in vars(schema.TensorType).items() if name.isupper()}

# The bits of a value; texts and handles have no fixed size.
_BITS = {
    value: int(digits[0])
    for value, dtype in DTYPES.items()
    if (digits := re.search(r"\d+", dtype.replace("bool", "bool8")))
}
_MOST_DIMENSIONS = 64  # numpy's own limit; kernels take eight at most
_MOST_BYTES = 2**63 - 1  # of a signed size
# How often constants may be used by several tensors, in sizes of the file: signatures of one model
# share its weights, and checks look at each tensor's.
_SHARING = 64


def stored(buffer: Any, model: bytes) -> np.ndarray | None:
    """Return the bytes that a buffer (``BufferT``) holds, uint8, or None where it holds none.

    They are in its table or, for models above 2 GB, elsewhere in the file (``Buffer.offset``, where
    0 and 1 stand for none), of which the array is a view.

    Raises:
        Damage: Their place is beyond the end of the file.
    """
    return _inside_or_behind(buffer.data, buffer.offset, buffer.size, model)


def custom_options(operator: Any, model: bytes) -> np.ndarray | None:
    """Return the options of a custom operator (``OperatorT``), uint8, or None where it has none.

    They too may lie elsewhere in the file (``Operator.large_custom_options_offset``).

    Raises:
        Damage: Their place is beyond the end of the file.
    """
    offset, size = operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize
    return _inside_or_behind(operator.customOptions, offset, size, model)


def _inside_or_behind(data: Any, offset: int, size: int, model: bytes) -> np.ndarray | None:
    if data is not None:
        return np.asarray(data, np.uint8) if len(data) else None
    if offset <= 1:
        return None
    if offset + size > len(model):
        found = f"{size:,} bytes at byte {offset:,} of {len(model):,}"
        raise Damage(found, "bytes within the file")
    return np.frombuffer(model, np.uint8, size, offset) if size else None


def check_consistency(model: Any, content: bytes) -> None:
    """Check that the parts of an unpacked model (``ModelT``) fit each other.

    Raises:
        Damage: Some do not.
    """
    if not model.subgraphs:
        raise Damage("no subgraph", "at least one")
    sizes = []
    for place, buffer in enumerate(model.buffers or ()):
        with within(f"buffers[{place}]"):
            held = stored(buffer, content)
            sizes.append(0 if held is None or place == 0 else len(held))
    used = 0
    for place, subgraph in enumerate(model.subgraphs):
        with within(f"subgraphs[{place}]"):
            used += _subgraph(model, subgraph, sizes, content)
    if used > _SHARING * len(content):
        found = f"tensors with {used:,} bytes of constants in all, in a file of {len(content):,}"
        raise Damage(found, f"tensors that share what is stored up to {_SHARING} times")
    for place, signature in enumerate(model.signatureDefs or ()):
        with within(f"signature_defs[{place}]"):
            _index([signature.subgraphIndex], len(model.subgraphs), "subgraph_index")
            tensors = len(model.subgraphs[signature.subgraphIndex].tensors or ())
            for field in ("inputs", "outputs"):
                items = getattr(signature, field) or ()
                _index((item.tensorIndex for item in items), tensors, field)
    for place, entry in enumerate(model.metadata or ()):
        _index([entry.buffer], len(sizes), f"metadata[{place}]", "buffer")


def _subgraph(model: Any, subgraph: Any, sizes: list[int], content: bytes) -> int:
    """Check a subgraph; return how many bytes of constants its tensors have."""
    tensors = subgraph.tensors or ()
    used = 0
    for place, tensor in enumerate(tensors):
        with within(f"tensors[{place}]"):
            _index([tensor.buffer], len(sizes), "buffer")
            _shape(tensor)
            _quantization(tensor)
            used += sizes[tensor.buffer]
            if sizes[tensor.buffer]:
                _constant(tensor, sizes[tensor.buffer])
    for field in ("inputs", "outputs"):
        _index(_numbers(getattr(subgraph, field)), len(tensors), field)
    for place, operator in enumerate(subgraph.operators or ()):
        with within(f"operators[{place}]"):
            custom_options(operator, content)
            _index([operator.opcodeIndex], len(model.operatorCodes or ()), "opcode_index")
            _operands(operator, model.operatorCodes[operator.opcodeIndex], len(tensors))
            _called(operator, len(model.subgraphs))
    return used


def _operands(operator: Any, code: Any, tensors: int) -> None:
    kind = OPERATORS.get(type_number(code), "CUSTOM")  # of one of a newer schema nothing is known
    inputs, outputs = _numbers(operator.inputs), _numbers(operator.outputs)
    required = required_inputs(kind)
    _index(inputs[:required], tensors, "inputs")
    for field in ("inputs", "intermediates"):  # -1 is an optional one that is missing
        _index((at for at in _numbers(getattr(operator, field)) if at != -1), tensors, field)
    _index(outputs, tensors, "outputs")
    sides = (("inputs", inputs, fewest_inputs(kind)), ("outputs", outputs, fewest_outputs(kind)))
    for field, given, fewest in sides:
        if len(given) < fewest:
            raise Damage(f"{len(given)} {field} of {kind}", f"{fewest} or more", field)


def _called(operator: Any, subgraphs: int) -> None:
    """Check the subgraphs that an operator's options, such as those of WHILE, name."""
    both = (operator.builtinOptions, operator.builtinOptions2)
    for name, options in zip(("builtin_options", "builtin_options2"), both, strict=True):
        for field, value in vars(options).items() if options is not None else ():
            if "subgraph" in field.lower() and value is not None:
                given = (item for item in np.atleast_1d(value).tolist() if item != -1)
                _index(given, subgraphs, name, field)


def _shape(tensor: Any) -> None:
    shape, signature = _numbers(tensor.shape), _numbers(tensor.shapeSignature)
    for name, sizes in (("shape", shape), ("shape_signature", signature)):
        if len(sizes) > _MOST_DIMENSIONS or any(size < -1 for size in sizes):
            expected = f"at most {_MOST_DIMENSIONS} dimensions, and -1 for one of unknown size"
            raise Damage(f"{len(sizes)} dimensions, the smallest {min(sizes)}", expected, name)
    if tensor.type not in DTYPES:
        raise Damage(str(tensor.type), f"a type from 0 to {max(DTYPES)}", "type")
    if prod(abs(size) for size in shape) * _BITS.get(tensor.type, 8) // 8 > _MOST_BYTES:
        raise Damage(f"{shape}", f"a tensor of at most {_MOST_BYTES:,} bytes", "shape")
    # An empty signature stands for none.
    if signature and (
        len(signature) != len(shape)
        or any(unknown not in (-1, size) for unknown, size in zip(signature, shape, strict=True))
    ):
        found = f"{signature} for the shape {shape}"
        raise Damage(found, "the shape, with -1 for dimensions of unknown size", "shape_signature")


def _quantization(tensor: Any) -> None:
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or len(quantization.scale) == 0:
        return
    scales, axis = len(quantization.scale), quantization.quantizedDimension
    shape = _numbers(tensor.shape)
    if quantization.zeroPoint is not None and len(quantization.zeroPoint) != scales:
        found = f"{len(quantization.zeroPoint):,} zero points for {scales:,} scales"
        raise Damage(found, "as many of both", "quantization")
    # The first texts of the specification have the scales of a depthwise bias along dimension 3.
    if axis < 0 or (len(shape) > 1 and axis >= len(shape)):
        found = f"{axis} for a tensor of {len(shape)} dimensions"
        raise Damage(found, "one of its dimensions", "quantization", "quantized_dimension")
    if scales != 1 and shape and scales != shape[axis if len(shape) > 1 else 0]:
        found = f"{scales:,} scales along dimension {axis} of {shape}"
        raise Damage(found, "one, or one for each index along it", "quantization", "scale")


def _constant(tensor: Any, size: int) -> None:
    """Check that a constant's bytes are as many as its shape and its type need."""
    bits = _BITS.get(tensor.type)
    if bits is None or tensor.sparsity is not None:
        return
    shape = _numbers(tensor.shape)
    if any(item < 0 for item in shape):
        raise Damage(f"{shape} for a constant", "a shape without unknown dimensions", "shape")
    needed = -(-prod(shape) * bits // 8)
    if needed != size:
        expected = f"{needed:,} bytes, for {DTYPES[tensor.type]} of shape {shape}"
        raise Damage(f"a constant of {size:,} bytes", expected, "buffer")


def _numbers(values: Any) -> list[int]:
    return [] if values is None else values.tolist()


def _index(values: Iterable[int], count: int, *path: str) -> None:
    for value in values:
        if not 0 <= value < count:
            raise Damage(f"index {value}", f"0 to {count - 1}" if count else "none", *path)
