"""Rewrites of a frozen graph, for what TensorFlow Lite has no operators for.

Each takes a ``GraphDef`` whose variables are constants, changes it where it finds its pattern, and
leaves what the graph computes as it is, rounding excepted.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.quantization.graph_nodes import node_of, source
from quantline.quantization.one_hots import count_by_one_hots, gather_one_hots
from quantline.quiet import tensorflow

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXTREMES = {"ArgMax", "ArgMin"}
_SHAPING = {"Identity", "Reshape", "Squeeze", "ExpandDims"}


def narrow_types(graph: Any) -> list[str]:
    """Return the 16-bit float types that a graph computes in: ``float16``, ``bfloat16``."""
    narrow = _narrow()
    found = {value.type for attributes in _attributes(graph) for value in attributes.values()}
    return sorted(narrow[index].name for index in found & set(narrow))


def widen(graph: Any) -> None:
    """Make a graph compute in float32 where it computes in float16 or bfloat16.

    Every value of a narrow type is one of float32 too, so constants keep theirs; what the operators
    no longer round is the only difference. TensorFlow Lite has no kernels for the narrow types.

    Args:
        graph: A ``GraphDef``; it is changed.
    """
    tf = tensorflow()
    narrow, wide = _narrow(), tf.float32.as_datatype_enum
    for attributes in _attributes(graph):
        for value in attributes.values():
            if value.type in narrow:
                value.type = wide
            if value.tensor.dtype in narrow:
                values = tf.make_ndarray(value.tensor).astype(np.float32)
                value.tensor.CopyFrom(tf.make_tensor_proto(values, tf.float32))
            for at, other in enumerate(value.list.type):
                if other in narrow:
                    value.list.type[at] = wide
    for function in graph.library.function:
        for argument in (*function.signature.input_arg, *function.signature.output_arg):
            if argument.type in narrow:
                argument.type = wide


def drop_negative_zeros(graph: Any) -> int:
    """Take out what Keras 3 puts before an argmax or argmin to order -0.0 below 0.0.

    Keras replaces -0.0 by the smallest negative number, and finds it by its sign bit: with a
    BitwiseAnd, which TensorFlow Lite does not have. Of equal values the first is taken without it,
    as in numpy.

    Args:
        graph: A ``GraphDef``; it is changed.

    Returns:
        How many it took out.
    """
    count = 0
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        named = {node.name: node for node in nodes}
        for node in nodes:
            if node.op not in _EXTREMES:
                continue
            select = source(named, node.input[0])
            if select is not None and select.op == "SelectV2" and _tests_sign(named, select):
                node.input[0] = select.input[2]
                count += 1
    return count


def keep_integers(graph: Any) -> int:
    """Let integers be integers that are cast to float, reshaped, and cast to integers again.

    Keras casts what a preprocessing layer takes to the layer's own type. Both give the same up to
    2**24, beyond which float32 has no room for every integer.

    Args:
        graph: A ``GraphDef``; it is changed.

    Returns:
        How many it found.
    """
    tf, count = tensorflow(), 0
    named = {node.name: node for node in graph.node}
    readers = Counter(node_of(name) for node in graph.node for name in node.input)
    for node in graph.node:
        if node.op != "Cast" or not tf.as_dtype(node.attr["DstT"].type).is_integer:
            continue
        kind, first, shaping = node.attr["DstT"].type, named.get(node_of(node.input[0])), []
        while first is not None and first.op in _SHAPING:
            shaping.append(first)
            first = named.get(node_of(first.input[0]))
        if (
            first is None
            or first.op != "Cast"
            or any(readers[node.name] > 1 for node in (first, *shaping))
            or not tf.as_dtype(first.attr["SrcT"].type).is_integer
            or first.attr["DstT"].type != tf.float32.as_datatype_enum
        ):
            continue
        first.attr["DstT"].type = kind
        for shaper in shaping:
            shaper.attr["T"].type = kind
        node.attr["SrcT"].type = kind
        count += 1
    return count


def _tests_sign(named: dict[str, Any], select: Any) -> bool:
    """Return True for a selection of constants where a value is zero with its sign bit set."""
    both = source(named, select.input[0])
    constant = source(named, select.input[1])
    if both is None or constant is None or (both.op, constant.op) != ("LogicalAnd", "Const"):
        return False
    tests = {item.op: item for item in (source(named, name) for name in both.input) if item}
    if set(tests) != {"Equal", "Less"}:
        return False
    bits = source(named, tests["Less"].input[0])
    return bits is not None and bits.op == "BitwiseAnd"


def _attributes(graph: Any) -> Iterator[Any]:
    """Yield the attributes of every node, and of every function, in a graph."""
    for node in graph.node:
        yield node.attr
    for function in graph.library.function:
        yield function.attr
        for node in function.node_def:
            yield node.attr


def _narrow() -> dict[int, Any]:
    tf = tensorflow()
    return {dtype.as_datatype_enum: dtype for dtype in (tf.float16, tf.bfloat16)}


# Each takes a graph, changes it, and returns how often.
REWRITES = (drop_negative_zeros, keep_integers, count_by_one_hots, gather_one_hots)
