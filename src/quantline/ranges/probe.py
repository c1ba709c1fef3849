"""Probes: operators in the graph that reduce each activation to a few numbers.

Probed activations need not leave the graph. XNNPACK reuses the activations' memory as it would
without them, and reduces them on the spot; reading them all from Python instead costs more than the
inference itself in a network like MobileNet v2.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from quantline.tflite.edit import pack_with_shared_data
from quantline.tflite.editor import Editor

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from quantline.tflite import Tensor

REDUCTIONS = ("REDUCE_MIN", "REDUCE_MAX", "SUM")
_LARGE = 1 << 14


@dataclass(frozen=True)
class Probed:
    """A model with probes in it.

    Attributes:
        content: The ``.tflite`` file's bytes. Its first output holds the minima of some tensors,
            then all maxima and all sums, each of shape (batch,); its second has shape
            (batch, n_values).
        minima: The positions of the tensors that have their minimum there.
        picks: The indices of the second output's values that enter the sketches.
        widths: The number of them that belong to each tensor.
        floored: The positions of the other tensors, and the slice of the picked values of each.
    """

    content: bytes
    minima: np.ndarray
    picks: np.ndarray
    widths: tuple[int, ...]
    floored: dict[int, slice]


def probe(
    model: bytes,
    tensors: Sequence[Tensor],
    sketch_values: int | None,
    floored: Collection[int] = (),
) -> Probed:
    """Put probes into the main subgraph, and make their results its only outputs.

    A tensor of few values enters its sketch whole. Of a larger one, evenly spaced values of evenly
    spaced slices along the dimension before the last do: of columns of an image, in all channels.

    Args:
        model: A ``.tflite`` file's bytes.
        tensors: Float32 tensors of its main subgraph; all sizes but the first are known.
        sketch_values: About how many values of a tensor enter its sketch; None: all.
        floored: Tensors, by index, whose minimum is known where one of their values is 0; they get
            no probe for it where they are large.
    """
    minima = [
        at
        for at, tensor in enumerate(tensors)
        if tensor.index not in floored or tensor.size < _LARGE
    ]
    writer = _Writer(Editor(model))
    extremes: dict[str, list[int]] = {kind: [] for kind in REDUCTIONS}
    slices: list[int] = []
    picks: list[np.ndarray] = []
    start = 0
    for at, tensor in enumerate(tensors):
        writer.follow(tensor.index)
        source, shape = tensor.index, (1, *tensor.shape[1:])
        if len(shape) < 2 or tensor.shape[0] not in (1, -1):  # no batch comes first
            shape = (1, tensor.size)
            source = writer.reshape(source, shape)
        for kind in REDUCTIONS:
            if kind != "REDUCE_MIN" or at in minima:
                extremes[kind].append(writer.reduce(kind, source, len(shape)))
        width = 0
        for begin, size in _slices(shape, sketch_values):
            part = writer.slice(source, begin, size) if size != shape else source
            width += prod(size[1:])
            slices.append(writer.reshape(part, (-1, prod(size[1:]))))
        picks.append(np.arange(start, start + width, spacing(width, sketch_values)))
        start += width
    numbers = [index for kind in REDUCTIONS for index in extremes[kind]]
    content = pack_with_shared_data(writer.finish(numbers, slices), model)
    widths = tuple(len(pick) for pick in picks)
    ends = np.cumsum(widths).tolist()
    others = set(range(len(tensors))) - set(minima)
    spans = {at: slice(ends[at] - widths[at], ends[at]) for at in sorted(others)}
    return Probed(content, np.asarray(minima, int), np.concatenate(picks), widths, spans)


def spacing(size: int, limit: int | None) -> int:
    """Return the step between the values that enter a sketch.

    A prime that does not divide the size meets every row and every channel.
    """
    if limit is None or size <= limit:
        return 1
    step = -(-size // limit)
    while size % step == 0 or any(step % index == 0 for index in range(2, int(step**0.5) + 1)):
        step += 1
    return step


def _slices(
    shape: tuple[int, ...], limit: int | None
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return (begin, size) of the slices that enter the sketch."""
    values = prod(shape[1:])
    whole = [((0,) * len(shape), shape)]
    if limit is None or values <= limit or len(shape) < 3:
        return whole
    axis = len(shape) - 2
    # A single row of a sequence would be one of its positions; a column of an image is many.
    count = max(8 if axis == 1 else 1, limit * shape[axis] // values)
    count = min(count, shape[axis])
    size = tuple(1 if at == axis else value for at, value in enumerate(shape))
    places = ((np.arange(count) + 0.5) * shape[axis] / count).astype(int).tolist()
    return [(tuple(place if at == axis else 0 for at in range(len(shape))), size)
            for place in places]  # fmt: skip


class _Writer:
    """Adds operators to the main subgraph of a model.

    Each runs right after the one whose result it reads, while that is still in the caches, and
    lets its memory be used again; together at the end they would keep every activation alive.
    """

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        self.subgraph = editor.subgraphs[0]
        self._given = list(self.subgraph.operators)
        self._places = {int(index): at for at, operator in enumerate(self._given)
                        for index in operator.outputs}  # fmt: skip
        self._place = 0
        self._added: list[tuple[int, Any]] = []
        self._codes: dict[str, int] = {}
        self._constants: dict[bytes, int] = {}

    def follow(self, tensor: int) -> None:
        """Insert further operators right after the one that writes this tensor."""
        self._place = self._places.get(tensor, -1)  # an input is there before any operator

    def finish(self, *outputs: list[int]) -> Any:
        """Concatenate tensors to each of the model's only outputs, and return the model."""
        self._place = len(self._given)
        joined = [self.concatenate(parts) for parts in outputs]
        self.subgraph.outputs = np.asarray(joined, np.int32)
        self._editor.tree.signatureDefs = None
        ordered = sorted([*enumerate(self._given), *self._added], key=lambda item: item[0])
        self.subgraph.operators = [operator for _, operator in ordered]
        return self._editor.tree

    def reshape(self, source: int, shape: tuple[int, ...]) -> int:
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        target = tuple(1 if size < 0 else size for size in shape)
        return self._add("RESHAPE", [source, self._constant(shape)], target, options)

    def reduce(self, kind: str, source: int, rank: int) -> int:
        inputs = [source, self._constant(range(1, rank))]
        return self._add(kind, inputs, (1,), schema.ReducerOptionsT())

    def slice(self, source: int, begin: tuple[int, ...], size: tuple[int, ...]) -> int:
        inputs = [source, self._constant(begin), self._constant((-1, *size[1:]))]
        return self._add("SLICE", inputs, size, schema.SliceOptionsT())

    def concatenate(self, parts: list[int]) -> int:
        options = schema.ConcatenationOptionsT()
        shapes = [self.subgraph.tensors[index].shape for index in parts]
        options.axis = len(shapes[0]) - 1
        total = sum(int(shape[-1]) for shape in shapes)
        return self._add("CONCATENATION", parts, (*shapes[0][:-1], total), options)

    def _add(self, kind: str, inputs: list[int], shape: tuple[int, ...], options: Any) -> int:
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(kind)
        operator.inputs = inputs
        operator.outputs = [self._tensor(shape, schema.TensorType.FLOAT32, 0)]
        # Whatever the file says, the batch may be another when the model runs.
        self.subgraph.tensors[-1].shapeSignature = [-1, *shape[1:]]
        operator.builtinOptions = options
        name = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        self._added.append((self._place, operator))
        return int(operator.outputs[0])

    def _code(self, kind: str) -> int:
        if kind not in self._codes:
            self._codes[kind] = self._editor.add_code(getattr(schema.BuiltinOperator, kind))
        return self._codes[kind]

    def _constant(self, values: Sequence[int] | range) -> int:
        stored = np.asarray(values, np.int32)
        content = stored.tobytes()
        if content not in self._constants:
            buffer = self._editor.add_buffer(stored)
            self._constants[content] = self._tensor(stored.shape, schema.TensorType.INT32, buffer)
        return self._constants[content]

    def _tensor(self, shape: tuple[int, ...], dtype: int, buffer: int) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = list(shape), dtype, buffer
        tensor.name = b"probe"
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1
