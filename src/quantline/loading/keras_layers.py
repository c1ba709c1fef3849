"""Changes to the layers of a loaded Keras model that leave what it computes as it is."""

from __future__ import annotations

from typing import Any

from quantline.loading.names import is_plain, plain


def rename_layers(model: Any) -> None:
    """Give layers names that TensorFlow takes, which it refuses the others for in a graph.

    Args:
        model: A model of Keras 2 or 3; it is changed.
    """
    used = {layer.name for layer in _layers(model)}
    for layer in _layers(model):
        if not is_plain(layer.name):
            name = plain(layer.name, used)
            used.add(name)
            # A plain attribute in Keras 3, a property without a setter in Keras 2.
            is_property = isinstance(getattr(type(layer), "name", None), property)
            setattr(layer, "_name" if is_property else "name", name)


def recurrent_layers(model: Any, *, loops_only: bool = True) -> list[Any]:
    """Return the layers that step through a sequence.

    Args:
        model: A model of Keras 2 or 3.
        loops_only: Leave out those that are written out step by step already.
    """
    found = [
        layer
        for layer in _layers(model)
        # Bidirectional, which has no state of its own, passes on what its layers are.
        if isinstance(getattr(layer, "unroll", None), bool) and hasattr(layer, "return_sequences")
    ]
    return [layer for layer in found if not (loops_only and layer.unroll)]


def unroll(model: Any) -> list[str]:
    """Have recurrent layers written out step by step instead of as a loop.

    Args:
        model: A model of Keras 2 or 3; it is changed.

    Returns:
        The layers' names.
    """
    layers = recurrent_layers(model)
    for layer in layers:
        layer.unroll = True
    return [layer.name for layer in layers]


def _layers(model: Any) -> list[Any]:
    """Return the layers of a model, and theirs; of both Keras libraries, no public call does."""
    return list(model._flatten_layers(include_self=False, recursive=True))
