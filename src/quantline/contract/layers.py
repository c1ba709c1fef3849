"""Float against quantized, layer by layer: where the error is, and where it comes from.

The measure is the signal to quantization noise ratio in decibels, ``10 log10(sum x^2 / sum
(x - y)^2)`` for a float output ``x`` and a quantized one ``y``. Source: Lin, Talathi and
Annapureddy, Fixed Point Quantization of Deep Convolutional Networks (ICML 2016), section 3, for
the layers of a network; a bit more of precision is worth about 6 dB.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.contract.apart import with_operators_apart
from quantline.contract.layer_name import layer_of
from quantline.contract.link import link
from quantline.errors import ModelsUnrelated, first_few
from quantline.ranges import Feed
from quantline.tflite import Runtime, read, with_outputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quantline.contract.link import Link
    from quantline.ranges import Sample
    from quantline.tflite import Graph
    from quantline.tflite.runtime import Port

_AT_ONCE_BYTES = 1 << 28  # of float activations that are held at a time


@dataclass(frozen=True)
class LayerError:
    """How far a layer's output is from the float model's, over all samples.

    Attributes:
        type: The operator's type in the quantized model.
        name: The name of its output in the float model.
        layer: The layer of the original model that the name tells; None where it tells none.
        float_tensor: The output's index in the float model.
        tensor: Its index in the quantized model.
        tensor_name: Its name there, mostly the same.
        dtype: Its dtype there; a layer that stayed float has no quantized range.
        sqnr_db: Signal to quantization noise ratio, in dB; infinite without an error. The error
            is that of all layers up to here.
        own_sqnr_db: The same where the layer is given the float model's values, quantized, as its
            input: what it adds itself.
        signal_rms: The root of the mean square of the float output.
        error_rms: The root of the mean square of the error.
        saturated_share: The share of float values that lie beyond the quantized range by more
            than half a step: the integers can only hold its end.
        float_min: The least value of the float output.
        float_max: The largest.
        quantized_min: The least number that the quantized output can hold; None if it is float.
        quantized_max: The largest.
    """

    type: str
    name: str
    layer: str | None
    float_tensor: int
    tensor: int
    tensor_name: str
    dtype: str
    sqnr_db: float
    own_sqnr_db: float
    signal_rms: float
    error_rms: float
    saturated_share: float
    float_min: float
    float_max: float
    quantized_min: float | None
    quantized_max: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; what is not finite is None."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


def compare_layers(
    float_model: bytes, quantized: bytes, samples: Sequence[Sample]
) -> tuple[LayerError, ...]:
    """Compare the output of every layer that both models have, the worst first.

    Args:
        float_model: The float ``.tflite`` file's bytes, known to be readable.
        quantized: What was made of it, likewise.
        samples: At least one, as :func:`quantline.ranges.record` takes them.

    Raises:
        ModelsUnrelated: The two models have no layer in common, or other inputs or outputs.
        InputMismatch: The samples do not fit the float model's inputs.
    """
    before, after = read(float_model, "the float model"), read(quantized, "the quantized model")
    links = link(before, after) if _shapes(before) == _shapes(after) else ()
    if not links:
        raise ModelsUnrelated(
            "The two models have no layer in common, or other inputs or outputs",
            found=f"layers such as {_first_layers(before)} in the float model and "
            f"{_first_layers(after)} in the quantized one",
            expected="a float model, and a quantized one that was made from it",
            remedy="Give the very file that the quantized model was made from: layers are linked "
            "by the names of their tensors, which another converter may choose otherwise",
        )
    found = [
        error
        for some in _batches(links)
        for error in _measure(float_model, quantized, after, links, some, samples)
    ]
    return tuple(sorted(found, key=lambda each: each.sqnr_db))


def sqnr_db(signal: float, noise: float) -> float:
    """Return the signal to quantization noise ratio in dB of two sums of squares.

    It is infinite without noise, and minus infinity without a signal or where one is not finite.
    """
    if not noise:
        return math.inf
    ratio = signal / noise
    return 10 * math.log10(ratio) if 0 < ratio < math.inf else -math.inf


class _Sums:
    """What is summed of one layer over samples."""

    def __init__(self, port: Port) -> None:
        self.count = self.beyond = 0
        self.signal = self.noise = self.own_noise = 0.0
        self.low, self.high = math.inf, -math.inf
        self.ends: tuple[float, float] | None = None
        if port.scale:
            limits = np.iinfo(port.dtype)
            ends = np.array([limits.min, limits.max], port.dtype)
            self.ends = tuple(port.dequantize(ends).tolist())
        self._half = port.scale / 2

    def add(self, real: np.ndarray, whole: np.ndarray, alone: np.ndarray) -> None:
        """Add one sample: the float output, the quantized model's, and the layer's alone."""
        self.count += real.size
        self.signal += _power(real)
        with np.errstate(invalid="ignore"):  # infinity minus itself
            self.noise += _power(real - whole)
            self.own_noise += _power(real - alone)
        self.low = min(self.low, float(real.min(initial=math.inf)))
        self.high = max(self.high, float(real.max(initial=-math.inf)))
        if self.ends is not None:
            low, high = self.ends
            beyond = (real < low - self._half) | (real > high + self._half)
            self.beyond += int(np.count_nonzero(beyond))

    def of(self, each: Link) -> LayerError:
        """Return what the sums say of a layer."""
        low, high = self.ends or (None, None)
        count = max(self.count, 1)  # a layer may give no value at all
        return LayerError(
            type=each.operator.type,
            name=each.before.name,
            layer=layer_of(each.before.name),
            float_tensor=each.before.index,
            tensor=each.after.index,
            tensor_name=each.after.name,
            dtype=each.after.dtype,
            sqnr_db=sqnr_db(self.signal, self.noise),
            own_sqnr_db=sqnr_db(self.signal, self.own_noise),
            signal_rms=math.sqrt(self.signal / count),
            error_rms=math.sqrt(self.noise / count),
            saturated_share=self.beyond / count,
            float_min=self.low,
            float_max=self.high,
            quantized_min=low,
            quantized_max=high,
        )


def _power(values: np.ndarray) -> float:
    return float(np.square(values, dtype=np.float64).sum())


def _measure(
    float_model: bytes,
    quantized: bytes,
    after: Graph,
    links: Sequence[Link],
    some: Sequence[Link],
    samples: Sequence[Sample],
) -> list[LayerError]:
    """Run the float model, the quantized one, and its operators apart, and compare some layers."""
    fed = _read_by(some, links, after)
    seen = list({each.before.index: each for each in (*some, *fed)}.values())
    original = Runtime(with_outputs(float_model, [each.before.index for each in seen]))
    outputs = [each.after.index for each in some]
    whole = Runtime(with_outputs(quantized, outputs))
    apart = with_operators_apart(quantized, [each.after.index for each in fed], outputs)
    alone = Runtime(apart)
    sums = [_Sums(port) for port in whole.outputs]
    for values in Feed(read(float_model), original.inputs).prepare(samples):
        real = dict(zip((each.before.index for each in seen), _run(original, values), strict=True))
        rows = zip(
            sums,
            (real[each.before.index] for each in some),
            _run(whole, values),
            _run(alone, (*values, *(real[each.before.index] for each in fed))),
            strict=True,
        )
        for total, *row in rows:
            total.add(*row)
    return [total.of(each) for total, each in zip(sums, some, strict=True)]


def _run(runtime: Runtime, values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Run a model on real values, quantizing at the edges; return its outputs' real values."""
    pairs = zip(runtime.inputs, values, strict=True)
    runtime.set(*(port.quantize(value) for port, value in pairs))
    runtime.invoke()
    pairs = zip(runtime.outputs, runtime.get(), strict=True)
    return [port.dequantize(value) for port, value in pairs]


def _read_by(some: Sequence[Link], links: Sequence[Link], after: Graph) -> list[Link]:
    """Return the linked tensors that layers read, be it through operators that are not linked."""
    linked = {each.after.index: each for each in links}
    makers = {index: each for each in after.main.operators for index in each.outputs}
    found: dict[int, Link] = {}
    waiting = [each.operator for each in some]
    for operator in waiting:  # grows while it is walked
        for index in operator.inputs:
            if index in linked:
                found[index] = linked[index]
            elif index in makers:
                waiting.append(makers[index])
    return [found[index] for index in sorted(found)]


def _shapes(graph: Graph) -> list[list[tuple[int, ...]]]:
    main = graph.main
    return [[main.tensors[index].shape for index in each] for each in (main.inputs, main.outputs)]


def _first_layers(graph: Graph) -> str:
    given = [index for each in graph.main.operators for index in each.outputs]
    names = (graph.main.tensors[index].name for index in given[:2])
    return first_few([repr(name.split(";")[0]) for name in names]) or "none"


def _batches(links: Sequence[Link]) -> Iterator[list[Link]]:
    """Split layers into runs of neighbours whose float outputs are together not too large."""
    some: list[Link] = []
    room = _AT_ONCE_BYTES
    for each in links:
        size = each.before.size * 4
        if some and size > room:
            yield some
            some, room = [], _AT_ONCE_BYTES
        some.append(each)
        room -= size
    if some:
        yield some
