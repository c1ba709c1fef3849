"""Loading of untrusted model files, after a check that nothing in them runs code."""

from quantline.loading.custom_objects import module_file
from quantline.loading.keras_file import H5_SUFFIXES, load_keras
from quantline.loading.keras_layers import graph_names, rename_layers, unroll
from quantline.loading.saved_model_judge import refused_operators
from quantline.loading.saved_model_operators import parsed_saved_model

__all__ = [
    "H5_SUFFIXES", "graph_names", "load_keras", "module_file", "parsed_saved_model",
    "refused_operators", "rename_layers", "unroll",
]  # fmt: skip
