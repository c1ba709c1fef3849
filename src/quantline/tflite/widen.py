"""Conversion of half precision and sparse storage to dense float32.

Exporters store weights as float16 with a DEQUANTIZE behind each that widens them when the model
runs, and pruned weights as a sparse tensor with a DENSIFY. Both are ways to store, and no part of
what the model computes: float16 and bfloat16 values are exact in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from quantline.tflite.edit import pack
from quantline.tflite.editor import Editor, indices
from quantline.tflite.runtime import Runtime

_TYPES = schema.TensorType
_HALF = {_TYPES.FLOAT16, _TYPES.BFLOAT16}
_COPIES = {"DEQUANTIZE", "CAST", "DENSIFY"}


def has_half_or_sparse(model: Any) -> bool:
    """Return True if a model (``ModelT``) holds half precision or sparse tensors."""
    return any(
        tensor.type in _HALF or tensor.sparsity is not None
        for subgraph in model.subgraphs
        for tensor in subgraph.tensors or ()
    )


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
