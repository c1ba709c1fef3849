"""Rewrites of a float model into forms that quantizers take.

- Composite and custom operators become builtin ones. A STABLEHLO_COMPOSITE names a subgraph that
  computes the same with plain operators. MediaPipe's Convolution2DTransposeBias is a TRANSPOSE_CONV
  with a bias; its options are three 32-bit integers, the padding and the strides of width and
  height (TensorFlow, ``TfLiteTransposeConvParams``).
- Float inputs that a model casts to integers at once become integer inputs.
- Half precision and sparse storage become dense float32. Exporters store weights as float16 with a
  DEQUANTIZE behind each that widens them when the model runs, and pruned weights as a sparse tensor
  with a DENSIFY. Both are ways to store, and no part of what the model computes: float16 and
  bfloat16 values are exact in float32.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from quantline.tflite.edit import keep_reached, pack
from quantline.tflite.editor import Editor, indices, numbers
from quantline.tflite.graph import text
from quantline.tflite.runtime import Runtime

COMPOSITE, TRANSPOSED = "STABLEHLO_COMPOSITE", "Convolution2DTransposeBias"
_SAME, _VALID = 1, 2  # TfLitePadding
_BIAS_VERSION = 3


def with_builtin_operators(model: bytes) -> tuple[bytes, list[str]]:
    """Return the model with builtin operators for others, and the names of those replaced."""
    editor = Editor(model)
    replaced = _inline(editor) + [
        TRANSPOSED
        for subgraph in editor.tree.subgraphs
        for operator in subgraph.operators or ()
        if editor.type_of(operator) == TRANSPOSED and _as_builtin(editor, subgraph, operator)
    ]
    if not replaced:
        return model, []
    editor.prune()
    return editor.pack(), replaced


def _inline(editor: Editor) -> list[str]:
    """Put the operators of each composite's subgraph in its place, in the main subgraph."""
    tree = editor.tree
    main, names = tree.subgraphs[0], []
    while places := [at for at, value in enumerate(main.operators or ())
                     if editor.type_of(value) == COMPOSITE]:  # fmt: skip
        composite = main.operators[places[0]]
        options = composite.builtinOptions2
        names.append(f"{COMPOSITE} '{text(options.name)}'")
        body = tree.subgraphs[options.decompositionSubgraphIndex]
        place = dict(zip(numbers(body.inputs), numbers(composite.inputs), strict=True))
        for inner, outer in zip(numbers(body.outputs), numbers(composite.outputs), strict=True):
            place.setdefault(inner, outer)
        for index, tensor in enumerate(body.tensors):
            if index not in place:
                main.tensors.append(copy(tensor))
                place[index] = len(main.tensors) - 1
        inlined = [_moved(operator, {-1: -1, **place}) for operator in body.operators or ()]
        main.operators[places[0] : places[0] + 1] = inlined
    if names:
        keep_reached(tree, 0)
    return names


def _moved(operator: Any, place: dict[int, int]) -> Any:
    moved = copy(operator)
    for field in ("inputs", "outputs", "intermediates"):
        if (old := getattr(moved, field)) is not None:
            setattr(moved, field, indices(place[index] for index in numbers(old)))
    return moved


def _as_builtin(editor: Editor, subgraph: Any, operator: Any) -> bool:
    """Turn a transposed convolution of MediaPipe into the builtin operator, if it is as known."""
    stored = () if operator.customOptions is None else operator.customOptions
    values = np.frombuffer(bytes(np.asarray(stored, np.uint8)), "<i4")
    shape = subgraph.tensors[int(operator.outputs[0])].shape
    known = len(values) >= 3 and values[0] in (_SAME, _VALID) and len(operator.inputs) == 3
    if not known or min(shape) < 1:
        return False
    sizes = editor.add_constant(subgraph, "sizes", np.asarray(shape, "<i4"))
    given, weights, bias = numbers(operator.inputs)
    operator.opcodeIndex = editor.add_code(schema.BuiltinOperator.TRANSPOSE_CONV, _BIAS_VERSION)
    operator.inputs = indices([sizes, weights, given, bias])
    operator.customOptions = None
    options = schema.TransposeConvOptionsT()
    options.padding = schema.Padding.SAME if values[0] == _SAME else schema.Padding.VALID
    options.strideW, options.strideH = int(values[1]), int(values[2])
    operator.builtinOptionsType = schema.BuiltinOptions.TransposeConvOptions
    operator.builtinOptions = options
    return True


_INTEGERS = {schema.TensorType.INT32: "int32", schema.TensorType.INT64: "int64"}
# They move values and compute none, and have kernels for every integer type.
_MOVES = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "STRIDED_SLICE", "SLICE"}


def with_integer_inputs(model: bytes) -> tuple[bytes, dict[int, str]]:
    """Return the model with integers where float inputs were only read to be cast to integers.

    The model uses the integers alone, so the two compute the same: CAST rounds towards zero, as a
    conversion of a float sample to an integer does. Operators that move values may lie between the
    input and the CAST. The new dtypes come by the inputs' positions in the main subgraph.
    """
    editor = Editor(model)
    subgraph = editor.subgraphs[0]
    readers: dict[int, list[Any]] = {}
    for operator in subgraph.operators or ():
        for index in dict.fromkeys(numbers(operator.inputs)):
            readers.setdefault(index, []).append(operator)
    outputs = set(numbers(subgraph.outputs))
    changed: dict[int, str] = {}
    for position, index in enumerate(numbers(subgraph.inputs)):
        reached = _until_cast(editor, index, readers, outputs)
        if subgraph.tensors[index].type != schema.TensorType.FLOAT32 or not reached:
            continue
        moved, casts = reached
        types = {subgraph.tensors[int(cast.outputs[0])].type for cast in casts}
        if len(types) != 1 or not types <= _INTEGERS.keys() or not casts:
            continue
        (integer,) = types
        for tensor in (index, *moved):
            subgraph.tensors[tensor].type = integer
        if not any(int(cast.outputs[0]) in outputs for cast in casts):
            sources = {int(cast.outputs[0]): int(cast.inputs[0]) for cast in casts}
            editor.bypass(0, sources, casts)
        changed[position] = _INTEGERS[integer]
    if not changed:
        return model, {}
    editor.prune()
    return editor.pack(), changed


def _until_cast(
    editor: Editor, index: int, readers: dict[int, list[Any]], outputs: set[int]
) -> tuple[list[int], list[Any]] | None:
    """Follow a tensor to the operators that cast it; None where something else reads a value."""
    moved, casts, ahead = list[int](), list[Any](), [index]
    while ahead:
        tensor = ahead.pop()
        if tensor in outputs:
            return None
        for operator in readers.get(tensor, ()):
            kind = editor.type_of(operator)
            if kind == "CAST":
                casts.append(operator)
            elif kind in _MOVES and int(operator.inputs[0]) == tensor:
                moved.append(int(operator.outputs[0]))
                ahead.append(moved[-1])
            else:
                return None
    return moved, casts


_TYPES = schema.TensorType
_HALF = {_TYPES.FLOAT16, _TYPES.BFLOAT16}
_COPIES = {"DEQUANTIZE", "CAST", "DENSIFY"}


def has_half_or_sparse(model: Any) -> bool:
    """Return True if a model (``ModelT``) holds half precision or sparse tensors."""
    tensors = [tensor for subgraph in model.subgraphs for tensor in subgraph.tensors or ()]
    return any(tensor.type in _HALF or tensor.sparsity is not None for tensor in tensors)


def widened(model: bytes) -> bytes:
    """Return the model with every float16, bfloat16 and sparse tensor as a dense float32 one.

    The operators that widened and densified them are left out. Where a model computes with float16
    and not only stores it, the result computes with float32: it is more exact than the file.
    It must have no quantized tensors. This runs DENSIFY.
    """
    editor = Editor(model)
    widened: dict[tuple[int, int], int] = {}
    for tensor in [tensor for subgraph in editor.subgraphs for tensor in subgraph.tensors]:
        if tensor.sparsity is not None:
            tensor.buffer = editor.add_buffer(_dense(editor.tree, tensor))
            tensor.sparsity = None
    for tensor in [tensor for subgraph in editor.subgraphs for tensor in subgraph.tensors]:
        if tensor.type in _HALF:
            data = editor.tree.buffers[tensor.buffer].data
            if data is not None and len(data):
                key = (tensor.buffer, tensor.type)
                if key not in widened:
                    widened[key] = editor.add_buffer(_as_float32(np.asarray(data), tensor.type))
                tensor.buffer = widened[key]
            tensor.type = _TYPES.FLOAT32
    for number in range(len(editor.subgraphs)):
        _leave_out_copies(editor, number)
    editor.prune()
    return editor.pack()


def _leave_out_copies(editor: Editor, number: int) -> None:
    """Remove the operators whose output is their input, now that both are float32 and dense."""
    subgraph = editor.subgraphs[number]
    sources, removed = {}, []
    for operator in subgraph.operators or ():
        kind = editor.type_of(operator)
        if kind not in _COPIES:
            continue
        source, target = int(operator.inputs[0]), int(operator.outputs[0])
        types = {subgraph.tensors[index].type for index in (source, target)}
        if kind == "CAST" and operator.builtinOptions is not None:
            operator.builtinOptions.inDataType = subgraph.tensors[source].type
            operator.builtinOptions.outDataType = subgraph.tensors[target].type
        is_whole_model = source in subgraph.inputs and target in subgraph.outputs
        if types == {_TYPES.FLOAT32} and not is_whole_model:
            sources[target] = source
            removed.append(operator)
    if removed:
        editor.bypass(number, sources, removed)


def _as_float32(stored: np.ndarray, kind: int) -> np.ndarray:
    if kind == _TYPES.FLOAT16:
        return stored.view(np.float16).astype(np.float32)
    return (stored.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def _dense(tree: Any, tensor: Any) -> np.ndarray:
    """Return a sparse constant's values in full, as the runtime's DENSIFY gives them."""
    model = schema.ModelT()
    model.version = tree.version
    model.buffers = [schema.BufferT(), tree.buffers[tensor.buffer]]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DENSIFY
    code.version = 1
    model.operatorCodes = [code]
    sparse, full = schema.TensorT(), schema.TensorT()
    sparse.sparsity, sparse.buffer = tensor.sparsity, 1
    for value, name in ((sparse, "sparse"), (full, "full")):
        value.shape, value.type, value.name = tensor.shape, tensor.type, name
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = indices([0]), indices([1])
    operator.builtinOptionsType = schema.BuiltinOptions.DensifyOptions
    operator.builtinOptions = schema.DensifyOptionsT()
    subgraph = schema.SubGraphT()
    subgraph.tensors, subgraph.operators = [sparse, full], [operator]
    subgraph.inputs, subgraph.outputs = indices([]), indices([1])
    model.subgraphs = [subgraph]
    runtime = Runtime(pack(model, 1 << 16), 1, "builtin")
    runtime.invoke()
    return runtime.get()[0]
