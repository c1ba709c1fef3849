"""A check of a Keras model's configuration, before any Keras library builds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.loading.keras_allowed import (
    ATTRIBUTES,
    OPERATORS,
    VALUES,
    Allowed,
    is_tensor_function,
    mappings,
)
from quantline.loading.saved_model_operators import is_harmless
from quantline.quiet import tensorflow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import ModuleType

# Settings of tf-keras' Lambda layer: the forms in which its functions are stored.
_FUNCTION_TYPES = ("function_type", "output_shape_type", "mask_type")


def refused(config: Any, library: ModuleType, own: Collection[str] = ()) -> list[str]:
    """Return the parts of a configuration that are neither layers nor functions that compute.

    Args:
        config: The configuration of a model, as JSON values.
        library: The module ``keras`` or ``tf_keras``, which is to load it.
        own: Names of classes and functions of a module that the user gave: Keras takes these
            before it looks anywhere else.
    """
    if isinstance(config, dict):
        # The loss and the optimizer of the whole model are not built: it is loaded uncompiled.
        config = {key: value for key, value in config.items() if key != "compile_config"}
    allowed = Allowed(library, own)
    found = (
        reason for part, layer in mappings(config) for reason in _refused(part, layer, allowed)
    )
    return list(dict.fromkeys(found))


def _refused(part: dict[str, Any], layer: str, allowed: Allowed) -> Iterator[str]:
    inner = part.get("config")
    settings = inner if isinstance(inner, dict) else {}
    name = part.get("class_name")
    if name == "__lambda__" or "lambda" in [part.get(key) for key in _FUNCTION_TYPES]:
        yield f"a Python function in the layer '{layer}'"
    elif name == "Lambda":
        if not _calls_allowed(part, settings, allowed):
            yield f"a Python function in the layer '{layer}'"
    elif name == "function":
        yield from _function(part, layer, allowed)
    elif name is not None and name not in VALUES:
        yield from _class(part, str(name), layer, allowed)
        if name in OPERATORS:
            yield from _operator(str(name), settings, layer)
    for key in ("vocabulary", "vocabulary_file"):
        if isinstance(part.get(key), str):
            yield f"the layer '{layer}', which reads its vocabulary from the file '{part[key]}'"
    for key, value in part.items():
        is_name = isinstance(value, str) and key.endswith("activation")
        if (
            is_name
            and not allowed.is_own_name(value)
            and not allowed.is_function(value, None)
            and not allowed.is_class(value, None)
        ):
            yield f"the function '{value}' in the layer '{layer}'"


def _calls_allowed(part: dict[str, Any], settings: dict[str, Any], allowed: Allowed) -> bool:
    """Return True for a Lambda layer of Keras 3 whose function is named, and judged separately.

    Keras 2 looks in any module for that function.
    """
    function = settings.get("function")
    others = [settings.get(key) for key in ("output_shape", "mask")]
    return (
        allowed.is_keras3
        and part.get("module") in {None, "keras.layers"}
        and part.get("registered_name") in {None, "", "Lambda"}
        and isinstance(function, dict)
        and function.get("class_name") == "function"
        and not any(isinstance(setting, dict) for setting in others)
    )


def _class(part: dict[str, Any], name: str, layer: str, allowed: Allowed) -> Iterator[str]:
    module, registered = part.get("module"), part.get("registered_name")
    named = f"{module}.{name}" if module else name
    where = "" if layer in {"", name} else f" in the layer '{layer}'"
    known = module is None or isinstance(module, str)
    if allowed.is_own_name(registered or name):
        return
    if not (known and allowed.is_class(name, module) and registered in {None, "", name}):
        yield f"the class '{named}'{where}"


def _function(part: dict[str, Any], layer: str, allowed: Allowed) -> Iterator[str]:
    module, name, registered = part.get("module"), part.get("config"), part.get("registered_name")
    if allowed.is_own_name(name):
        return
    if not (
        isinstance(name, str)
        and (module is None or isinstance(module, str))
        and allowed.is_function(name, module)
        and registered in {None, "", "function", name}
    ):
        yield f"the function '{f'{module}.' if module else ''}{name}' in the layer '{layer}'"


def _operator(name: str, settings: dict[str, Any], layer: str) -> Iterator[str]:
    """Judge a layer of Keras 2 that calls a function named in its configuration."""
    if name in {"TFOpLambda", "SlicingOpLambda"}:
        symbol = settings.get("function")
        if not (isinstance(symbol, str) and is_tensor_function(symbol)):
            yield f"the layer '{layer}' ({name}), which calls 'tf.{symbol}'"
    elif name == "TensorFlowOpLayer":
        operator = _node_operator(settings.get("node_def"))
        if operator is None or not is_harmless(operator):
            yield f"the layer '{layer}' ({name}), which runs the operator '{operator}'"
    elif settings.get("attr_name") not in ATTRIBUTES:
        yield f"the layer '{layer}' ({name}), which uses '{settings.get('attr_name')}'"


def _node_operator(node: Any) -> str | None:
    """Return the operator of a node, read as tf-keras reads it; None if it is no node."""
    if isinstance(node, dict):
        return node.get("op") if isinstance(node.get("op"), str) else None
    if not isinstance(node, str):
        return None
    try:
        return str(tensorflow().compat.v1.NodeDef.FromString(node.encode()).op)
    except Exception:  # protobuf's DecodeError, which has no public name in TensorFlow
        return None
