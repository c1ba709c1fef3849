"""Fixed sizes of a model's inputs, and of all tensors whose sizes follow from them.

The model is run once at the new sizes, and the shapes that the runtime allocated are written into
the file. Values that follow from sizes alone, such as the target of a RESHAPE, become constants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.tflite.editor import Editor, indices
from quantline.tflite.graph import Operator, Subgraph, read
from quantline.tflite.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Sequence


# Which of an operator's inputs give sizes, and which begin with the batch's where they are stored.
_SIZES = {
    "BROADCAST_TO": (1,), "EXPAND_DIMS": (1,), "FILL": (0,), "MIRROR_PAD": (1,),
    "NON_MAX_SUPPRESSION_V4": (2,), "NON_MAX_SUPPRESSION_V5": (2,), "ONE_HOT": (1,), "PAD": (1,),
    "PADV2": (1,), "RANGE": (0, 1, 2), "RESHAPE": (1,), "RESIZE_BILINEAR": (1,),
    "RESIZE_NEAREST_NEIGHBOR": (1,), "SCATTER_ND": (2,), "SLICE": (1, 2), "SPARSE_TO_DENSE": (1,),
    "STRIDED_SLICE": (1, 2, 3), "TILE": (1,), "TOPK_V2": (1,), "TRANSPOSE_CONV": (0,),
}  # fmt: skip
_BATCH_FIRST = {"BROADCAST_TO": 1, "FILL": 0, "RESHAPE": 1, "SCATTER_ND": 2, "SLICE": 2,
                "STRIDED_SLICE": 2, "TRANSPOSE_CONV": 0}  # fmt: skip
# How many values these give depends on the values that they are given, or may do so.
_BY_VALUES = {"WHERE", "UNIQUE"}
COUNTED = _BY_VALUES | {"NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "RANGE"}
_NOT_FOLDED = {"CALL", "CALL_ONCE", "DEQUANTIZE", "HASHTABLE", "IF", "MULTINOMIAL", "QUANTIZE",
               "RANDOM_STANDARD_NORMAL", "RANDOM_UNIFORM", "READ_VARIABLE", "STABLEHLO_COMPOSITE",
               "VAR_HANDLE", "WHILE"}  # fmt: skip
_MOST_FOLDED = 1 << 16  # values of a tensor; a larger one would make the file grow


def with_input_shapes(
    model: bytes, shapes: Sequence[tuple[int, ...]], values: Sequence[np.ndarray]
) -> bytes:
    """Return the model with inputs of other sizes, and with all sizes known that can be.

    Unknown stays the size of what depends on values, such as the boxes that a threshold leaves.
    The batch of stored sizes, as in a RESHAPE to (4, 100), follows that of the first input.

    Args:
        model: A ``.tflite`` file's bytes. This runs them, so a child process calls it.
        shapes: Each input's whole shape, in the order of the main subgraph's inputs.
        values: An example of each input, of these shapes.

    Raises:
        ModelUnsupported: The model cannot be run at these sizes.
    """
    editor = Editor(model)
    main = editor.subgraphs[0]
    first = main.tensors[int(main.inputs[0])]
    before = int(first.shape[0]) if first.shape is not None and len(first.shape) else 0
    after = shapes[0][0] if shapes[0] else 0
    if before != after:
        _rebatch(editor, read(model).main, before, after)
    ready = editor.pack()
    graph = read(ready).main
    with_all = Runtime(ready, 1, "builtin", keep_all=True)
    with_all.resize(*shapes)
    given = zip(values, with_all.inputs, strict=True)
    with_all.set(*(value.astype(port.dtype) for value, port in given))
    with_all.invoke()
    found = with_all.shapes()
    known, counted = _classified(graph)
    for index, tensor in enumerate(main.tensors):
        if index in counted or index not in found or graph.tensors[index].constant is not None:
            continue
        tensor.shape = indices(found[index])
        tensor.shapeSignature = None
    _fold(editor, graph, known, with_all)
    editor.prune()
    return editor.pack()


def _rebatch(editor: Editor, graph: Subgraph, before: int, after: int) -> None:
    """Let stored sizes, and the variables that a model keeps, begin with another batch."""
    main = editor.subgraphs[0]
    for operator, given in zip(graph.operators, main.operators, strict=True):
        place = _BATCH_FIRST.get(operator.type)
        if operator.type == "RESHAPE" and given.builtinOptions is not None:
            sizes = given.builtinOptions.newShape
            if sizes is not None and len(sizes):
                given.builtinOptions.newShape = _batched(np.array(sizes), before, after, free=True)
        if place is None or place >= len(operator.inputs):
            continue
        tensor = graph.tensors[operator.inputs[place]]
        if tensor.constant is None or tensor.dtype != "int32" or not tensor.size:
            continue
        sizes = _batched(tensor.values().copy(), before, after, free=operator.type == "RESHAPE")
        given.inputs = np.array(given.inputs)
        given.inputs[place] = _constant(editor, main, operator.inputs[place], sizes)
    for tensor in main.tensors:
        if tensor.isVariable and len(tensor.shape) and tensor.shape[0] == before:
            tensor.shape = indices([after, *tensor.shape[1:]])


def _batched(sizes: np.ndarray, before: int, after: int, *, free: bool) -> np.ndarray:
    """Return sizes whose first is the new batch; a RESHAPE may leave it to be worked out."""
    if sizes.ndim == 1 and len(sizes):
        if free and before and (sizes > 0).all() and sizes[0] % before == 0:
            sizes[0] = -1
        elif sizes[0] == before:
            sizes[0] = after
    return sizes


def _classified(graph: Subgraph) -> tuple[set[int], set[int]]:
    """Return the tensors that follow from sizes and constants alone, and those of unknown size."""
    known = {tensor.index for tensor in graph.tensors if tensor.constant is not None}
    counted: set[int] = set()
    for operator in graph.operators:
        inputs = [index for index in operator.inputs if index >= 0]
        unknown = any(
            operator.inputs[place] not in known
            for place in _SIZES.get(operator.type, ())
            if place < len(operator.inputs)
        )
        if operator.type in _BY_VALUES or unknown or counted & set(inputs):
            counted.update(operator.outputs)
        elif operator.type in {"SHAPE", "RANK"} or _follows(operator, inputs, known):
            known.update(operator.outputs)
    return known, counted


def _follows(operator: Operator, inputs: list[int], known: set[int]) -> bool:
    plain = not operator.is_custom and operator.type not in _NOT_FOLDED
    return plain and bool(inputs) and known >= set(inputs)


def _fold(editor: Editor, graph: Subgraph, known: set[int], runtime: Runtime) -> None:
    """Store what follows from sizes alone, and drop the operators that computed it."""
    main = editor.subgraphs[0]
    folded = [
        operator
        for operator in graph.operators
        if known >= set(operator.outputs)
        and not set(operator.outputs) & set(graph.outputs)
        and all(runtime.tensor(index).size <= _MOST_FOLDED for index in operator.outputs)
    ]
    outputs = {index for operator in folded for index in operator.outputs}
    dropped = {operator.index for operator in folded}
    kept = [operator for operator in graph.operators if operator.index not in dropped]
    for index in outputs & {index for operator in kept for index in operator.inputs}:
        _set(editor, main.tensors[index], runtime.tensor(index))
    main.operators = [main.operators[operator.index] for operator in kept]


def _constant(editor: Editor, main: Any, like: int, values: np.ndarray) -> int:
    index = editor.add_constant(main, main.tensors[like].name, values)
    main.tensors[index].type = main.tensors[like].type
    return index


def _set(editor: Editor, tensor: Any, values: np.ndarray) -> None:
    tensor.buffer = editor.add_buffer(values)
    tensor.shape, tensor.shapeSignature = indices(values.shape), None
