"""Quantization without private calls: TensorFlow's public converter, from the original model.

It knows neither recorded ranges nor a float ``.tflite``: it converts the original once more and
calibrates inside, with minimum and maximum only, which is several times as slow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.child import stage
from quantline.quantization.converter import convert
from quantline.quantization.original_source import Source
from quantline.quantization.originals import frozen
from quantline.quantization.parity import inputs_of
from quantline.quiet import tensorflow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quantline import recipe
    from quantline.ranges import Sample
    from quantline.tflite import Graph


@dataclass(frozen=True)
class PublicConversion:
    """The original model and samples for the public converter.

    Attributes:
        source: The original model.
        samples: Calibration samples.
        inputs: The inputs' names in the order in which the converter puts them.
    """

    source: Source
    samples: Sequence[Sample]
    inputs: Sequence[str]


def public_conversion(
    source: recipe.Model | None,
    conversion: recipe.Conversion,
    samples: Sequence[Sample],
    graph: Graph,
) -> PublicConversion | None:
    """Return the public converter's input for a conversion; None where it cannot make it."""
    ranges = conversion.ranges
    more = ranges.overrides or conversion.pinned or conversion.keep_float
    if source is None or ranges.method != "minmax" or more or not len(samples):
        return None
    original = Source.of(source)
    if original.kind == "tflite":
        return None
    inputs = {name: tensor.index for name, tensor in inputs_of(graph).items()}
    order = sorted(inputs, key=lambda name: graph.main.inputs.index(inputs[name]))
    return PublicConversion(original, samples, order)


def quantize(start: PublicConversion, scheme: str, input_type: str, output_type: str) -> bytes:
    """Quantize the original model; this runs in a child process."""
    first = start.samples[0]
    named = first if isinstance(first, Mapping) else {"": first}
    shapes = {name: np.shape(value) for name, value in named.items()}
    with frozen(start.source, shapes) as model:
        tf = tensorflow()
        sets = tf.lite.OpsSet
        ops = {
            "int8_float_fallback": sets.TFLITE_BUILTINS,
            "int16x8": sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
        }.get(scheme, sets.TFLITE_BUILTINS_INT8)

        def dataset() -> Iterator[list[np.ndarray]]:
            for sample in start.samples:
                yield [_as_taken(sample, name, model.traced.specs[name]) for name in start.inputs]

        stage("calibrating and converting")
        return convert(
            start.source.path,
            model,
            f"to '{scheme}'",
            optimizations=[tf.lite.Optimize.DEFAULT],
            representative_dataset=dataset,
            supported_ops=[ops],
            inference_input_type=tf.as_dtype(input_type),
            inference_output_type=tf.as_dtype(output_type),
            _experimental_disable_per_channel=scheme == "int8_per_tensor",
        )


def _as_taken(sample: Sample, name: str, spec: Any) -> np.ndarray:
    value = sample[name] if isinstance(sample, Mapping) else sample
    return np.asarray(value, spec.dtype.as_numpy_dtype).reshape(spec.shape)
