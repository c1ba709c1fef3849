"""Which layer of the original model a tensor's name tells of."""

from __future__ import annotations

_PLUMBING = {
    "StatefulPartitionedCall", "PartitionedCall", "ReadVariableOp", "resource", "Identity",
}  # fmt: skip


def layer_of(name: str) -> str | None:
    """Return the layer that a tensor's name tells of, or None where it tells none.

    TensorFlow names an operation ``model/layer/operation``, and its converter joins the names of
    the operations that it fused with ``;``. So ``model/conv2d_3/Relu6;model/bn/FusedBatchNormV3``
    is of the layer ``conv2d_3``. The number that Keras 3 adds to a scope stays: a name does not
    tell it from a number of the layer's own.

    Args:
        name: The tensor's name.
    """
    for each in name.split(";"):
        parts = [part for part in each.split(":")[0].split("/") if part not in _PLUMBING]
        if len(parts) > 1:
            return "/".join(parts[1:-1]) or parts[0]
    return None
