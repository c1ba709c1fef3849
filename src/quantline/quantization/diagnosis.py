"""The cause of a lost or noisy output: which layer's error makes it, and what that layer does.

The layer is found by measurement, see :mod:`.effects`: its error alone, in a model that is float
elsewhere, does to the output what was seen. What it does is then read from the graph around it and
from the ranges of the tensors there, whatever lies between, such as a RESHAPE.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import first_few
from quantline.quantization.effects import Target, effects, run_real
from quantline.quantization.keep_float import MADE_INTEGER_AGAIN
from quantline.quantization.layer_name import layer_of
from quantline.quantization.output_noise import STEPS, rounded
from quantline.quantization.output_parts import MOVES, makers, moved, sources_of
from quantline.tflite import Runtime, with_outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quantline.quantization.effects import Effect
    from quantline.quantization.output_loss import Loss
    from quantline.quantization.output_noise import OutputNoise
    from quantline.quantization.output_parts import Parts
    from quantline.ranges import Values
    from quantline.tflite import Graph, Operator

SAMPLES = 8
"""On how many samples a cause is looked for."""
_ENOUGH = 0.5  # of what was lost, which one layer's error has to account for
_NEAR = 0.8  # of the largest effect: the first layer that has it is the cause
_JOINS = {
    "CONCATENATION", "PACK", "ADD", "SUB", "ADD_N", "MAXIMUM", "MINIMUM", "SELECT", "SELECT_V2",
    "PADV2",
}  # fmt: skip
_CHOOSERS = {"SELECT", "SELECT_V2"}  # their first operand is a condition
_STEEP = {"LOG", "RSQRT", "SQRT", "DIV", "POW"}
_STEPPED = {
    "FLOOR", "CEIL", "ROUND", "SIGN", "FLOOR_DIV", "FLOOR_MOD", "CAST", "ARG_MAX", "ARG_MIN",
    "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "EQUAL", "NOT_EQUAL",
}  # fmt: skip
_LINEAR = {
    "FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "BATCH_MATMUL", "SUM", "MEAN", "SQUARE",
    "SQUARED_DIFFERENCE", "AVERAGE_POOL_2D",
}  # fmt: skip
_BETWEEN = MOVES | {"ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "NEG", "ABS", "RELU", "RELU6"}
_BIASED = {"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"}
_MASK = 1e3  # times as large as what it masks
_MOST_KEPT = 24  # of operators that are listed
_BULK = (0.05, 99.95)  # percentiles


@dataclass(frozen=True)
class Cause:
    """Why an output is lost or noisy.

    Attributes:
        kind: ``join``, ``mask``, ``constant``, ``channels``, ``steep``, ``rounding`` or
            ``outliers``; ``layer`` where one layer is at fault and nothing more is known, ``many``
            where none is.
        operator: The type of the operator that is named.
        tensor: Its output's index in the float model.
        name: That tensor's name.
        layer: The layer of the original model that the name tells of; None where it tells of none.
        share: How much of the loss that layer's error alone makes, from 0 to 1; measured.
        found: What is wrong there, as the rest of a sentence.
        remedy: What to do about it, as sentences.
    """

    kind: str
    operator: str
    tensor: int
    name: str
    layer: str | None
    share: float
    found: str
    remedy: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def diagnose(
    float_model: bytes,
    quantized: bytes,
    graphs: tuple[Graph, Graph],
    target: tuple[int, Parts, OutputNoise, Loss],
    samples: Sequence[Values],
) -> Cause | None:
    """Find the cause of what is lost of a tensor.

    Args:
        float_model: The float ``.tflite`` file's bytes.
        quantized: What was made of it.
        graphs: Both as graphs.
        target: The tensor of the float model, where its values come from, its noise and its loss.
        samples: As the float model takes them.

    Returns:
        The cause; None where the two models have no layer in common.
    """
    before, after = graphs
    index, parts, noise, loss = target
    places = np.unique(np.linspace(0, len(samples) - 1, SAMPLES).round().astype(int))
    some = [samples[each] for each in places]
    measured = effects(float_model, quantized, before, after, [Target(index, parts)], some)
    if not measured:
        return None
    shares = [_share(each, noise, loss) for each in measured]
    largest = max(shares)
    at = next(place for place, share in enumerate(shares) if share >= _NEAR * largest)
    ranges = {each.tensor: (each.low, each.high) for each in measured}
    look = _Look(float_model, before, after, ranges, some)
    suspect = measured[at].tensor
    kind, named, found, remedy = _explain(look, suspect, largest)
    tensor = before.main.tensors[named]
    maker = look.by.get(named)
    return Cause(
        kind,
        "INPUT" if maker is None else maker.type,
        named,
        tensor.name,
        layer_of(tensor.name),
        rounded(shares[at]),
        found,
        remedy,
    )


def _share(effect: Effect, noise: OutputNoise, loss: Loss) -> float:
    """Return how much of the noise in what is lost, or noisy, one layer's error makes."""
    groups, whole = effect.groups[0], noise.groups
    bad = loss.bad(noise)
    per_value = whole.noise[bad] / np.maximum(whole.count[bad], 1)
    own = groups.noise[bad] / np.maximum(groups.count[bad], 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(per_value > 0, np.minimum(own / per_value, 1), 0)
    return float(shares.mean()) if shares.size else 0.0


class _Look:
    """What can be asked about the float model around a layer.

    Attributes:
        graph: The float model.
        by: The operator that gives each tensor.
        readers: The operators that read each tensor.
    """

    def __init__(
        self,
        model: bytes,
        graph: Graph,
        after: Graph,
        ranges: dict[int, tuple[float, float]],
        samples: Sequence[Values],
    ) -> None:
        self.graph, self.by = graph, makers(graph)
        self._model, self._ranges, self._samples = model, ranges, samples
        self.readers: dict[int, list[Operator]] = {}
        for operator in graph.main.operators:
            for index in operator.inputs:
                self.readers.setdefault(index, []).append(operator)
        self.is_int16 = any(tensor.dtype == "int16" for tensor in after.main.tensors)

    def name(self, index: int) -> str:
        """Return how to call a tensor: by its layer, where its name tells of one."""
        name = self.graph.main.tensors[index].name
        return f"'{layer_of(name) or name.split(';')[0]}'"

    def range(self, index: int) -> tuple[float, float]:
        """Return the least and the largest value of a tensor, a constant or not."""
        tensor = self.graph.main.tensors[index]
        if index not in self._ranges:
            values = (
                [self.values(index)] if tensor.constant is None else [np.asarray(tensor.values())]
            )
            self._ranges[index] = (
                min(float(each.min(initial=np.inf)) for each in values),
                max(float(each.max(initial=-np.inf)) for each in values),
            )
        return self._ranges[index]

    def width(self, index: int) -> float:
        """Return how wide a tensor's range is, with the zero that it has to hold."""
        low, high = self.range(index)
        return max(high, 0.0) - min(low, 0.0)

    def values(self, index: int) -> np.ndarray:
        """Return a tensor's values over the samples, of shape (n_samples, ...)."""
        at = self.graph.main.inputs.index(index) if index in self.graph.main.inputs else None
        if at is not None:
            return np.stack([each[at] for each in self._samples])
        runtime = Runtime(with_outputs(self._model, [index]))
        return np.stack([run_real(runtime, each)[0] for each in self._samples])

    def is_float(self, index: int) -> bool:
        """Return True for a tensor of floats that is there."""
        return index >= 0 and self.graph.main.tensors[index].dtype == "float32"

    def ahead(self, index: int, wanted: set[str], through: set[str]) -> Operator | None:
        """Return the first operator of these types that a tensor reaches through others."""
        waiting = [index]
        for each in waiting:  # grows while it is walked
            for operator in self.readers.get(each, ()):
                if operator.type in wanted and _takes(operator, each):
                    return operator
                if operator.type in through:
                    waiting += [one for one in operator.outputs if one not in waiting]
        return None


def _takes(operator: Operator, index: int) -> bool:
    """Return True unless a division only takes the tensor as what it divides."""
    return operator.type != "DIV" or operator.inputs[1] == index


_Found = tuple[str, int, str, str]  # kind, named tensor, found, remedy


def _explain(look: _Look, suspect: int, share: float) -> _Found:
    if share < _ENOUGH:
        found = (
            f"no single layer makes half of it; the largest part, {share:.0%}, comes from "
            f"{look.name(suspect)}"
        )
        return "many", suspect, found, _GENERAL
    rules: tuple[Callable[[_Look, int], _Found | None], ...] = (
        _join, _offset, _steep, _rounding, _channels, _outliers,
    )  # fmt: skip
    for rule in rules:
        explained = rule(look, suspect)
        if explained is not None:
            return explained
    return "layer", suspect, "its own quantization makes it, and why is not known", _GENERAL


_GENERAL = (
    "Try 'conversion.ranges.method: auto' or 'conversion.scheme: int16x8', or leave that layer in "
    "float: 'conversion.scheme: int8_float_fallback' with 'conversion.keep_float'"
)


def _join(look: _Look, suspect: int) -> _Found | None:
    """Explain a join of values of very different ranges, at the layer or behind it."""
    maker = look.by.get(suspect)
    joins = [maker] if maker is not None and maker.type in _JOINS else []
    behind = look.ahead(suspect, _JOINS, MOVES)
    joins += [] if behind is None else [behind]
    # What moves the values of a join has the join's scale.
    for source in sources_of(look.graph, suspect, look.by):
        at = look.by.get(source)
        joins += [at] if at is not None and at.type in _JOINS else []
    waiting = [suspect]
    if maker is not None and maker.type in _LINEAR:
        waiting += [each for each in maker.inputs[:1] if look.is_float(each)]
    for each in waiting:  # grows while it is walked
        operator = look.by.get(each)
        if operator is not None and moved(operator):
            joins += [operator] if operator.type in _JOINS else []
            waiting += [one for one in moved(operator) if one not in waiting]
    for join in joins:
        found = _apart(look, join)
        if found is not None:
            return found
    return None


def _apart(look: _Look, join: Operator) -> _Found | None:
    """Explain a join if one of its inputs fills less than 16 steps of what another needs."""
    output = join.outputs[0]
    operands = join.inputs[1:] if join.type in _CHOOSERS else join.inputs
    if join.type in ("CONCATENATION", "PACK"):
        inputs = sources_of(look.graph, output, look.by) + _constants(look, output)
    else:
        inputs = [each for each in operands if look.is_float(each)]
    widths = {each: look.width(each) for each in inputs}
    widths = {each: width for each, width in widths.items() if np.isfinite(width) and width > 0}
    if len(widths) < 2:
        return None
    large, small = (pick(widths, key=lambda each: widths[each]) for pick in (max, min))
    steps = 256 * widths[small] / widths[large]
    if steps >= STEPS:
        return None
    constant = look.graph.main.tensors[large].constant is not None
    ends = ["[{:.4g}, {:.4g}]".format(*look.range(each)) for each in (small, large)]
    if _is_mask(look, large, widths[large] / widths[small], join):
        mask = "a constant" if constant else look.name(large)
        found = (
            f"the {join.type} adds a mask, {mask}, of {look.range(large)[0]:.4g} to "
            f"values in {ends[0]}: one scale for both leaves these {steps:.2g} of 256 steps"
        )
        remedy = (
            "Mask with a number as small as will do, such as -30 for a SOFTMAX of values within "
            "[-10, 10]: e to that power is 0 as well"
        )
        return "mask", output, found, remedy
    what = "a constant" if constant else look.name(large)
    found = (
        f"the {join.type} joins {look.name(small)}, in {ends[0]}, with {what}, in {ends[1]}: with "
        f"one scale for both, the first fills {steps:.2g} of 256 steps"
    )
    if constant:
        return (
            "constant",
            output,
            found,
            (
                "Take the constant out of the model and put it in afterwards, or bring it into the "
                "range of the rest"
            ),
        )
    return (
        "join",
        output,
        found,
        (
            "Let the model give them as outputs of their own, which have scales of their own, or "
            "bring them to one range within the model, such as coordinates from 0 to 1, and scale "
            "them afterwards"
        ),
    )


def constant_offset(graph: Graph, index: int) -> int | None:
    """Return the constant that is added last to what a tensor holds, such as a layer's bias."""
    by = makers(graph)
    for source in sources_of(graph, index, by):
        maker = by.get(source)
        if maker is None or maker.type not in {"ADD", "SUB", *_BIASED}:
            continue
        operands = maker.inputs[2:3] if maker.type in _BIASED else maker.inputs
        for each in operands:
            if each >= 0 and graph.main.tensors[each].constant is not None:
                return each
    return None


def _offset(look: _Look, suspect: int) -> _Found | None:
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
    return (
        "constant",
        suspect,
        found,
        (
            "Take the constant out of the model and add it to its output, such as the mean of what "
            "a regression predicts"
        ),
    )


def _channels(look: _Look, suspect: int) -> _Found | None:
    """Explain channels of one layer with very different ranges."""
    values = look.values(suspect)
    channels = values.reshape(-1, values.shape[-1])
    widths = np.maximum(channels.max(0), 0) - np.minimum(channels.min(0), 0)
    steps = 256 * widths / look.width(suspect) if look.width(suspect) else widths + 256
    narrow = np.flatnonzero((channels.max(0) > channels.min(0)) & (steps < STEPS))
    if not len(narrow) or len(widths) < 2:
        return None
    least, largest = int(narrow[np.argmin(steps[narrow])]), int(np.argmax(widths))
    ends = [
        f"[{channels[:, at].min():.4g}, {channels[:, at].max():.4g}]" for at in (least, largest)
    ]
    found = (
        f"{look.name(suspect)} gives channels of very different ranges: channel {least} is in "
        f"{ends[0]}, channel {largest} in {ends[1]}: with one scale for both, the first fills "
        f"{steps[least]:.2g} of 256 steps; {len(narrow)} of {len(widths)} channels fill less than "
        f"{STEPS}"
    )
    return (
        "channels",
        suspect,
        found,
        (
            "Train with targets of one range, or give these channels a layer and an output of "
            "their own"
        ),
    )


def _constants(look: _Look, index: int) -> list[int]:
    """Return the float constants that joins behind a tensor put in."""
    waiting, found = [index], []
    for each in waiting:  # grows while it is walked
        operator = look.by.get(each)
        for one in () if operator is None else moved(operator):
            if one in waiting:
                continue
            waiting.append(one)
            tensor = look.graph.main.tensors[one]
            if tensor.constant is not None and tensor.dtype == "float32":
                found.append(one)
    return found


def _is_mask(look: _Look, large: int, ratio: float, join: Operator) -> bool:
    """Return True for a large negative operand before a SOFTMAX, or of only two values."""
    low, high = look.range(large)
    if ratio < _MASK or low >= 0 or high > -low / _MASK:
        return False
    through = _BETWEEN | {"SELECT", "SELECT_V2"}
    return look.ahead(join.outputs[0], {"SOFTMAX", "LOGISTIC"}, through) is not None


def _steep(look: _Look, suspect: int) -> _Found | None:
    """Explain a function that magnifies the small values among those that it is given."""
    maker = look.by.get(suspect)
    steep = maker if maker is not None and maker.type in _STEEP else None
    steep = steep or look.ahead(suspect, _STEEP, _BETWEEN | _LINEAR)
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
        remedy = f"Train with more added to what the LOG is given, about {8 * step:.2g}. {remedy}"
    return "steep", steep.outputs[0], found, remedy


def _left_in_float(look: _Look, last: Operator) -> str:
    """Return the settings that leave an operator, what leads to it and what moves it in float."""
    waiting = list(last.inputs)
    kept = {last.index: last}
    for each in waiting:  # grows while it is walked
        maker = look.by.get(each)
        if maker is not None and maker.index not in kept:
            kept[maker.index] = maker
            waiting += maker.inputs
    waiting = list(last.outputs)
    for each in waiting:  # likewise
        for operator in look.readers.get(each, ()):
            if operator.type in _BETWEEN and operator.index not in kept:
                kept[operator.index] = operator
                waiting += operator.outputs
    others = {each.type for each in look.graph.main.operators if each.index not in kept}
    some = [each for each in kept.values() if each.type not in MADE_INTEGER_AGAIN]
    types = sorted({each.type for each in some} - others)
    names = [
        re.escape(look.graph.main.tensors[each.outputs[0]].name)
        for each in some
        if each.type in others
    ]
    listed = first_few([*types, *names], _MOST_KEPT)
    return f"'conversion.scheme: int8_float_fallback' with 'conversion.keep_float' for {listed}"


def _rounding(look: _Look, suspect: int) -> _Found | None:
    """Explain a function that turns a small error into a whole step."""
    maker = look.by.get(suspect)
    stepped = maker if maker is not None and maker.type in _STEPPED else None
    stepped = stepped or look.ahead(suspect, _STEPPED, _BETWEEN)
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
    return "rounding", suspect, found, remedy


def _outliers(look: _Look, suspect: int) -> _Found | None:
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
    return (
        "outliers",
        suspect,
        found,
        (
            "Look for samples that do not belong there, or clip the values in the model; "
            "'conversion.ranges.method: auto' tries ranges without the outermost values"
        ),
    )
