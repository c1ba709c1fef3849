"""Rewrites of a frozen graph, for what TensorFlow Lite has no operators for.

Each takes a ``GraphDef`` whose variables are constants, changes it where it finds its pattern, and
leaves what the graph computes as it is, rounding excepted.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

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
    """Make a ``GraphDef`` compute in float32 where it computes in float16 or bfloat16.

    Every value of a narrow type is one of float32 too, so constants keep theirs; the operators'
    rounding is the only difference. TensorFlow Lite has no kernels for the narrow types.
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
            for at, dtype in enumerate(value.list.type):
                if dtype in narrow:
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

    Keras casts the input of a preprocessing layer to the layer's own type. Both give the same up to
    2**24, beyond which float32 has no room for every integer.
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
    nodes = (source(named, name) for name in both.input)
    tests = {node.op: node for node in nodes if node}
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


_MOST_ROWS = 1024


def count_by_one_hots(graph: Any) -> int:
    """Replace counts of known size by the sum of one-hot rows, or their largest if asked to."""
    tf, count = tensorflow(), 0
    named = {node.name: node for node in graph.node}
    for node in [node for node in graph.node if node.op == "DenseBincount"]:
        size, weights = _size(named, node.input[1]), constant_of(named, node.input[2])
        if size is None or weights is None or weights.size:
            continue
        kind, index = node.attr["T"].type, node.attr["Tidx"].type
        ends = [_add_constant(graph, f"{node.name}/{value}", np.asarray(value), kind)
                for value in (1, 0)]  # fmt: skip
        depth = _add_constant(graph, f"{node.name}/size", size, tf.int32.as_datatype_enum)
        axis = _add_constant(graph, f"{node.name}/axis", -2, tf.int32.as_datatype_enum)
        rows = graph.node.add(
            op="OneHot", name=f"{node.name}/rows", input=[node.input[0], depth, *ends]
        )
        rows.attr["T"].type, rows.attr["TI"].type, rows.attr["axis"].i = kind, index, -1
        node.op = "Max" if node.attr["binary_output"].b else "Sum"
        node.input[:] = [rows.name, axis]
        node.attr.clear()
        node.attr["T"].type, node.attr["Tidx"].type = kind, tf.int32.as_datatype_enum
        count += 1
    return count


def gather_one_hots(graph: Any) -> int:
    """Replace one-hot rows by rows of a unit matrix, with one of zeros for ids out of range."""
    tf, count = tensorflow(), 0
    whole, real = tf.int32.as_datatype_enum, tf.float32.as_datatype_enum
    named = {node.name: node for node in graph.node}
    for node in [node for node in graph.node if node.op == "OneHot"]:
        depth, on, off = (constant_of(named, name) for name in node.input[1:])
        if (
            node.attr["T"].type != real or node.attr["axis"].i != -1
            or any(value is None for value in (depth, on, off)) or not 0 < int(depth) <= _MOST_ROWS
        ):  # fmt: skip
            continue
        table = np.full((int(depth) + 1, int(depth)), off, np.float32)
        np.fill_diagonal(table, on)
        rows = _add_constant(graph, f"{node.name}/unit", table, real)
        ids = graph.node.add(op="Cast", name=f"{node.name}/ids", input=[node.input[0]])
        ids.attr["SrcT"].type, ids.attr["DstT"].type = node.attr["TI"].type or 9, whole
        # Ids below 0 and from the size on take the last row.
        last = _add_constant(graph, f"{node.name}/last", int(depth), whole)
        zero = _add_constant(graph, f"{node.name}/zero", 0, whole)
        below = graph.node.add(op="Less", name=f"{node.name}/below", input=[ids.name, zero])
        above = graph.node.add(op="Minimum", name=f"{node.name}/above", input=[ids.name, last])
        chosen = graph.node.add(
            op="SelectV2", name=f"{node.name}/row", input=[below.name, last, above.name]
        )
        for place in (below, above, chosen):
            place.attr["T"].type = whole
        axis = _add_constant(graph, f"{node.name}/first", 0, whole)
        node.op = "GatherV2"
        node.input[:] = [rows, chosen.name, axis]
        node.attr.clear()
        node.attr["Tparams"].type, node.attr["Tindices"].type = real, whole
        node.attr["Taxis"].type = whole
        count += 1
    return count


def _size(named: dict[str, Any], tensor: str) -> int | None:
    """Return the size of a count where its least and its most are the same."""
    most = source(named, tensor)
    if most is None or most.op != "Minimum":
        value = constant_of(named, tensor)
        return None if value is None else int(value)
    limit, least = constant_of(named, most.input[0]), source(named, most.input[1])
    if limit is None or least is None or least.op != "Maximum":
        return None
    floor = constant_of(named, least.input[0])
    return int(limit) if floor is not None and int(floor) == int(limit) else None


def _add_constant(graph: Any, name: str, value: Any, kind: int) -> str:
    tf = tensorflow()
    node = graph.node.add(op="Const", name=name)
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, tf.as_dtype(kind)))
    node.attr["dtype"].type = kind
    return name


_FORWARDING = {"Identity", "Cast", "StopGradient", "Snapshot"}


def node_of(tensor: str) -> str:
    """Return the name of the node that a tensor or a control input belongs to."""
    return tensor.removeprefix("^").partition(":")[0]


def source(named: dict[str, Any], tensor: str) -> Any:
    """Return the node that computes a tensor, past those that hand it on; None if unknown."""
    node = named.get(node_of(tensor))
    while node is not None and node.op in _FORWARDING:
        node = named.get(node_of(node.input[0]))
    return node


def constant_of(named: dict[str, Any], tensor: str) -> Any:
    """Return a constant's value as an array, of whatever type; None if it is no constant."""
    node = source(named, tensor)
    if node is None or node.op != "Const":
        return None
    return tensorflow().make_ndarray(node.attr["value"].tensor)


REWRITES = (drop_negative_zeros, keep_integers, count_by_one_hots, gather_one_hots)
"""Functions that change a graph and return the number of places."""
