"""Replacement of composite and custom operators by builtin ones.

A STABLEHLO_COMPOSITE names a subgraph that computes the same with plain operators. MediaPipe's
Convolution2DTransposeBias is a TRANSPOSE_CONV with a bias; its options are three 32-bit integers,
the padding and the strides of width and height (TensorFlow, ``TfLiteTransposeConvParams``).
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from quantline.tflite.edit import keep_reached
from quantline.tflite.editor import Editor, indices
from quantline.tflite.graph import text

COMPOSITE, TRANSPOSED = "STABLEHLO_COMPOSITE", "Convolution2DTransposeBias"
_SAME, _VALID = 1, 2  # TfLitePadding
_BIAS_VERSION = 3


def with_builtin_operators(model: bytes) -> tuple[bytes, list[str]]:
    """Return the model with builtin operators for its composite and known custom ones.

    Returns:
        The model, and the names of the operators that were replaced, one for each.
    """
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
            setattr(moved, field, indices([place[index] for index in _list(getattr(moved, field))]))
    return moved


def _as_builtin(editor: Editor, subgraph: Any, operator: Any) -> bool:
    """Turn a transposed convolution of MediaPipe into the builtin operator, if it is as known."""
    values = np.frombuffer(bytes(np.asarray(_options(operator), np.uint8)), "<i4")
    shape = subgraph.tensors[int(operator.outputs[0])].shape
    known = len(values) >= 3 and values[0] in (_SAME, _VALID) and len(operator.inputs) == 3
    if not known or min(shape) < 1:
        return False
    sizes = editor.add_constant(subgraph, "sizes", np.asarray(shape, "<i4"))
    given, weights, bias = _list(operator.inputs)
    operator.opcodeIndex = editor.add_code(schema.BuiltinOperator.TRANSPOSE_CONV, _BIAS_VERSION)
    operator.inputs = indices([sizes, weights, given, bias])
    operator.customOptions = None
    options = schema.TransposeConvOptionsT()
    options.padding = schema.Padding.SAME if values[0] == _SAME else schema.Padding.VALID
    options.strideW, options.strideH = int(values[1]), int(values[2])
    operator.builtinOptionsType = schema.BuiltinOptions.TransposeConvOptions
    operator.builtinOptions = options
    return True


def _options(operator: Any) -> Any:
    return () if operator.customOptions is None else operator.customOptions


def _list(values: Any) -> list[int]:
    return [int(value) for value in values]
