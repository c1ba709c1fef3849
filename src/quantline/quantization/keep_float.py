"""The operators that stay float, by type or by the names of the tensors that they write."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantline.errors import ModelUnsupported, ParameterError, suggest

if TYPE_CHECKING:
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
