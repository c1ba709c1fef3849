"""A model of one operator, field by field, to be damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from quantline.tflite.edit import pack

if TYPE_CHECKING:
    from collections.abc import Callable

# Of the tensors of the model.
TAKEN, WEIGHTS, BIAS, GIVEN = range(4)


def tree() -> Any:
    """Two neurons of four int8 inputs, with a signature and a metadata entry."""
    model = schema.ModelT()
    model.version, model.description = 3, "tiny"
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 4
    model.operatorCodes = [code]
    stored: dict[int, Any] = {
        3: np.arange(8, dtype=np.int8),
        4: np.asarray([5, -5], np.int32),
        5: b"a note",
    }
    model.buffers = [schema.BufferT() for _ in range(6)]
    for number, data in stored.items():
        model.buffers[number].data = np.frombuffer(bytes(data), np.uint8)

    subgraph = schema.SubGraphT()
    subgraph.name = "main"
    subgraph.tensors = [
        _tensor("taken", (1, 4), "INT8", 1, (0.5,), (3,)),
        _tensor("weights", (2, 4), "INT8", 3, (0.25, 0.5), (0, 0)),
        _tensor("bias", (2,), "INT32", 4, (0.125, 0.25), (0, 0)),
        _tensor("given", (1, 2), "INT8", 2, (2.0,), (-7,)),
    ]
    subgraph.inputs, subgraph.outputs = np.asarray([0], np.int32), np.asarray([3], np.int32)
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = np.asarray([0, 1, 2], np.int32), subgraph.outputs
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    subgraph.operators = [operator]
    model.subgraphs = [subgraph]

    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serve", 0
    signature.inputs, signature.outputs = [_named("x", 0)], [_named("y", 3)]
    model.signatureDefs = [signature]
    entry = schema.MetadataT()
    entry.name, entry.buffer = "note", 5
    model.metadata = [entry]
    return model


def file(edit: Callable[[Any], None] = lambda model: None) -> bytes:
    """The model as a file, edited first."""
    model = tree()
    edit(model)
    return pack(model, 1 << 12)


def _tensor(
    name: str, shape: tuple[int, ...], dtype: str, buffer: int, scales: Any, points: Any
) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.buffer = name, buffer
    tensor.shape = np.asarray(shape, np.int32)
    tensor.type = getattr(schema.TensorType, dtype)
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = np.asarray(scales, np.float32)
    tensor.quantization.zeroPoint = np.asarray(points, np.int64)
    return tensor


def _named(name: str, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, index
    return entry


def with_operator(code: int, inputs: Any, outputs: Any, custom: str | None = None) -> Any:
    """An edit that makes the operator one of another type, on these tensors and without options."""

    def edit(model: Any) -> None:
        kind, operator = model.operatorCodes[0], model.subgraphs[0].operators[0]
        kind.builtinCode, kind.deprecatedBuiltinCode = code, min(code, 127)
        kind.version, kind.customCode = 1, custom
        operator.inputs, operator.outputs = (
            np.asarray(item, np.int32) for item in (inputs, outputs)
        )
        operator.builtinOptionsType, operator.builtinOptions = 0, None

    return edit


def refusals(models: list[bytes]) -> list[str]:
    """What the runtime says of each model, on its own kernels; empty where it takes it."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    found = []
    for model in models:
        try:
            Interpreter(
                model_content=model,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            ).allocate_tensors()
        except (RuntimeError, ValueError) as error:
            found.append(str(error))
        else:
            found.append("")
    return found
