"""Int8 from a float ``.tflite`` and its recorded ranges."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from quantline.child import run_in_child
from quantline.errors import RangesMismatch
from quantline.files import sha256
from quantline.quantization import tensorflow_backend
from quantline.tflite import with_ranges

if TYPE_CHECKING:
    from quantline import recipe
    from quantline.ranges import RangeSet


@dataclass(frozen=True)
class Quantized:
    """A converted model.

    Attributes:
        content: The ``.tflite`` file's bytes.
        recipe: Plain JSON values that say how it was made, from what, and with which versions.
    """

    content: bytes
    recipe: dict[str, Any]


def quantize(model: bytes, ranges: RangeSet, conversion: recipe.Conversion) -> Quantized:
    """Quantize weights to int8 per axis and activations to int8, in a child process.

    Args:
        model: A float ``.tflite`` file's bytes.
        ranges: The ranges that were recorded from it.
        conversion: Input and output types.

    Raises:
        RangesMismatch: The ranges were recorded from another model.
        ConversionFailed: TensorFlow refuses the conversion.
        ChildCrashed: TensorFlow died in native code, or took too long.
    """
    if ranges.float_model_sha256 != sha256(model):
        raise RangesMismatch(
            "The recorded ranges are not those of this float model",
            found=f"ranges of the model {ranges.float_model_sha256[:12]}",
            expected=f"ranges of the model {sha256(model)[:12]}",
            remedy="Run the 'calibration' pipeline again",
        )
    content = run_in_child(
        tensorflow_backend.quantize_int8,
        with_ranges(model, {each.index: (each.min, each.max) for each in ranges.tensors}),
        conversion.input_type,
        conversion.output_type,
        what="the conversion to int8",
        timeout_s=conversion.timeout_s,
    )
    made = {
        "scheme": "int8",
        "backend": "tensorflow",
        "weights": "int8 per axis, symmetric",
        "activations": "int8 per tensor, from recorded minimum and maximum",
        "input_type": conversion.input_type,
        "output_type": conversion.output_type,
        "float_model_sha256": sha256(model),
        "samples": ranges.samples,
        "samples_sha256": ranges.samples_sha256,
        "int8_model_sha256": sha256(content),
        "size_bytes": len(content),
        "versions": {name: version(name) for name in ("tensorflow", "quantline")},
    }
    return Quantized(content, made)
