"""Changes that an import makes to a model, and the sentences that describe them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from quantline.errors import MismatchError, first_few
from quantline.quantization.interface import batch_of
from quantline.quantization.parity import inputs_of
from quantline.tflite import read
from quantline.tflite.graph import parse
from quantline.tflite.rewrites import with_integer_inputs
from quantline.tflite.static_shapes import COUNTED, with_input_shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    Raises:
        ModelUnsupported: The model cannot be run at these sizes.
    """
    graph = read(model)
    names = {tensor.index: name for name, tensor in inputs_of(graph).items()}
    order = [names[index] for index in graph.main.inputs]
    values = [batch_of(samples[name], 0, shapes[name]) for name in order]
    return with_input_shapes(model, [shapes[name] for name in order], values)


def with_integers(model: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a model with integer inputs where it only cast them, and a sentence for each."""
    edited, integers = with_integer_inputs(model)
    graph = read(edited)
    names = {tensor.index: name for name, tensor in inputs_of(graph).items()}
    return edited, tuple(
        f"the input '{names[graph.main.inputs[place]]}' is {dtype}, as the model only casts it to "
        f"{dtype}"
        for place, dtype in integers.items()
    )


def describe_shapes(before: Shapes, after: Shapes) -> tuple[str, ...]:
    """Return a sentence for each input whose shape, except an open batch, the examples decided."""
    return tuple(
        f"the input '{name}' is {list(after[name])}, after the examples; exported with "
        f"{list(shape)}, where -1 is any size"
        for name, shape in before.items()
        if shape[1:] != after[name][1:] or shape[:1] not in ((-1,), after[name][:1])
        or (shape[:1] == (-1,) and after[name][0] != 1)
    )  # fmt: skip


Outputs = list[dict[str, "np.ndarray"]]
# The distance from 1 to the next number of a type.
_SPACING = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
_MOST_SPACINGS = 32


def widening(path: str, types: Sequence[str], narrow: Outputs, wide: Outputs) -> str:
    """Check a model that was rebuilt in float32 against the original, and describe the change.

    Each operator of the original rounds its result by up to half a spacing of its type, and the
    rebuilt model does not; errors of many operators, as independent as these, grow with the square
    root of their number. Thirty-two spacings are those of some thousand.
    """
    allowed = _MOST_SPACINGS * max(_SPACING[kind] for kind in types)
    worst = max(_difference(narrow, wide, name) for name in wide[0])
    if not worst <= allowed:
        raise MismatchError(
            f"'{path}', rebuilt in float32, and the original in {' and '.join(types)} disagree",
            found=f"outputs that differ by up to {worst:.3g} of the largest value",
            expected=f"at most {allowed:.3g}, which rounding explains",
            remedy="The original overflows or depends on its own rounding: save it with the "
            "dtype policy 'float32', and check what it computes there",
        )
    return (
        f"computed in float32 instead of {' and '.join(types)}: outputs differ by up to "
        f"{worst:.1g} of the largest value (measured)"
    )


def unrolling(layers: Sequence[str], content: bytes) -> str:
    """Describe recurrent layers that were written out step by step."""
    weights = sum(
        0 if buffer.data is None else len(buffer.data) for buffer in parse(content).buffers
    )
    names = first_few([f"'{name}'" for name in layers], 3)
    return (
        f"{names} written out step by step, as no integer kernel runs a loop: "
        f"{len(read(content).main.operators)} operators, {len(content) / 1024:.1f} KiB of which "
        f"{weights / 1024:.1f} KiB are constants (parsed)"
    )


def _difference(narrow: Sequence[Mapping[str, np.ndarray]], wide: Outputs, name: str) -> float:
    """Return the largest difference of an output, as a share of its largest magnitude."""
    pairs = [(before[name].astype(np.float64), after[name].astype(np.float64))
             for before, after in zip(narrow, wide, strict=True)]  # fmt: skip
    largest = max(float(np.abs(before).max(initial=0)) for before, _ in pairs)
    with np.errstate(invalid="ignore"):
        return float(
            np.max([np.abs(before - after).max(initial=0) for before, after in pairs])
        ) / max(largest, 1e-12)
