"""Composite and custom operators that can be written as builtin ones, written so.

A STABLEHLO_COMPOSITE names a subgraph that computes the same with plain operators. MediaPipe's
Convolution2DTransposeBias is a TRANSPOSE_CONV with a bias; its options are three 32-bit integers,
the padding and the strides of width and height (TensorFlow, ``TfLiteTransposeConvParams``).
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from quantline.tflite.edit import keep_reached, pack
from quantline.tflite.graph import parse, text
from quantline.tflite.operands import OPERATORS, type_number
from quantline.tflite.rewire import prune

COMPOSITE, TRANSPOSED = "STABLEHLO_COMPOSITE", "Convolution2DTransposeBias"
_SAME, _VALID = 1, 2  # TfLitePadding
_BIAS_VERSION = 3


def decomposed(model: bytes) -> tuple[bytes, list[str]]:
    """Return the model with what its composite and known custom operators stand for.

    Args:
        model: A ``.tflite`` file's bytes.

    Returns:
        The model, and the names of the operators that were replaced, one for each.
    """
    tree = parse(model)
    replaced = _inline(tree) + [
        TRANSPOSED
        for subgraph in tree.subgraphs
        for operator in subgraph.operators or ()
        if _kind(tree, operator) == TRANSPOSED and _as_builtin(tree, subgraph, operator)
    ]
    if not replaced:
        return model, []
    prune(tree)
    return pack(tree, len(model)), replaced


def _inline(tree: Any) -> list[str]:
    """Put the operators of each composite's subgraph in its place, in the main subgraph."""
    main, names = tree.subgraphs[0], []
    while places := [at for at, value in enumerate(main.operators or ())
                     if _kind(tree, value) == COMPOSITE]:  # fmt: skip
        composite = main.operators[places[0]]
        options = composite.builtinOptions2
        names.append(f"{COMPOSITE} '{text(options.name)}'")
        body = tree.subgraphs[options.decompositionSubgraphIndex]
        place = dict(zip(_list(body.inputs), _list(composite.inputs), strict=True))
        for inner, outer in zip(_list(body.outputs), _list(composite.outputs), strict=True):
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
        if getattr(moved, field) is not None:
            setattr(moved, field, _array([place[index] for index in _list(getattr(moved, field))]))
    return moved


def _as_builtin(tree: Any, subgraph: Any, operator: Any) -> bool:
    """Turn a transposed convolution of MediaPipe into the builtin operator, if it is as known."""
    said = np.frombuffer(bytes(np.asarray(_options(operator), np.uint8)), "<i4")
    shape = subgraph.tensors[int(operator.outputs[0])].shape
    known = len(said) >= 3 and said[0] in (_SAME, _VALID) and len(operator.inputs) == 3
    if not known or min(shape) < 1:
        return False
    buffer, sizes = schema.BufferT(), schema.TensorT()
    buffer.data = np.frombuffer(np.asarray(shape, "<i4").tobytes(), np.uint8)
    tree.buffers.append(buffer)
    sizes.buffer, sizes.type, sizes.name = len(tree.buffers) - 1, schema.TensorType.INT32, "sizes"
    sizes.shape = _array([len(shape)])
    subgraph.tensors.append(sizes)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.TRANSPOSE_CONV
    code.version = _BIAS_VERSION
    tree.operatorCodes.append(code)
    given, weights, bias = _list(operator.inputs)
    operator.opcodeIndex = len(tree.operatorCodes) - 1
    operator.inputs = _array([len(subgraph.tensors) - 1, weights, given, bias])
    operator.customOptions = None
    options = schema.TransposeConvOptionsT()
    options.padding = schema.Padding.SAME if said[0] == _SAME else schema.Padding.VALID
    options.strideW, options.strideH = int(said[1]), int(said[2])
    operator.builtinOptionsType = schema.BuiltinOptions.TransposeConvOptions
    operator.builtinOptions = options
    return True


def _options(operator: Any) -> Any:
    return () if operator.customOptions is None else operator.customOptions


def _kind(tree: Any, operator: Any) -> str:
    code = tree.operatorCodes[operator.opcodeIndex]
    kind = OPERATORS.get(type_number(code), "")
    return text(code.customCode) if kind == "CUSTOM" else kind


def _list(values: Any) -> list[int]:
    return [int(value) for value in values]


def _array(values: list[int]) -> np.ndarray:
    return np.asarray(values, np.int32)
