"""What runs in the child process of the float import: load, run and convert the original model."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import (
    ConversionFailed,
    ModelUnreadable,
    ModelUnsupported,
    first_few,
    suggest,
)
from quantline.quantization.interface import check_input
from quantline.quantization.tensorflow_backend import freeze
from quantline.quiet import tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable


def run_and_convert(
    kind: str, path: str, signature: str | None, samples: np.ndarray
) -> tuple[bytes, np.ndarray]:
    """Convert a Keras model or a SavedModel to a float ``.tflite`` with a batch of 1.

    Args:
        kind: ``keras`` or ``saved_model``.
        path: The file or folder.
        signature: Which signature of a SavedModel.
        samples: array of shape (n_examples, ...), model input.

    Returns:
        The ``.tflite`` file's bytes, and the original's outputs on the samples, float32 array of
        shape (n_examples, ...).

    Raises:
        QuantlineError: As :func:`quantline.quantization.import_float` lists them.
    """
    tf = tensorflow()
    load = _load_keras if kind == "keras" else _load_saved_model
    key, call, specs = load(tf, path, signature)
    if len(specs) != 1:
        raise ModelUnsupported(
            f"'{path}' does not have exactly one input",
            found=f"{len(specs)} inputs: {first_few(list(specs))}",
            expected="one input",
            remedy="Export a signature with a single input",
        )
    ((name, spec),) = specs.items()
    fixed = _fix_batch(tf, path, spec)
    check_input(samples.shape[1:], tuple(fixed.shape[1:]), path)
    concrete = tf.function(call).get_concrete_function(**{name: fixed})
    outputs = [
        next(iter(concrete(**{name: tf.cast(sample[np.newaxis], fixed.dtype)}).values())).numpy()
        for sample in samples
    ]
    with tempfile.TemporaryDirectory() as folder:
        frozen = freeze(concrete, name, fixed)
        tf.saved_model.save(tf.Module(), folder, signatures={key: frozen})
        content = _convert(tf, path, folder, key)
    return content, np.concatenate(outputs).astype(np.float32)


def _load_keras(
    tf: Any, path: str, signature: str | None
) -> tuple[str, Callable[..., Any], dict[str, Any]]:
    import keras

    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises whatever a foreign file leads to
        raise ModelUnreadable(
            f"'{path}' cannot be loaded as a Keras 3 model",
            found=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            expected="a .keras file saved by Keras 3, of layers that Keras knows",
            remedy="Save it again with model.save('name.keras'), or export a SavedModel with "
            "model.export('folder')",
        ) from error
    specs = {
        tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name)
        for tensor in model.inputs
    }

    def call(**inputs: Any) -> dict[str, Any]:
        values = list(inputs.values())
        outputs = tf.nest.flatten(model(values[0] if len(values) == 1 else values, training=False))
        return {f"output_{index}": value for index, value in enumerate(outputs)}

    return "serving_default", call, specs


def _load_saved_model(
    tf: Any, path: str, signature: str | None
) -> tuple[str, Callable[..., Any], dict[str, Any]]:
    try:
        loaded = tf.saved_model.load(path)
    except Exception as error:  # TensorFlow raises whatever a foreign file leads to
        raise ModelUnreadable(
            f"'{path}' cannot be loaded as a SavedModel",
            found=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            expected="a SavedModel folder of TensorFlow 2",
            remedy="Export it again with model.export('folder')",
        ) from error
    keys = list(loaded.signatures)
    key = signature or (keys[0] if len(keys) == 1 else "serving_default")
    if key not in keys:
        raise ModelUnsupported(
            f"'{path}' has no signature '{key}'",
            found=f"the signatures {first_few(keys) or 'none'}",
            expected="a signature that takes the model's input",
            remedy=suggest(key, keys) or "Set 'model.signature', or export the model with one",
        )
    function = loaded.signatures[key]

    def call(**inputs: Any) -> Any:
        # 'loaded' must stay alive with its variables for as long as the function does.
        return loaded.signatures[key](**inputs)

    return key, call, dict(function.structured_input_signature[1])


def _fix_batch(tf: Any, path: str, spec: Any) -> Any:
    shape = spec.shape.as_list() if spec.shape.rank is not None else None
    if not shape or None in shape[1:] or shape[0] not in (None, 1):
        raise ModelUnsupported(
            f"The input of '{path}' has sizes that are not known, or a fixed batch other than 1",
            found=f"{shape}, where None is unknown",
            expected="only the batch may be unknown",
            remedy="Export the model with a fixed input size and a batch of 1 or None",
        )
    return tf.TensorSpec([1, *shape[1:]], spec.dtype, name=spec.name)


def _convert(tf: Any, path: str, folder: str, key: str) -> bytes:
    try:
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[key])
        return bytes(converter.convert())
    except Exception as error:  # ConverterError and what MLIR raises have no common base
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        telling = [line for line in lines if "op" in line.lower()] or lines
        raise ConversionFailed(
            f"TensorFlow cannot convert '{path}' to a float .tflite",
            found=first_few(telling, 3) or type(error).__name__,
            expected="a model of TensorFlow Lite's builtin operators",
            remedy="Replace the operators it names with ones that TensorFlow Lite has",
        ) from error
