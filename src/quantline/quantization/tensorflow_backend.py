"""The one module that makes private TensorFlow calls; it runs in a child process.

The quantizer's result is tested to equal the public converter's with the same calibration data.
"""

from __future__ import annotations

from typing import Any

from quantline.errors import ConversionFailed, first_few
from quantline.quiet import tensorflow


def quantize_int8(model: bytes, input_type: str, output_type: str) -> bytes:
    """Quantize a float model whose tensors carry their ``min`` and ``max``.

    Args:
        model: A ``.tflite`` file's bytes, as :func:`quantline.tflite.with_ranges` gives it.
        input_type: ``float32``, ``int8`` or ``uint8``.
        output_type: Likewise.

    Raises:
        ConversionFailed: TensorFlow refuses the model.
    """
    tf = tensorflow()
    from tensorflow.lite.python.convert import deduplicate_readonly_buffers, mlir_quantize

    try:
        content = mlir_quantize(
            model,
            input_data_type=tf.as_dtype(input_type),
            output_data_type=tf.as_dtype(output_type),
        )
        # The public converter ends with this step too: equal constants are stored once.
        return bytes(deduplicate_readonly_buffers(bytes(content)))
    except Exception as error:  # the binding raises plain RuntimeError and ConverterError
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ConversionFailed(
            "TensorFlow cannot quantize the float model",
            found=first_few(lines, 3) or type(error).__name__,
            expected="a model that TensorFlow's quantizer takes",
            remedy="Check the operators of the float model",
        ) from error


def freeze(concrete: Any, name: str, spec: Any) -> Any:
    """Turn a function's variables into constants.

    Saved with its variables, a function may come out of TensorFlow 2.21's converter with weights
    that are read from variables which nothing ever assigns, and which give NaN.

    Args:
        concrete: A concrete function of one named input that returns a dict of tensors.
        name: The input's name.
        spec: The input's ``tf.TensorSpec``.

    Returns:
        A concrete function with the same named input and outputs.
    """
    tf = tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(concrete)
    keys = sorted(concrete.structured_outputs)

    def serve(**inputs: Any) -> dict[str, Any]:
        return dict(zip(keys, tf.nest.flatten(frozen(inputs[name])), strict=True))

    return tf.function(serve).get_concrete_function(**{name: spec})
