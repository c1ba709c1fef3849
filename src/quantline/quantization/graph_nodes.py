"""Reading a ``GraphDef``: where a tensor comes from."""

from __future__ import annotations

from typing import Any

from quantline.quiet import tensorflow

_FORWARDING = {"Identity", "Cast", "StopGradient", "Snapshot"}


def node_of(tensor: str) -> str:
    """Return the name of the node that a tensor or a control input belongs to."""
    return tensor.removeprefix("^").partition(":")[0]


def source(named: dict[str, Any], tensor: str) -> Any:
    """Return the node that computes a tensor, past those that hand it on; None if unknown.

    Args:
        named: The graph's nodes, by name.
        tensor: The tensor's name.
    """
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
