"""The description of a ``.tflite`` model in MLflow: inputs, outputs, example, metadata."""

from __future__ import annotations

import platform
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import ModelUnsupported
from quantline.quantization.parity import inputs_of, outputs_of
from quantline.release.flavor.model_files import MODEL
from quantline.tflite.tensor_io import TensorIO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.release.flavor.model_files import Contents
    from quantline.tflite import Graph, Tensor

Ports = dict[str, TensorIO]
_PACKAGES = ("ai-edge-litert", "mlflow", "numpy", "quantline", "tensorflow")


def ports(graph: Graph) -> tuple[Ports, Ports]:
    """Return a model's inputs and outputs by name, in the interpreter's order.

    An unknown batch counts as 1, as it does for the interpreter.

    Raises:
        ModelUnsupported: Another dimension is unknown, or a tensor holds no numbers.
    """
    return (
        _ports(inputs_of(graph), graph.main.inputs),
        _ports(outputs_of(graph), graph.main.outputs),
    )


def takes_any_batch(inputs: Ports, outputs: Ports) -> bool:
    """Return True if the first dimension of every input and output is a batch of 1.

    Such a model predicts any number of examples, one after the other; another one is given its
    inputs whole.
    """
    return all(tensor.shape[:1] == (1,) for tensor in (*inputs.values(), *outputs.values()))


def real_dtype(port: TensorIO) -> np.dtype[Any]:
    """Return the dtype of an input's or output's real values; an unquantized one's own dtype."""
    return np.dtype(np.float32) if port.scale else port.dtype


def example(contents: Contents, inputs: Ports) -> dict[str, np.ndarray]:
    """Return a real-valued input: a golden vector's, from a sample where there is one."""
    vectors = contents.golden.vectors
    chosen = next((vector for vector in vectors if vector.source.startswith("sample")), vectors[0])
    return {
        name: port.dequantize(chosen.inputs[name]) if port.scale else chosen.inputs[name]
        for name, port in inputs.items()
    }


def metadata(contents: Contents, inputs: Ports, outputs: Ports) -> dict[str, Any]:
    """Return the metadata of a saved model, as plain values."""
    operators = Counter(
        operator.type for subgraph in contents.graph.subgraphs for operator in subgraph.operators
    )
    return {
        "sha256": contents.sha256[MODEL],
        "size_bytes": len(contents.stored[MODEL]),
        "scheme": contents.recipe.get("scheme"),
        "inputs": _describe(inputs),
        "outputs": _describe(outputs),
        "operators": dict(sorted(operators.items())),
        "evidence": "parsed",
        "float_model_sha256": contents.recipe["float_model_sha256"],
        **contents.manifests,
        "versions": {name: version(name) for name in _PACKAGES}
        | {"python": platform.python_version()},
    }


def _ports(named: Mapping[str, Tensor], order: tuple[int, ...]) -> Ports:
    by_index = {tensor.index: name for name, tensor in named.items()}
    return {by_index[index]: _port(by_index[index], named[by_index[index]]) for index in order}


def _port(name: str, tensor: Tensor) -> TensorIO:
    batch, rest = tensor.shape[:1], tensor.shape[1:]
    try:
        dtype = np.dtype(tensor.dtype)
    except TypeError:  # such as 'string'
        dtype = np.dtype(object)
    if dtype.kind not in "biuf" or min(rest, default=0) < 0:
        raise ModelUnsupported(
            f"The model's tensor '{name}' cannot be served",
            found=f"{tensor.dtype} of shape {tensor.shape}",
            expected="numbers, in a shape that is known but for the batch",
            remedy="Export the model with fixed sizes, and without text as input or output",
        )
    scale, zero_point = 0.0, 0
    if tensor.quantization is not None and len(tensor.quantization.scales) == 1:
        (scale,), (zero_point,) = tensor.quantization.scales, tensor.quantization.zero_points
    shape = (*(abs(size) for size in batch), *rest)
    return TensorIO(tensor.index, tensor.name, shape, dtype, scale, zero_point)


def _describe(ports: Ports) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "dtype": str(port.dtype),
            "shape": list(port.shape),
            "scale": port.scale or None,
            "zero_point": port.zero_point if port.scale else None,
        }
        for name, port in ports.items()
    ]
