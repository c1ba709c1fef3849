"""Quantization schemes: what becomes narrow, what stays float, and what inputs can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantline.errors import ModelUnsupported, first_few
from quantline.quantization import litert_backend, weights_only
from quantline.quantization.keep_float import find_kept_operators

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantline import recipe
    from quantline.tflite import Graph

_INT8_IO = ("int8", "uint8", "float32")


@dataclass(frozen=True)
class Scheme:
    """One way to quantize a model.

    Attributes:
        weights: The type of quantized weights.
        activations: The type of activations.
        io_types: The possible types of inputs and outputs, the natural one first.
        integer: True if activations are integers, for which their ranges are needed.
        allows_float: True if an operator that cannot be quantized may stay float.
        edit: Makes the model by an edit of the file, in place of TensorFlow's quantizer; takes and
            returns a ``.tflite`` file's bytes. None where the quantizer makes it.
        left_in_float: Returns the operator types that such an edit leaves in float; None where
            only the result shows them.
    """

    weights: str
    activations: str
    io_types: tuple[str, ...]
    integer: bool
    allows_float: bool
    edit: Callable[[bytes], bytes] | None = None
    left_in_float: Callable[[Graph], list[str]] | None = None


_FROM_RANGES = "int8 per tensor, from recorded ranges"

SCHEMES: dict[str, Scheme] = {
    "float16": Scheme("float16, widened when the model runs", "float32", ("float32",), False, True,
                      edit=weights_only.to_float16),
    "dynamic_range": Scheme(
        f"int8 per axis, symmetric, from {weights_only.MIN_ELEMENTS} elements on",
        "float32, quantized anew in each run where a kernel takes int8 weights", ("float32",),
        False, True, edit=weights_only.to_dynamic_range, left_in_float=weights_only.left_in_float,
    ),
    "int8": Scheme("int8 per axis, symmetric", _FROM_RANGES, _INT8_IO, True, False),
    "int8_float_fallback": Scheme("int8 per axis, symmetric", _FROM_RANGES, _INT8_IO, True, True),
    "int8_per_tensor": Scheme("int8 per tensor, symmetric", _FROM_RANGES, _INT8_IO, True, False),
    "int16x8": Scheme(
        "int8 per axis, symmetric", "int16 per tensor, symmetric, from recorded ranges",
        ("int16", "float32"), True, False,
    ),
}  # fmt: skip


def with_types(conversion: recipe.Conversion) -> recipe.Conversion:
    """Return the conversion with the scheme's own input and output types where none are given."""
    own = SCHEMES[conversion.scheme].io_types[0]
    return conversion.model_copy(
        update={
            "input_type": conversion.input_type or own,
            "output_type": conversion.output_type or own,
        }
    )


def unsupported(graph: Graph, conversion: recipe.Conversion) -> list[str]:
    """Return the operator types that are known beforehand to stay float; refuse what cannot be.

    Raises:
        ModelUnsupported: The scheme has no such inputs or outputs, or allows no float where the
            back end cannot quantize an operator, or shall keep some in float.
        ParameterError: An entry of ``keep_float`` fits nothing.
        DependencyError: The back end is not installed.
    """
    scheme = SCHEMES[conversion.scheme]
    for key, given in (("input", conversion.input_type), ("output", conversion.output_type)):
        if given not in (None, *scheme.io_types):
            raise ModelUnsupported(
                f"The scheme '{conversion.scheme}' has no {given} {key}s",
                found=f"`{key}_type='{given}'`",
                expected=f"{' or '.join(scheme.io_types)}",
                remedy=f"Use `{key}_type='{scheme.io_types[0]}'`, or another scheme",
            )
    find_kept_operators(graph, conversion)
    if conversion.backend == "litert":
        left = litert_backend.left_in_float(graph, conversion.scheme)
    else:
        # Which operators the integer quantizer leaves in float is seen in what it made.
        left = [] if scheme.left_in_float is None else scheme.left_in_float(graph)
    if left and not scheme.allows_float:
        raise ModelUnsupported(
            f"The back end '{conversion.backend}' cannot give this model the scheme "
            f"'{conversion.scheme}'",
            found=f"operators that it leaves in float: {first_few(left)}",
            expected="operators that it can quantize",
            remedy="Use `backend='tensorflow'`, or `scheme='int8_float_fallback'` to leave them in "
            "float",
        )
    return left
