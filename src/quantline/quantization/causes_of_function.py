"""Causes of a lost output: a function that magnifies a small error."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from quantline.errors import first_few
from quantline.quantization.keep_float import NEVER_LEFT_IN_FLOAT
from quantline.quantization.output_noise import STEPS
from quantline.quantization.surroundings import BETWEEN, LINEAR, Found, Surroundings

if TYPE_CHECKING:
    from quantline.tflite import Operator

_STEEP = {"LOG", "RSQRT", "SQRT", "DIV", "POW"}
_STEPPED = {
    "FLOOR", "CEIL", "ROUND", "SIGN", "FLOOR_DIV", "FLOOR_MOD", "CAST", "ARG_MAX", "ARG_MIN",
    "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "EQUAL", "NOT_EQUAL",
}  # fmt: skip
_MOST_KEPT = 24  # of operators that are listed


def steep_function(look: Surroundings, suspect: int) -> Found | None:
    """Explain a function that magnifies the small values of its input."""
    producer = look.producers.get(suspect)
    steep = producer if producer is not None and producer.type in _STEEP else None
    steep = steep or look.ahead(suspect, _STEEP, BETWEEN | LINEAR)
    if steep is None:
        return None
    given = steep.inputs[1] if steep.type == "DIV" else steep.inputs[0]
    if not look.is_float(given):
        return None
    magnitudes = np.abs(look.values(given)).ravel()
    magnitudes = magnitudes[np.isfinite(magnitudes) & (magnitudes > 0)]
    if not magnitudes.size:
        return None
    step = look.width(given) / (65535 if look.is_int16 else 255)
    small = float(np.mean(magnitudes < STEPS / 2 * step))
    if small < 1 / 16:
        return None
    found = (
        f"the {steep.type} takes values from {magnitudes.min():.3g} to {magnitudes.max():.3g}, and "
        f"one step is {step:.3g}: {small:.0%} of them are below 8 steps, where a {steep.type} is "
        "steep"
    )
    remedy = (
        "Compute up to here outside the model, and give it the result, whose range is narrow; "
        f"or leave in float what leads to the {steep.type}: {_left_in_float(look, steep)}"
    )
    if steep.type == "LOG":
        remedy = f"Train with more added to the LOG's input, about {8 * step:.2g}. {remedy}"
    return "steep", steep.outputs[0], found, remedy


def rounding(look: Surroundings, suspect: int) -> Found | None:
    """Explain a function that turns a small error into a whole step."""
    producer = look.producers.get(suspect)
    stepped = producer if producer is not None and producer.type in _STEPPED else None
    stepped = stepped or look.ahead(suspect, _STEPPED, BETWEEN | LINEAR)
    if stepped is None:
        return None
    low, high = look.range(suspect)
    step = look.width(suspect) / 255
    found = (
        f"{look.name(suspect)} is in [{low:.4g}, {high:.4g}], one step is {step:.3g}, and the "
        f"{stepped.type} behind it turns an error of a step into a different result"
    )
    remedy = (
        f"Compute the {stepped.type}, and what leads to it, outside the model, or leave both in "
        f"float: {_left_in_float(look, stepped)}"
    )
    if suspect in look.graph.main.inputs:
        remedy += ", and `input_type='float32'`"
    return "rounding", suspect, found, remedy


def _left_in_float(look: Surroundings, last: Operator) -> str:
    """Return the settings that leave an operator, what leads to it and what moves it in float."""
    waiting = list(last.inputs)
    kept = {last.index: last}
    for index in waiting:  # grows while it is walked
        producer = look.producers.get(index)
        if producer is not None and producer.index not in kept:
            kept[producer.index] = producer
            waiting += producer.inputs
    waiting = list(last.outputs)
    for index in waiting:  # likewise
        for operator in look.consumers.get(index, ()):
            if operator.type in BETWEEN and operator.index not in kept:
                kept[operator.index] = operator
                waiting += operator.outputs
    others = {operator.type for operator in look.graph.main.operators if operator.index not in kept}
    some = [operator for operator in kept.values() if operator.type not in NEVER_LEFT_IN_FLOAT]
    types = sorted({operator.type for operator in some} - others)
    names = [
        re.escape(look.graph.main.tensors[operator.outputs[0]].name)
        for operator in some
        if operator.type in others
    ]
    listed = first_few([*types, *names], _MOST_KEPT)
    return f"`scheme='int8_float_fallback'` with `keep_float` for {listed}"
