"""The back end ``litert``: litert-quantizer, given the recorded ranges instead of samples."""

from __future__ import annotations

import importlib.util
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from quantline.errors import ConversionError, DependencyError, excerpt
from quantline.tflite import read
from quantline.tflite.editor import Editor

if TYPE_CHECKING:
    from quantline.quantization.shared_scale import Bounds
    from quantline.tflite import Graph

_EVERYWHERE = ".*"
_WEIGHTS_ONLY = {"float16", "dynamic_range"}


def is_installed() -> bool:
    """Return True if litert-quantizer can be imported."""
    return importlib.util.find_spec("litert_quantizer") is not None


def left_in_float(graph: Graph, scheme: str) -> list[str]:
    """Return the operator types that litert-quantizer will leave in float.

    Raises:
        DependencyError: litert-quantizer is not installed.
    """
    _check_installed()
    from litert_quantizer.recipe_manager import AlgorithmName
    from litert_quantizer.utils.tfl_flatbuffer_utils import TFL_OP_CODE_TO_NAME

    numbers = {name: number for name, number in vars(schema.BuiltinOperator).items()}
    manager = _recipe(scheme, "int8", "int8")
    found = set()
    for subgraph in graph.subgraphs:
        for operator in subgraph.operators:
            name = TFL_OP_CODE_TO_NAME.get(numbers.get(operator.type))
            taken = name is not None and (
                manager.get_quantization_configs(name, "")[0] != AlgorithmName.NO_QUANTIZE
            )
            operands = [subgraph.tensors[index] for index in operator.inputs if index >= 0]
            if scheme in _WEIGHTS_ONLY:
                operands = [operand for operand in operands if operand.constant is not None]
            else:
                operands += [subgraph.tensors[index] for index in operator.outputs]
            if not taken and any(operand.dtype == "float32" for operand in operands):
                found.add(operator.type)
    return sorted(found)


def quantize(model: bytes, bounds: Bounds, scheme: str, input_type: str, output_type: str) -> bytes:
    """Quantize a float model; to be called in a child process."""
    _check_installed()
    from litert_quantizer import Quantizer

    model = _with_unique_names(model)
    tensors = read(model).main.tensors
    seen = {
        tensors[index].name: {
            "min": np.asarray([low], np.float32),
            "max": np.asarray([high], np.float32),
        }
        for index, (low, high) in bounds.items()
        # It takes the extremes of constants from their values, per axis where it needs them so.
        if tensors[index].constant is None
    }
    try:
        quantizer = Quantizer(model)
        quantizer.load_quantization_recipe(
            _recipe(scheme, input_type, output_type).get_quantization_recipe()
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it opens the model in a way that LiteRT warns of
            result = quantizer.quantize(
                None if scheme in _WEIGHTS_ONLY else seen,
                enable_progress_bar=False,
                enable_progress_report=False,
            )
    except Exception as error:  # it raises ValueError, RuntimeError and KeyError of its own
        raise ConversionError(
            "litert-quantizer cannot quantize the float model",
            found=excerpt(str(error)) or type(error).__name__,
            expected="a model that litert-quantizer takes",
            remedy="Use `backend='tensorflow'`",
            details=str(error),
        ) from error
    return bytes(result.quantized_model)


def _with_unique_names(model: bytes) -> bytes:
    """Return the model with the index appended to every tensor name that is not unique."""
    editor = Editor(model)
    seen: set[bytes] = set()
    for number, subgraph in enumerate(editor.subgraphs):
        for index, tensor in enumerate(subgraph.tensors):
            if (tensor.name or b"") in seen:
                tensor.name = (tensor.name or b"") + f";{number}_{index}".encode()
            seen.add(tensor.name or b"")
    return editor.pack()


def _check_installed() -> None:
    if not is_installed():
        raise DependencyError(
            "The back end 'litert' needs a package that is not installed",
            found="no package 'litert-quantizer'",
            expected="litert-quantizer 0.11",
            remedy="Run: pip install 'quantline[litert]', or use `backend='tensorflow'`",
        )


def _recipe(scheme: str, input_type: str, output_type: str) -> Any:
    """Return litert-quantizer's recipe manager for a scheme."""
    from litert_quantizer.qtyping import QuantGranularity, TFLOperationName
    from litert_quantizer.recipe_manager import AlgorithmName, RecipeManager

    manager, every = RecipeManager(), TFLOperationName.ALL_SUPPORTED
    if scheme == "float16":
        manager.add_weight_only_config(
            _EVERYWHERE, every, 16, algorithm_key=AlgorithmName.FLOAT_CASTING
        )
    elif scheme == "dynamic_range":
        manager.add_dynamic_config(_EVERYWHERE, every, 8)
    else:
        fine = QuantGranularity.CHANNELWISE
        granularity = QuantGranularity.TENSORWISE if scheme == "int8_per_tensor" else fine
        bits = 16 if scheme == "int16x8" else 8
        manager.add_static_config(_EVERYWHERE, every, bits, 8, granularity)
        # LiteRT's integer kernel reads one scale where litert-quantizer writes one a column, and
        # gives zeros.
        product = TFLOperationName.BATCH_MATMUL
        manager.add_static_config(_EVERYWHERE, product, bits, 8, QuantGranularity.TENSORWISE)
        ports = ((TFLOperationName.INPUT, input_type), (TFLOperationName.OUTPUT, output_type))
        for port, dtype in ports:
            if dtype == "float32":
                manager.add_quantization_config(
                    _EVERYWHERE, port, algorithm_key=AlgorithmName.NO_QUANTIZE
                )
            elif dtype == "uint8":
                manager.add_quantization_config(_EVERYWHERE, port, _unsigned())
    return manager


def _unsigned() -> Any:
    from litert_quantizer import qtyping

    activations = qtyping.TensorQuantizationConfig(
        8, symmetric=False, dtype=qtyping.TensorDataType.UINT
    )
    return qtyping.OpQuantizationConfig(
        activation_tensor_config=activations,
        weight_tensor_config=qtyping.TensorQuantizationConfig(8),
        compute_precision=qtyping.ComputePrecision.INTEGER,
    )
