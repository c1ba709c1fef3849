"""What two quantized models have to share to be equal."""

from __future__ import annotations

from typing import Any

import numpy as np

from quantline.tflite import read


def facts(model: bytes) -> list[Any]:
    """Everything that a quantizer decides: operators, versions, options, types, scales, values.

    A constant that is widened by a DEQUANTIZE is told with it, wherever that operator stands.
    """
    found: list[Any] = []
    for subgraph in read(model).subgraphs:
        writers = {index: operator for operator in subgraph.operators for index in operator.outputs}

        def tell(index: int, subgraph: Any = subgraph, writers: Any = writers) -> Any:
            if index < 0:
                return None
            tensor, writer = subgraph.tensors[index], writers.get(index)
            widened = writer is not None and writer.type == "DEQUANTIZE"
            return (
                tensor.dtype,
                tensor.shape,
                tensor.quantization,
                tensor.is_variable,
                None if tensor.constant is None else tensor.constant.tobytes(),
                (writer.version, tell(writer.inputs[0])) if widened else None,
            )

        for operator in subgraph.operators:
            source = subgraph.tensors[operator.inputs[0]] if operator.inputs else None
            if operator.type == "DEQUANTIZE" and source is not None and source.constant is not None:
                continue
            options = {name: np.asarray(value).tolist() for name, value in operator.options.items()}
            ports = [*map(tell, operator.inputs), *map(tell, operator.outputs)]
            found.append((operator.type, operator.version, options, ports))
        found.append(sorted(operator.type for operator in subgraph.operators))
        found.append([tell(index) for index in (*subgraph.inputs, *subgraph.outputs)])
    return found
