"""Changes to the names and layers of a loaded model that do not change its results."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection


_PLAIN = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")  # tf.name_scope's rule


def is_graph_name(name: str) -> bool:
    """Return True if a name is valid: ASCII letters and digits, and a few marks."""
    return bool(_PLAIN.fullmatch(name))


def graph_name(name: str, used: Collection[str]) -> str:
    """Return a valid name near this one that is not in use."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    near = re.sub(r"[^A-Za-z0-9_.]", "_", letters).lstrip("_") or "name"
    number, found = 1, near
    while found in used:
        number, found = number + 1, f"{near}_{number}"
    return found


def graph_names(names: Collection[str]) -> dict[str, str]:
    """Return a valid name by each of these; its own where that is valid."""
    found = {name: name for name in names if is_graph_name(name)}
    for name in names:
        if name not in found:
            found[name] = graph_name(name, found.values())
    return found


def rename_layers(model: Any) -> None:
    """Give layers names that TensorFlow takes, which it refuses the others for in a graph."""
    used = {layer.name for layer in _layers(model)}
    for layer in _layers(model):
        if not is_graph_name(layer.name):
            name = graph_name(layer.name, used)
            used.add(name)
            # A plain attribute in Keras 3, a property without a setter in Keras 2.
            is_property = isinstance(getattr(type(layer), "name", None), property)
            setattr(layer, "_name" if is_property else "name", name)


def unroll(model: Any, *, fused: bool) -> list[str]:
    """Have recurrent layers written out step by step instead of as a loop; return their names.

    Args:
        model: A model of Keras 2 or 3; it is changed.
        fused: Leave those as they are for which TensorFlow Lite has one fused operator: LSTMs of
            Keras 2 with the activations that they have by default.
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
