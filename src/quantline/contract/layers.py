"""Float against quantized, layer by layer: where the error is, and where it comes from.

The measure is the signal to quantization noise ratio of :mod:`.noise`. Samples are streamed, and
layers taken a few at a time where their outputs are large, so that memory does not grow with them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from quantline.contract.noise import Noise, sqnr_db
from quantline.errors import ModelsUnrelated, first_few
from quantline.quantization.effects import batches, read_by, run_real
from quantline.quantization.layer_name import layer_of
from quantline.quantization.link import link
from quantline.ranges import Feed
from quantline.tflite import Runtime, read, with_outputs
from quantline.tflite.given import with_tensors_given

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.quantization.link import Link
    from quantline.ranges import Sample
    from quantline.tflite import Graph


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
        for some in batches(links)
        for error in _measure(float_model, quantized, after, links, some, samples)
    ]
    return tuple(sorted(found, key=lambda each: each.sqnr_db))


def _measure(
    float_model: bytes,
    quantized: bytes,
    after: Graph,
    links: Sequence[Link],
    some: Sequence[Link],
    samples: Sequence[Sample],
) -> list[LayerError]:
    """Run the float model, the quantized one, and its operators apart, and compare some layers."""
    fed = read_by(some, links, after)
    seen = list({each.before.index: each for each in (*some, *fed)}.values())
    original = Runtime(with_outputs(float_model, [each.before.index for each in seen]))
    outputs = [each.after.index for each in some]
    whole = Runtime(with_outputs(quantized, outputs))
    apart = with_tensors_given(quantized, [each.after.index for each in fed], outputs)
    alone = Runtime(apart)
    sums = [Noise(port) for port in whole.outputs]
    for values in Feed(read(float_model), original.inputs).prepare(samples):
        real = dict(
            zip((each.before.index for each in seen), run_real(original, values), strict=True)
        )
        rows = zip(
            sums,
            (real[each.before.index] for each in some),
            run_real(whole, values),
            run_real(alone, (*values, *(real[each.before.index] for each in fed))),
            strict=True,
        )
        for total, *row in rows:
            total.add(*row)
    return [_error(*pair) for pair in zip(some, sums, strict=True)]


def _error(each: Link, sums: Noise) -> LayerError:
    low, high = sums.ends or (None, None)
    count = max(sums.count, 1)  # a layer may give no value at all
    return LayerError(
        type=each.operator.type,
        name=each.before.name,
        layer=layer_of(each.before.name),
        float_tensor=each.before.index,
        tensor=each.after.index,
        tensor_name=each.after.name,
        dtype=each.after.dtype,
        sqnr_db=sqnr_db(sums.signal, sums.noise),
        own_sqnr_db=sqnr_db(sums.signal, sums.own_noise),
        signal_rms=math.sqrt(sums.signal / count),
        error_rms=math.sqrt(sums.noise / count),
        saturated_share=sums.beyond / count,
        float_min=sums.low,
        float_max=sums.high,
        quantized_min=low,
        quantized_max=high,
    )


def _shapes(graph: Graph) -> list[list[tuple[int, ...]]]:
    main = graph.main
    return [[main.tensors[index].shape for index in each] for each in (main.inputs, main.outputs)]


def _first_layers(graph: Graph) -> str:
    given = [index for each in graph.main.operators for index in each.outputs]
    names = (graph.main.tensors[index].name for index in given[:2])
    return first_few([repr(name.split(";")[0]) for name in names]) or "none"
