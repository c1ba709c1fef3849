"""A model's object tree, with ways to find a place in it and to change it."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from quantline.tflite.edit import pack
from quantline.tflite.graph import parse


class Edit:
    """A model's object tree, and ways to find a place in its main subgraph."""

    def __init__(self, model: bytes) -> None:
        self.model = parse(model)
        self.size = len(model)
        self.main = self.model.subgraphs[0]

    def operator(self, kind: str) -> Any:
        """Return the last operator of this type."""
        number = getattr(schema.BuiltinOperator, kind)
        codes = [operatorcode.builtinCode for operatorcode in self.model.operatorCodes]
        return [
            operator for operator in self.main.operators if codes[operator.opcodeIndex] == number
        ][-1]

    def input(self, kind: str, position: int = 0) -> Any:
        return self.main.tensors[self.operator(kind).inputs[position]]

    def output(self, kind: str) -> Any:
        return self.main.tensors[self.operator(kind).outputs[0]]

    def retype(self, kind: str, number: int, custom: str | None = None) -> Any:
        """Make the operator one of another type, without options."""
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
        code.customCode, code.version = custom, 1
        self.model.operatorCodes.append(code)
        operator = self.operator(kind)
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.builtinOptionsType, operator.builtinOptions = 0, None
        return operator

    def values(self, tensor: Any, dtype: str) -> np.ndarray:
        """Return a constant's values, to be written to."""
        buffer = self.model.buffers[tensor.buffer]
        buffer.data = np.array(buffer.data, np.uint8)
        return buffer.data.view(dtype).reshape(tensor.shape)

    def bytes(self) -> bytes:
        return pack(self.model, self.size)
