"""The sizes and types of inputs, where a model leaves some open or examples have others.

The shape of the examples decides: see :func:`quantline.quantization.interface.whole_shape`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from quantline.quantization.interface import batch_of
from quantline.quantization.parity import inputs_of
from quantline.tflite import read
from quantline.tflite.rewrites import with_integer_inputs
from quantline.tflite.static_shapes import COUNTED, with_input_shapes

if TYPE_CHECKING:
    import numpy as np

    from quantline.tflite import Graph

Shapes = Mapping[str, tuple[int, ...]]


def has_open_sizes(graph: Graph) -> bool:
    """Return True if sizes are open that do not follow from the batch, or seem to.

    Of what gives as many values as it finds, as a non-max suppression does, the first size is open
    too, and is no batch.
    """
    batches = {tensor.shape[:1] for tensor in inputs_of(graph).values()}
    return any(operator.type in COUNTED for operator in graph.main.operators) or any(
        -1 in tensor.shape[1:] or (tensor.shape[:1] == (-1,) and (-1,) not in batches)
        for tensor in graph.main.tensors
    )


def resized(model: bytes, shapes: Shapes, samples: Mapping[str, np.ndarray]) -> bytes:
    """Return a ``.tflite`` model with inputs of these shapes; this runs in a child process.

    Args:
        model: The file's bytes.
        shapes: Each input's whole shape, by name.
        samples: array of shape (n_examples, ...) for each input, by name.

    Raises:
        ModelUnsupported: The model cannot be run at these sizes.
    """
    graph = read(model)
    names = {tensor.index: name for name, tensor in inputs_of(graph).items()}
    order = [names[index] for index in graph.main.inputs]
    values = [batch_of(samples[name], 0, shapes[name]) for name in order]
    return with_input_shapes(model, [shapes[name] for name in order], values)


def with_integers(model: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a ``.tflite`` model with integer inputs where it only cast them to integers.

    Args:
        model: The file's bytes.

    Returns:
        The model, and a sentence for each input that is an integer now.
    """
    edited, integers = with_integer_inputs(model)
    graph = read(edited)
    names = {tensor.index: name for name, tensor in inputs_of(graph).items()}
    return edited, tuple(
        f"the input '{names[graph.main.inputs[place]]}' is {dtype}, as the model only casts it to "
        f"{dtype}"
        for place, dtype in integers.items()
    )


def describe_shapes(before: Shapes, after: Shapes) -> tuple[str, ...]:
    """Return a sentence for each input whose shape, except an open batch, the examples decided.

    Args:
        before: Each input's shape as the model was exported, -1 for a size left open, by name.
        after: Its shape as it is imported.
    """
    return tuple(
        f"the input '{name}' is {list(after[name])}, after the examples; exported with "
        f"{list(shape)}, where -1 is any size"
        for name, shape in before.items()
        if shape[1:] != after[name][1:] or shape[:1] not in ((-1,), after[name][:1])
        or (shape[:1] == (-1,) and after[name][0] != 1)
    )  # fmt: skip
