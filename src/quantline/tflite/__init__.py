"""What a ``.tflite`` file is: a graph to read, to edit, and to run."""

from quantline.tflite.edit import (
    with_outputs,
    with_port_names,
    with_ranges,
    with_signature,
    with_simulated_shapes,
    with_static_batch,
)
from quantline.tflite.graph import Graph, Operator, Quantization, Signature, Subgraph, Tensor, read
from quantline.tflite.runtime import Runtime

__all__ = [
    "Graph",
    "Operator",
    "Quantization",
    "Runtime",
    "Signature",
    "Subgraph",
    "Tensor",
    "read",
    "with_outputs",
    "with_port_names",
    "with_ranges",
    "with_signature",
    "with_simulated_shapes",
    "with_static_batch",
]
