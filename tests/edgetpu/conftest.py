from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from quantline.tflite.graph import Graph, Operator, Quantization, Subgraph, Tensor


class Model:
    """A main subgraph, put together operator by operator."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []

    def tensor(
        self,
        *shape: int,
        dtype: str = "int8",
        values: Any = None,
        variable: bool = False,
        zero_point: int = 0,
        scales: tuple[float, ...] = (0.5,),
    ) -> int:
        constant = None
        if values is not None:
            filled = np.broadcast_to(np.asarray(values, dtype), shape)
            constant = np.frombuffer(filled.tobytes(), np.uint8)
        index = len(self.tensors)
        quantization = Quantization(scales, (zero_point,) * len(scales), 0)
        self.tensors.append(
            Tensor(index, f"t{index}", dtype, shape, constant, variable, quantization)
        )
        return index

    def integers(self, *values: int) -> int:
        return self.tensor(len(values), dtype="int32", values=values)

    def weights(self, *shape: int, scales: tuple[float, ...] = (0.5,)) -> int:
        return self.tensor(*shape, values=1, scales=scales)

    def add(
        self,
        kind: str,
        inputs: list[int],
        outputs: list[int],
        *,
        custom: bool = False,
        version: int = 1,
        custom_options: bytes = b"",
        **options: Any,
    ) -> int:
        index = len(self.operators)
        self.operators.append(
            Operator(
                index, kind, custom, version, tuple(inputs), tuple(outputs), options,
                custom_options=custom_options,
            )
        )  # fmt: skip
        return index

    def unary(self, kind: str, source: int, shape: tuple[int, ...] = (), **options: Any) -> int:
        """Add an operator of one input; return its output tensor."""
        output = self.tensor(*(shape or self.tensors[source].shape))
        self.add(kind, [source], [output], **options)
        return output

    def graph(self, *outputs: int) -> Graph:
        produced = {output for operator in self.operators for output in operator.outputs}
        inputs = tuple(
            tensor.index
            for tensor in self.tensors
            if tensor.constant is None and tensor.index not in produced
        )
        main = Subgraph(0, "main", tuple(self.tensors), tuple(self.operators), inputs, outputs)
        return Graph((main,), (), 3, "")


@pytest.fixture
def model() -> Model:
    return Model()
