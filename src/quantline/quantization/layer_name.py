"""Which layer of the original model a tensor's name tells of."""

from __future__ import annotations

import re

_PLUMBING = {
    "StatefulPartitionedCall", "PartitionedCall", "ReadVariableOp", "resource", "Identity",
}  # fmt: skip
_MODEL = re.compile(r"(model|functional|sequential)(_\d+)*")
_COMPOSITES = {"moments", "batchnorm", "Tensordot", "Cast"}


def layer_of(name: str) -> str | None:
    """Return the layer that a tensor's name tells of, or None where it tells none.

    TensorFlow names an operation ``model/layer/operation``, a layer within a layer adds a part,
    and so does an operation made of several, such as ``Tensordot``. The converter joins the names
    of what it fused with ``;``, so ``model/conv2d_3/Relu6;model/bn/FusedBatchNormV3`` is of the
    layer ``conv2d_3``. A number that Keras 3 adds to a scope, as in ``conv2d_3_1``, stays: a name
    does not tell it from one of the layer's own.

    Args:
        name: The tensor's name.
    """
    for other in name.split(";"):
        parts = [part for part in other.split(":")[0].split("/") if part not in _PLUMBING]
        # Older models have no scope around their layers.
        scope = 1 if len(parts) > 2 or _MODEL.fullmatch(parts[0] if parts else "") else 0
        layer = parts[scope:-1]
        while len(layer) > 1 and layer[-1] in _COMPOSITES:
            layer.pop()
        if layer:
            return "/".join(layer)
    return None
