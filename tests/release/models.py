"""Small models with their files, as the stages write them, made without TensorFlow."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from tests.tflite.tiny_model import _named, _tensor, file

from quantline.contract.vectors import Golden, Vector
from quantline.files import sha256
from quantline.release.flavor import ModelFiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FLOAT_MODEL, CALIBRATION, EVALUATION = "f" * 64, "c" * 64, "e" * 64
FULLY_CONNECTED_WEIGHTS = np.arange(8, dtype=np.int8).reshape(2, 4)  # of the tiny model


def write_files(
    folder: Path, edit: Callable[[Any], None] = lambda model: None, *, runs: bool = True
) -> ModelFiles:
    """Write a model and all that belongs to it into a folder; return where everything is.

    One that cannot be run has the golden vectors of the model that was edited.
    """
    folder.mkdir(exist_ok=True)
    model = file(edit)
    (folder / "int8.tflite").write_bytes(model)
    recipe = {
        "scheme": "int8", "int8_model_sha256": sha256(model), "float_model_sha256": FLOAT_MODEL,
        "samples_sha256": [CALIBRATION],
    }  # fmt: skip
    texts = {
        "recipe.json": recipe,
        "recorded.json": {"float_model_sha256": FLOAT_MODEL, "tensors": []},
        "manifest.json": {
            "calibration": {"sha256": CALIBRATION}, "evaluation": {"sha256": EVALUATION},
        },
    }  # fmt: skip
    for name, value in texts.items():
        (folder / name).write_text(json.dumps(value))
    vectors = golden(model if runs else file())
    replace(vectors, model_sha256=sha256(model)).save(folder / "vectors.npz")
    return ModelFiles(
        model=folder / "int8.tflite",
        recipe=folder / "recipe.json",
        golden=folder / "vectors.npz",
        ranges=folder / "recorded.json",
        manifest=folder / "manifest.json",
    )


def golden(model: bytes) -> Golden:
    """Two vectors, the second from a sample; of a model's first signature."""
    runner = Interpreter(model_content=model).get_signature_runner()
    vectors = []
    for source, fill in (("lowest", -128), ("sample 0", 5)):
        inputs = {
            name: np.full(detail["shape"], fill, detail["dtype"])
            for name, detail in runner.get_input_details().items()
        }
        vectors.append(Vector(source, inputs, dict(runner(**inputs))))
    return Golden(sha256(model), "ai-edge-litert", "x86_64", "xnnpack", 0.0, tuple(vectors))


def two_of_each(*shape: int) -> Callable[[Any], None]:
    """An edit that makes it the sum of two inputs, and the place of the largest value in it."""

    def edit(model: Any) -> None:
        main = model.subgraphs[0]
        model.operatorCodes = [_code("ADD", 2), _code("ARG_MAX", 2)]
        model.buffers[3].data = np.asarray([len(shape) - 1], np.int32).view(np.uint8)
        main.tensors = [
            _tensor("a", shape, "INT8", 1, (0.5,), (3,)),
            _tensor("b", shape, "INT8", 1, (0.25,), (-4,)),
            _tensor("axis", (1,), "INT32", 3, (), ()),
            _tensor("c", shape, "INT8", 2, (1.0,), (0,)),
            _tensor("d", shape[:-1], "INT64", 2, (), ()),
        ]
        main.inputs, main.outputs = np.asarray([0, 1], np.int32), np.asarray([3, 4], np.int32)
        main.operators = [_operator(0, [0, 1], 3, "Add"), _operator(1, [3, 2], 4, "ArgMax")]
        main.operators[1].builtinOptions.outputType = schema.TensorType.INT64
        signature = model.signatureDefs[0]
        signature.inputs = [_named("right", 1), _named("left", 0)]  # not in the tensors' order
        signature.outputs = [_named("best", 4), _named("sum", 3)]

    return edit


def remembering(model: Any) -> None:
    """An edit that makes it a float recurrent cell, which adds what it gave to what it gives."""
    main = model.subgraphs[0]
    model.operatorCodes = [_code("RNN", 1)]
    values: dict[int, Any] = {3: FULLY_CONNECTED_WEIGHTS, 4: np.eye(2), 5: np.zeros(2)}
    for number, value in values.items():
        model.buffers[number].data = value.astype(np.float32).reshape(-1).view(np.uint8)
    model.metadata = []
    main.tensors = [
        _tensor("x", (1, 4), "FLOAT32", 1, (), ()),
        _tensor("weights", (2, 4), "FLOAT32", 3, (), ()),
        _tensor("recurrent", (2, 2), "FLOAT32", 4, (), ()),
        _tensor("bias", (2,), "FLOAT32", 5, (), ()),
        _tensor("state", (1, 2), "FLOAT32", 0, (), ()),
        _tensor("y", (1, 2), "FLOAT32", 2, (), ()),
    ]
    main.tensors[4].isVariable = True
    main.outputs = np.asarray([5], np.int32)
    main.operators = [_operator(0, [0, 1, 2, 3, 4], 5, "RNN")]
    model.signatureDefs[0].outputs = [_named("y", 5)]


def _code(name: str, version: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
    code.version = version
    return code


def _operator(code: int, inputs: list[int], output: int, options: str) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex = code
    operator.inputs = np.asarray(inputs, np.int32)
    operator.outputs = np.asarray([output], np.int32)
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, f"{options}Options")
    operator.builtinOptions = getattr(schema, f"{options}OptionsT")()
    return operator
