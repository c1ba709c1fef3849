"""A ``.tflite`` file: its graph, edits of it, and a runtime for it."""

from quantline.tflite.edit import (
    with_outputs,
    with_ranges,
    with_signature,
    with_signature_names,
    with_simulated_shapes,
    with_static_batch,
)
from quantline.tflite.graph import (
    CONVERSIONS,
    Graph,
    Model,
    Operator,
    Quantization,
    Signature,
    Subgraph,
    Tensor,
    float_operators,
    read,
)
from quantline.tflite.runtime import Runtime

__all__ = [
    "CONVERSIONS", "Graph", "Model", "Operator", "Quantization", "Runtime", "Signature", "Subgraph",
    "Tensor", "float_operators", "read", "with_outputs", "with_ranges", "with_signature",
    "with_signature_names", "with_simulated_shapes", "with_static_batch",
]  # fmt: skip
