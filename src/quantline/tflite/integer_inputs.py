"""Integer inputs in place of float inputs that a model casts to integers at once."""

from __future__ import annotations

from typing import Any

from ai_edge_litert import schema_py_generated as schema

from quantline.tflite.editor import Editor

_INTEGERS = {schema.TensorType.INT32: "int32", schema.TensorType.INT64: "int64"}
# They move values and compute none, and have kernels for every integer type.
_MOVES = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "STRIDED_SLICE", "SLICE"}


def with_integer_inputs(model: bytes) -> tuple[bytes, dict[int, str]]:
    """Return the model with integers where float inputs were only read to be cast to integers.

    The model uses the integers alone, so the two compute the same: CAST rounds towards zero, as a
    conversion of a float sample to an integer does. Operators that move
    values may lie between the input and the CAST.

    Returns:
        The model, and the new dtypes by the inputs' positions in the main subgraph.
    """
    editor = Editor(model)
    subgraph = editor.subgraphs[0]
    readers: dict[int, list[Any]] = {}
    for operator in subgraph.operators or ():
        for index in dict.fromkeys(int(index) for index in operator.inputs):
            readers.setdefault(index, []).append(operator)
    outputs = {int(index) for index in subgraph.outputs}
    changed: dict[int, str] = {}
    for position, index in enumerate(int(index) for index in subgraph.inputs):
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
    """Follow a tensor over operators that move values to those that cast it.

    Returns:
        The tensors between, and the CAST operators; None where something else reads a value.
    """
    moved: list[int] = []
    casts: list[Any] = []
    ahead = [index]
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
