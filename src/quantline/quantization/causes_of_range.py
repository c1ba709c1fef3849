"""Causes of a lost output: one scale for values of very different ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantline.quantization.layer_pairs import BETWEEN, LINEAR, Found, Surroundings
from quantline.quantization.output_noise import STEPS
from quantline.quantization.output_parts import MOVES, moved, sources_of

if TYPE_CHECKING:
    from quantline.tflite import Graph, Operator

_JOINS = {
    "CONCATENATION", "PACK", "ADD", "SUB", "ADD_N", "MAXIMUM", "MINIMUM", "SELECT", "SELECT_V2",
    "PADV2",
}  # fmt: skip
_CHOOSERS = {"SELECT", "SELECT_V2"}  # their first operand is a condition
_BIASED = {"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"}
_SOFT = {"SOFTMAX", "LOGISTIC"}
_SMALLER_MASK = (
    "Mask with a number as small as will do, such as -30 for a SOFTMAX of values within [-10, 10]: "
    "e to that power is 0 as well"
)
_OUT_OF_MODEL = (
    "Take the constant out of the model and put it in afterwards, or bring it into the range of "
    "the rest"
)
_MASK = 1e3  # times as large as the masked values
_BULK = (0.05, 99.95)  # percentiles


def join(look: Surroundings, suspect: int) -> Found | None:
    """Explain a join of values of very different ranges, at the layer or behind it."""
    producer = look.producers.get(suspect)
    joins = [producer] if producer is not None and producer.type in _JOINS else []
    behind = look.ahead(suspect, _JOINS, MOVES)
    joins += [] if behind is None else [behind]
    # What moves the values of a join has the join's scale.
    for source in sources_of(look.graph, suspect):
        at = look.producers.get(source)
        joins += [at] if at is not None and at.type in _JOINS else []
    waiting = [suspect]
    if producer is not None and producer.type in LINEAR:
        waiting += [index for index in producer.inputs[:1] if look.is_float(index)]
    for tensor in waiting:  # grows while it is walked
        operator = look.producers.get(tensor)
        if operator is not None and moved(operator):
            joins += [operator] if operator.type in _JOINS else []
            waiting += [source for source in moved(operator) if source not in waiting]
    for operator in joins:
        found = _different_ranges(look, operator)
        if found is not None:
            return found
    return None


def constant_offset(graph: Graph, index: int) -> int | None:
    """Return the constant that is added last to a tensor's values, such as a layer's bias."""
    for source in sources_of(graph, index):
        producer = graph.main.producers.get(source)
        if producer is None or producer.type not in {"ADD", "SUB", *_BIASED}:
            continue
        operands = producer.inputs[2:3] if producer.type in _BIASED else producer.inputs
        for operand in operands:
            if operand >= 0 and graph.main.tensors[operand].constant is not None:
                return operand
    return None


def offset(look: Surroundings, suspect: int) -> Found | None:
    """Explain a constant that lifts a tensor far from zero, which its range has to reach."""
    constant = constant_offset(look.graph, suspect)
    if constant is None:
        return None
    low, high = look.range(suspect)
    steps = 256 * (high - low) / look.width(suspect) if look.width(suspect) else 256.0
    if steps >= STEPS:
        return None
    added = look.range(constant)
    found = (
        f"{look.name(suspect)} is in [{low:.6g}, {high:.6g}], with a constant of "
        f"{max(added, key=abs):.4g} added last: a scale that reaches zero leaves what varies "
        f"{steps:.2g} of 256 steps"
    )
    remedy = (
        "Take the constant out of the model and add it to its output, such as the mean of what "
        "a regression predicts"
    )
    return "constant", suspect, found, remedy


def channels(look: Surroundings, suspect: int) -> Found | None:
    """Explain channels of one layer with very different ranges."""
    values = look.values(suspect)
    rows = values.reshape(-1, values.shape[-1])
    widths = np.maximum(rows.max(0), 0) - np.minimum(rows.min(0), 0)
    steps = 256 * widths / look.width(suspect) if look.width(suspect) else widths + 256
    narrow = np.flatnonzero((rows.max(0) > rows.min(0)) & (steps < STEPS))
    if not len(narrow) or len(widths) < 2:
        return None
    least, largest = int(narrow[np.argmin(steps[narrow])]), int(np.argmax(widths))
    ends = [f"[{rows[:, at].min():.4g}, {rows[:, at].max():.4g}]" for at in (least, largest)]
    bias = constant_offset(look.graph, suspect)
    if bias is not None and np.ptp(rows[:, largest]) < widths[largest] / _MASK:
        return _biased(look, suspect, (least, largest), ends, float(steps[least]))
    found = (
        f"{look.name(suspect)} gives channels of very different ranges: channel {least} is in "
        f"{ends[0]}, channel {largest} in {ends[1]}: with one scale for both, the first fills "
        f"{steps[least]:.2g} of 256 steps; {len(narrow)} of {len(widths)} channels fill less than "
        f"{STEPS}"
    )
    remedy = (
        "Train with targets of one range, or give these channels a layer and an output of their own"
    )
    return "channels", suspect, found, remedy


def _biased(
    look: Surroundings, suspect: int, channels: tuple[int, int], ends: list[str], steps: float
) -> Found:
    """Explain a constant that is added to some channels only, such as a mask that was folded in."""
    least, largest = channels
    found = (
        f"a constant is added to {look.name(suspect)}, which puts channel {largest} in {ends[1]}, "
        f"while channel {least} is in {ends[0]}: with one scale for both, the second fills "
        f"{steps:.2g} of 256 steps"
    )
    if look.range(suspect)[0] < 0 and look.ahead(suspect, _SOFT, BETWEEN | _CHOOSERS) is not None:
        return "mask", suspect, found, _SMALLER_MASK
    return "constant", suspect, found, _OUT_OF_MODEL


def outliers(look: Surroundings, suspect: int) -> Found | None:
    """Explain a range that a few values make."""
    values = look.values(suspect).ravel()
    low, high = np.percentile(values, _BULK)
    width = max(float(high), 0.0) - min(float(low), 0.0)
    steps = 256 * width / look.width(suspect) if look.width(suspect) else 256.0
    if steps >= STEPS:
        return None
    ends = "[{:.4g}, {:.4g}]".format(*look.range(suspect))
    found = (
        f"{look.name(suspect)} is in {ends}, and 99.9 % of its values fill {steps:.2g} of 256 steps"
    )
    remedy = (
        "Look for samples that do not belong there, or clip the values in the model; "
        "`method='auto'` tries ranges without the outermost values"
    )
    return "outliers", suspect, found, remedy


def _different_ranges(look: Surroundings, join: Operator) -> Found | None:
    """Explain a join if one of its inputs fills less than 16 steps of what another needs."""
    output = join.outputs[0]
    operands = join.inputs[1:] if join.type in _CHOOSERS else join.inputs
    if join.type in ("CONCATENATION", "PACK"):
        inputs = sources_of(look.graph, output) + _constants(look, output)
    else:
        inputs = [operand for operand in operands if look.is_float(operand)]
    widths = {index: look.width(index) for index in inputs}
    widths = {index: width for index, width in widths.items() if np.isfinite(width) and width > 0}
    if len(widths) < 2:
        return None
    large, small = (pick(widths, key=lambda index: widths[index]) for pick in (max, min))
    steps = 256 * widths[small] / widths[large]
    if steps >= STEPS:
        return None
    constant = look.graph.main.tensors[large].constant is not None
    ends = ["[{:.4g}, {:.4g}]".format(*look.range(source)) for source in (small, large)]
    if _is_mask(look, large, widths[large] / widths[small], join):
        mask = "a constant" if constant else look.name(large)
        found = (
            f"the {join.type} adds a mask, {mask}, of {look.range(large)[0]:.4g} to "
            f"values in {ends[0]}: one scale for both leaves these {steps:.2g} of 256 steps"
        )
        return "mask", output, found, _SMALLER_MASK
    what = "a constant" if constant else look.name(large)
    found = (
        f"the {join.type} joins {look.name(small)}, in {ends[0]}, with {what}, in {ends[1]}: with "
        f"one scale for both, the first fills {steps:.2g} of 256 steps"
    )
    if constant:
        return "constant", output, found, _OUT_OF_MODEL
    remedy = (
        "Let the model give them as outputs of their own, which have scales of their own, or "
        "bring them to one range within the model, such as coordinates from 0 to 1, and scale "
        "them afterwards"
    )
    return "join", output, found, remedy


def _constants(look: Surroundings, index: int) -> list[int]:
    """Return the float constants that joins before a tensor insert."""
    waiting, found = [index], []
    for current in waiting:  # grows while it is walked
        operator = look.producers.get(current)
        for source in () if operator is None else moved(operator):
            if source in waiting:
                continue
            waiting.append(source)
            tensor = look.graph.main.tensors[source]
            if tensor.constant is not None and tensor.dtype == "float32":
                found.append(source)
    return found


def _is_mask(look: Surroundings, large: int, ratio: float, join: Operator) -> bool:
    """Return True for a large negative operand before a SOFTMAX, or of only two values."""
    low, high = look.range(large)
    if ratio < _MASK or low >= 0 or high > -low / _MASK:
        return False
    through = BETWEEN | _CHOOSERS
    return look.ahead(join.outputs[0], _SOFT, through) is not None
