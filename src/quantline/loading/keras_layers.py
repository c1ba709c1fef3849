"""Changes to the layers of a loaded Keras model that do not change its results."""

from __future__ import annotations

from typing import Any

from quantline.loading.graph_names import graph_name, is_graph_name


def rename_layers(model: Any) -> None:
    """Give layers names that TensorFlow takes, which it refuses the others for in a graph.

    Args:
        model: A model of Keras 2 or 3; it is changed.
    """
    used = {layer.name for layer in _layers(model)}
    for layer in _layers(model):
        if not is_graph_name(layer.name):
            name = graph_name(layer.name, used)
            used.add(name)
            # A plain attribute in Keras 3, a property without a setter in Keras 2.
            is_property = isinstance(getattr(type(layer), "name", None), property)
            setattr(layer, "_name" if is_property else "name", name)


def unroll(model: Any, *, fused: bool) -> list[str]:
    """Have recurrent layers written out step by step instead of as a loop.

    Args:
        model: A model of Keras 2 or 3; it is changed.
        fused: Leave those as they are for which TensorFlow Lite has one fused operator: LSTMs of
            Keras 2 with the activations that they have by default.

    Returns:
        The layers' names.
    """
    layers = [
        layer
        for layer in _layers(model)
        # Bidirectional, which has no state of its own, passes on what its layers are.
        if getattr(layer, "unroll", None) is False
        and hasattr(layer, "return_sequences")
        and not (fused and _fuses(layer))
    ]
    for layer in layers:
        layer.unroll = True
    return [layer.name for layer in layers]


def _fuses(layer: Any) -> bool:
    return bool(
        type(layer).__name__ == "LSTM"
        and getattr(layer, "_could_use_gpu_kernel", False)  # Keras 2's own name for these
        and not layer.stateful
        and not layer.return_state
    )


def _layers(model: Any) -> list[Any]:
    """Return the layers of a model, and theirs; of both Keras libraries, no public call does."""
    return list(model._flatten_layers(include_self=False, recursive=True))
