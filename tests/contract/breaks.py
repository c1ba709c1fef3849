"""For each rule an edit of a sound model's flatbuffer that breaks this rule, and no other."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from tests.contract.edited import Edit

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES = schema.TensorType


def _quantization(place: Callable[[Edit], Any], **changes: Any) -> Callable[[Edit], None]:
    """Change scale or zeroPoint, each a function of the first, or another field."""

    def change(edit: Edit) -> None:
        quantization = place(edit).quantization
        for name, value in changes.items():
            if callable(value):
                values = np.array(getattr(quantization, name))
                values[0] = value(values[0])
                setattr(quantization, name, values)
            else:
                setattr(quantization, name, value)

    return change


def _dtype(place: Callable[[Edit], Any], number: int) -> Callable[[Edit], None]:
    def change(edit: Edit) -> None:
        place(edit).type = number

    return change


def _stored(place: Callable[[Edit], Any], dtype: str, index: Any, value: int) -> Any:
    def change(edit: Edit) -> None:
        edit.values(place(edit), dtype)[index] = value

    return change


def _scores(edit: Edit) -> Any:
    return edit.output("FULLY_CONNECTED")


def _probabilities(edit: Edit) -> Any:
    return edit.output("SOFTMAX")


def _weights(edit: Edit) -> Any:
    return edit.input("FULLY_CONNECTED", 1)


def _bias(edit: Edit) -> Any:
    return edit.input("FULLY_CONNECTED", 2)


def _retyped(kind: str, name: str, custom: str | None = None) -> Callable[[Edit], None]:
    def change(edit: Edit) -> None:
        edit.retype(kind, getattr(schema.BuiltinOperator, name), custom)

    return change


def _newer(edit: Edit) -> None:
    edit.retype("MEAN", 250)


def _fake_quant(edit: Edit) -> None:
    edit.retype("SOFTMAX", schema.BuiltinOperator.FAKE_QUANT)
    _probabilities_type(edit)


def _probabilities_type(edit: Edit) -> None:
    edit.main.tensors[edit.main.outputs[0]].type = TYPES.FLOAT32


def _untouched(edit: Edit) -> None:
    tensor = schema.TensorT()
    tensor.name, tensor.type, tensor.shape, tensor.buffer = b"left", TYPES.FLOAT32, [1], 0
    edit.main.tensors.append(tensor)


def _uint8(edit: Edit) -> None:
    for tensor in (edit.input("SOFTMAX"), edit.output("SOFTMAX")):
        tensor.type = TYPES.UINT8
        tensor.quantization.zeroPoint = np.array(tensor.quantization.zeroPoint) + 128


def _sparse(edit: Edit) -> None:
    _weights(edit).sparsity = schema.SparsityParametersT()


def _no_scale(edit: Edit) -> None:
    _scores(edit).quantization = None


def called(model: bytes) -> bytes:
    """Return the model with its SOFTMAX in a subgraph of its own, which is called."""
    edit = Edit(model)
    body = deepcopy(edit.main)
    kept = edit.operator("SOFTMAX")
    body.operators = [deepcopy(kept)]
    body.inputs, body.outputs = np.array(kept.inputs), np.array(kept.outputs)
    edit.model.subgraphs.append(body)
    call = edit.retype("SOFTMAX", schema.BuiltinOperator.CALL)
    call.builtinOptions, call.builtinOptionsType = schema.CallOptionsT(), 0
    call.builtinOptions.subgraph = 1
    call.builtinOptionsType = schema.BuiltinOptions.CallOptions
    return edit.bytes()


def _inside(edit: Edit) -> Any:
    body = edit.model.subgraphs[1]
    return body.tensors[body.inputs[0]]


@dataclass(frozen=True)
class Break:
    """How a rule is broken.

    Attributes:
        edit: What is done to the sound model.
        model: Which one: a name of ``sound`` in test_rules.py.
        held_to: The specification that it is held to.
    """

    edit: Callable[[Edit], None]
    model: str = "plain"
    held_to: str = "int8"


BREAKS: dict[str, list[Break]] = {
    "integer.operator": [
        Break(_dtype(_probabilities, number))
        for number in (TYPES.FLOAT32, TYPES.FLOAT16, TYPES.FLOAT64, TYPES.STRING)
    ],
    "integer.weights_only": [
        Break(_dtype(lambda edit: edit.main.tensors[edit.main.inputs[0]], TYPES.FLOAT32))
    ],
    "integer.simulated": [Break(_fake_quant)],
    "integer.tensor": [Break(_untouched)],
    "integer.unknown": [Break(_newer)],
    "custom.unknown": [Break(_retyped("MEAN", "CUSTOM", "Mine"))],
    "custom.flex": [Break(_retyped("MEAN", "CUSTOM", "FlexErf"))],
    "model.uint8": [Break(_uint8)],
    "model.int8": [Break(lambda edit: None, held_to="uint8")],
    "tensor.scale": [
        Break(_quantization(lambda edit: edit.output("MEAN"), scale=lambda _, value=value: value))
        for value in (0, -1, np.nan, np.inf)
    ],
    "activation.type": [Break(_dtype(_scores, TYPES.INT16)), Break(_dtype(_scores, TYPES.INT32))],
    "activation.scale": [
        Break(_no_scale),
        Break(_quantization(_scores, scale=[0.1] * 4, zeroPoint=[0] * 4, quantizedDimension=1)),
    ],
    "activation.zero_point": [
        Break(_quantization(_scores, zeroPoint=lambda _: 200)),
        Break(_quantization(lambda edit: edit.input("SOFTMAX"), zeroPoint=lambda _: 1), "int16"),
    ],
    "activation.fixed": [
        Break(_quantization(_probabilities, scale=lambda _: 1 / 255)),
        Break(_quantization(_probabilities, zeroPoint=lambda _: 0)),
        Break(_quantization(_probabilities, scale=lambda _: 1 / 32767), "int16"),
    ],
    "activation.power_of_two": [
        Break(
            _quantization(
                lambda edit: edit.input("UNIDIRECTIONAL_SEQUENCE_LSTM", 19),
                scale=lambda scale: scale * 1.5,
            ),
            "lstm",
        )
    ],
    "activation.same_scale": [
        Break(
            _quantization(lambda edit: edit.output("MAX_POOL_2D"), scale=lambda scale: scale * 2),
            "residual",
        ),
        Break(
            _quantization(
                lambda edit: edit.input("UNIDIRECTIONAL_SEQUENCE_LSTM", 18),
                zeroPoint=lambda point: point + 1,
            ),
            "lstm",
        ),
    ],
    "activation.int16": [Break(_retyped("SOFTMAX", "HARD_SWISH"), "int16")],
    "weights.type": [Break(_dtype(_weights, TYPES.UINT8))],
    "weights.range": [Break(_stored(_weights, "int8", (0, slice(0, 2)), -128))],
    "weights.zero_point": [Break(_quantization(_weights, zeroPoint=lambda _: 1))],
    "weights.axis": [
        Break(_quantization(_weights, scale=[0.1] * 8, zeroPoint=[0] * 8, quantizedDimension=1)),
        Break(_quantization(lambda edit: edit.input("CONV_2D", 1), quantizedDimension=3)),
        Break(
            _quantization(
                lambda edit: edit.input("DEPTHWISE_CONV_2D", 1),
                scale=[0.1] * 3,
                zeroPoint=[0] * 3,
                quantizedDimension=1,
            ),
            "depthwise",
        ),
    ],
    "bias.type": [Break(_dtype(_bias, TYPES.UINT32))],
    "bias.scale": [
        Break(_quantization(_bias, scale=lambda scale: scale * 2)),
        Break(_quantization(_bias, scale=[0.1], zeroPoint=[0])),
        Break(_quantization(_bias, scale=lambda scale: scale * 2), "int16"),
        Break(
            _quantization(
                lambda edit: edit.input("UNIDIRECTIONAL_SEQUENCE_LSTM", 13),
                scale=lambda scale: scale * 2,
            ),
            "lstm",
        ),
    ],
    "bias.zero_point": [Break(_quantization(_bias, zeroPoint=lambda _: 1))],
    "call.same_scale": [Break(_quantization(_inside, scale=lambda scale: scale * 2), "called")],
    "operator.unspecified": [Break(_retyped("MEAN", "CUMSUM"))],
    "tensor.sparse": [Break(_sparse)],
    "activation.no_range": [Break(_quantization(_scores, scale=lambda _: 2e-6 / 255))],
    "activation.unused_range": [
        Break(_quantization(lambda edit: edit.input("MEAN"), zeroPoint=lambda _: 100))
    ],
    "scales.apart": [
        Break(
            _quantization(lambda edit: edit.input("ADD", 1), scale=lambda scale: scale / 100),
            "residual",
        )
    ],
    "weights.dead_channel": [Break(_stored(_weights, "int8", 1, 0))],
    "weights.unused_range": [Break(_stored(_weights, "int8", 1, 15))],
    "constant.saturated": [Break(_stored(_weights, "int8", (slice(None), slice(2, None)), 127))],
    "bias.saturated": [Break(_stored(_bias, "int32", 0, 2**31 - 1))],
}
