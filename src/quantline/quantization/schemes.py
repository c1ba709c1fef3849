"""Quantization schemes: what becomes narrow, what stays float, and what inputs can be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantline.errors import ModelUnsupported, ParameterError, first_few, suggest
from quantline.quantization import litert_backend, weights_only

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantline import recipe
    from quantline.tflite import Graph, Operator


_FLOAT_ANYWAY = {"float16", "dynamic_range"}
# Asked to leave these in float, TensorFlow 2.21 moves the DEQUANTIZE from their input, which is the
# larger tensor, to their output. Measured: see tests/quantization/test_keep_float.py.
NEVER_LEFT_IN_FLOAT = {"AVERAGE_POOL_2D", "GATHER", "GATHER_ND", "MAX_POOL_2D", "REDUCE_MAX",
                       "REDUCE_MIN", "SLICE", "STRIDED_SLICE"}  # fmt: skip


@dataclass(frozen=True)
class FloatOperators:
    """The operators that stay float.

    Attributes:
        types: Operator types, all of whose operators stay float.
        tensors: Names of tensors whose operators stay float.
    """

    types: frozenset[str] = frozenset()
    tensors: frozenset[str] = frozenset()


def find_kept_operators(graph: Graph, conversion: recipe.Conversion) -> FloatOperators:
    """Find the operators that ``keep_float`` names in a model.

    Raises:
        ModelUnsupported: The scheme promises integers only, or leaves all activations float
            anyway; or the back end cannot leave chosen operators in float.
        ParameterError: An entry fits nothing, or an operator that TensorFlow does not leave.
    """
    if not conversion.keep_float:
        return FloatOperators()
    _check(conversion)
    operators = [operator for operator in graph.main.operators if _computes_float(graph, operator)]
    known = {operator.type for operator in operators}
    types, tensors = set(), set()
    for entry in conversion.keep_float:
        if entry in known:
            _check_kept(entry, entry)
            types.add(entry)
            continue
        fitting = {
            name: operator
            for operator in operators
            for name in (graph.main.tensors[index].name for index in operator.outputs)
            if entry == name or re.fullmatch(entry, name)
        }
        if not fitting:
            raise _fits_nothing(entry, graph, operators)
        for name, operator in fitting.items():
            _check_kept(entry, operator.type)
            if len(operator.outputs) > 1:
                raise ParameterError(
                    f"'{entry}' in `keep_float` fits an operator of several outputs, "
                    "which TensorFlow's quantizer does not know by the name of a tensor",
                    found=f"{operator.type}, which writes '{name}'",
                    expected="its type, or the names of operators that have one output",
                    remedy=f"Write '{operator.type}' to keep all of this type in float",
                )
        tensors |= set(fitting)
    return FloatOperators(frozenset(types), frozenset(tensors))


def _check(conversion: recipe.Conversion) -> None:
    if conversion.scheme != "int8_float_fallback":
        effect = (
            "leaves all activations" if conversion.scheme in _FLOAT_ANYWAY else "leaves nothing"
        )
        raise ModelUnsupported(
            f"The scheme '{conversion.scheme}' {effect} in float, so `keep_float` contradicts it",
            found=f"`keep_float={conversion.keep_float}`",
            expected="no entries, or a scheme that leaves some operators in float",
            remedy="Use `scheme='int8_float_fallback'`, or `keep_float=[]`",
        )
    if conversion.backend != "tensorflow":
        raise ModelUnsupported(
            f"The back end '{conversion.backend}' cannot leave chosen operators in float",
            found=f"`keep_float={conversion.keep_float}`",
            expected="the back end 'tensorflow'",
            remedy="Use `backend='tensorflow'`, or `keep_float=[]`",
        )


def _check_kept(entry: str, kind: str) -> None:
    if kind in NEVER_LEFT_IN_FLOAT:
        raise ParameterError(
            f"'{entry}' in `keep_float` fits {kind}, which TensorFlow does not leave in float",
            found=f"{kind}, which makes a tensor smaller: TensorFlow lets it work on the integers",
            expected=f"operators other than {', '.join(sorted(NEVER_LEFT_IN_FLOAT))}",
            remedy="Name the operator that computes its input instead",
        )


def _computes_float(graph: Graph, operator: Operator) -> bool:
    ports = (*operator.inputs, *operator.outputs)
    return any(graph.main.tensors[index].dtype == "float32" for index in ports if index >= 0)


def _fits_nothing(entry: str, graph: Graph, operators: list[Operator]) -> ParameterError:
    types = sorted({operator.type for operator in operators})
    names = [graph.main.tensors[index].name for operator in operators for index in operator.outputs]
    return ParameterError(
        f"'{entry}' in `keep_float` fits no operator",
        found=f"operators of the types {', '.join(types)}, and {len(names)} tensors of other names",
        expected="an operator type, the name of a tensor that an operator writes, or a regular "
        "expression that fits the whole of such a name",
        remedy=suggest(entry.upper(), types) or suggest(entry, names) or "Correct or remove it",
    )


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
