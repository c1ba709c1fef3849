"""The private TensorFlow calls by which a SavedModel is read before it is loaded."""

from __future__ import annotations

from typing import Any

from quantline.quiet import tensorflow


def operator_definition(name: str) -> Any:
    """Return TensorFlow's ``OpDef`` of an operator; None if it has no such operator."""
    tensorflow()
    from tensorflow.python.framework import op_def_registry

    return op_def_registry.get(name)


def parsed_saved_model(folder: str) -> Any:
    """Return the ``SavedModel`` message of a folder, read as ``tf.saved_model.load`` reads it.

    Raises:
        OSError: It cannot be read.
    """
    tensorflow()
    from tensorflow.python.saved_model.loader_impl import parse_saved_model

    return parse_saved_model(folder)
