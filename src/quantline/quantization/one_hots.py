"""One-hot rows and counts of integers, as CategoryEncoding has them, for integer kernels.

TensorFlow Lite has no DenseBincount. It has ONE_HOT, whose int8 form takes 0 and 1 as they are
stored, each with a scale of its own, and so gives other numbers than the float one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quantline.quantization.graph_nodes import constant_of, source
from quantline.quiet import tensorflow

_MOST_ROWS = 1024


def count_by_one_hots(graph: Any) -> int:
    """Replace counts of known size by the sum of one-hot rows, or their largest where that asks so.

    Args:
        graph: A ``GraphDef``; it is changed.

    Returns:
        How many it replaced.
    """
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
    """Replace one-hot rows by rows of a unit matrix, with one of zeros for what is out of range.

    Args:
        graph: A ``GraphDef``; it is changed.

    Returns:
        How many it replaced.
    """
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
