"""The one module that quantizes by private TensorFlow calls; it runs in a child process.

The quantizer's result is tested to equal the public converter's with the same calibration data.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import BackendUnavailable, ConversionError, excerpt
from quantline.quantization.schemes import FloatOperators
from quantline.quiet import tensorflow
from quantline.tflite import float_operators, read, with_ranges
from quantline.tflite.editor import Editor
from quantline.tflite.graph import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quantline.quantization.shared_scale import Bounds

_ATTEMPTS = 5
# Places among the intermediate and the input tensors of LSTM operators.
_HIDDEN, _PROJECTION = 4, 16
_NOTHING = FloatOperators()


def quantize(
    model: bytes,
    bounds: Bounds,
    scheme: str,
    input_type: str,
    output_type: str,
    kept: FloatOperators = _NOTHING,
) -> bytes:
    """Quantize a float model's activations and weights to integers.

    Raises:
        BackendUnavailable: This TensorFlow does not have the private calls.
        ConversionError: TensorFlow refuses the model.
    """
    tensorflow()
    try:
        from tensorflow.lite.python.convert import deduplicate_readonly_buffers
        from tensorflow.lite.python.optimize.calibrator import add_intermediate_tensors

        # The public converter begins and ends with these two: fused LSTMs get tensors for what
        # they compute inside, and equal constants are stored once.
        whole = bytes(add_intermediate_tensors(model))
        ready = with_ranges(whole, {**_hidden(whole, bounds), **bounds})
        if scheme == "int16x8":
            made = _int16x8(ready, input_type, output_type)
        else:
            made = fewest_float(lambda: _int8(ready, scheme, input_type, output_type, kept))
        return bytes(deduplicate_readonly_buffers(made))
    except (ImportError, AttributeError, TypeError) as error:
        raise BackendUnavailable(
            "This TensorFlow does not have the quantizer that the back end 'tensorflow' calls",
            found=f"TensorFlow {version('tensorflow')}: {error}",
            expected="TensorFlow 2.21; no public call of TensorFlow quantizes a .tflite file",
            remedy="Install TensorFlow 2.21, or use the back end 'litert'",
        ) from error
    except Exception as error:  # the bindings raise plain RuntimeError and ConverterError
        raise ConversionError(
            f"TensorFlow cannot quantize the float model to '{scheme}'",
            found=excerpt(str(error)) or type(error).__name__,
            expected="a model that TensorFlow's quantizer takes",
            remedy="Check the operators of the float model, or choose another scheme",
            details=str(error),
        ) from error


def fewest_float(make: Callable[[], bytes]) -> bytes:
    """Call a quantizer until it leaves no operator in float, and return its best model.

    TensorFlow 2.21's quantizer visits operators in the order of their addresses in memory. About
    one time in five it leaves a SPLIT of an unrolled LSTM in float that it could have quantized.
    """
    best = make()
    for _ in range(_ATTEMPTS - 1):
        if not float_operators(read(best)):
            break
        best = min(best, make(), key=lambda model: len(read(model).main.operators))
    return best


def _int8(
    model: bytes, scheme: str, input_type: str, output_type: str, kept: FloatOperators
) -> bytes:
    # The public converter's own call, for any setting of float operators.
    from tensorflow.lite.python.convert import mlir_quantize

    tf = tensorflow()
    made = mlir_quantize(
        model,
        disable_per_channel=scheme == "int8_per_tensor",
        input_data_type=tf.as_dtype(input_type),
        output_data_type=tf.as_dtype(output_type),
        denylisted_ops=set(kept.types),
        denylisted_nodes=set(kept.tensors),
    )
    return bytes(made)


def _int16x8(model: bytes, input_type: str, output_type: str) -> bytes:
    # The public converter takes its older quantizer for this, which holds its own calibrator's
    # ranges; where that has seen no samples, those in the model stand.
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    types = (np.dtype(item).num for item in (input_type, output_type, "int16", "int64"))
    given, taken, activations, bias = types
    calibrator = Calibrator(_with_own_buffers(model))  # native code reads the bytes it keeps alive
    quantizer = calibrator._calibrator
    made = quantizer.QuantizeModel(given, taken, False, activations, bias, False, False)
    return bytes(made)


def _with_own_buffers(model: bytes) -> bytes:
    """Return the model with a buffer for each constant, where equal ones had shared one.

    TensorFlow's int16x8 quantizer writes into buffers: a float constant of zeros that shares its
    bytes with an index of zero would leave a damaged index behind.
    """
    editor = Editor(model)
    taken: set[int] = set()
    for subgraph in editor.subgraphs:
        for tensor in subgraph.tensors:
            if tensor.buffer in taken:
                data = editor.tree.buffers[tensor.buffer].data
                tensor.buffer = editor.add_buffer(np.zeros(0, np.uint8) if data is None else data)
            elif tensor.buffer:
                taken.add(tensor.buffer)
    return editor.pack()


def _hidden(model: bytes, bounds: Bounds) -> dict[int, Any]:
    """Return the range of each fused LSTM's hidden state, which is its output where none projects.

    The integer kernel reads it from the last of the operator's five intermediate tensors.
    """
    return {
        int(operator.intermediates[_HIDDEN]): bounds[int(operator.outputs[0])]
        for operator in parse(model).subgraphs[0].operators
        if operator.intermediates is not None
        and len(operator.intermediates) > _HIDDEN
        and operator.inputs[_PROJECTION] < 0
        and int(operator.outputs[0]) in bounds
    }


def freeze(
    concrete: Any, specs: Mapping[str, Any], rewrite: Callable[[Any], bool] = lambda graph: False
) -> Any:
    """Turn a function's variables into constants.

    Saved with its variables, a function may come out of TensorFlow 2.21's converter with weights
    that are read from variables which nothing ever assigns, and which give NaN.

    Args:
        concrete: A concrete function of named inputs that returns a dict of tensors.
        specs: Each input's ``tf.TensorSpec``, by name, after the rewrite.
        rewrite: Changes the frozen ``GraphDef`` where it has to, and returns True if it did.
    """
    tf = tensorflow()
    try:
        from tensorflow.python.framework.convert_to_constants import (
            convert_variables_to_constants_v2,
        )
    except ImportError:  # the comparison with the original finds lost weights
        return concrete

    frozen = convert_variables_to_constants_v2(concrete)
    graph = frozen.graph.as_graph_def()
    if rewrite(graph):
        wrapped = tf.compat.v1.wrap_function(
            lambda: tf.graph_util.import_graph_def(graph, name=""), []
        )
        ports = (frozen.inputs, frozen.outputs)
        frozen = wrapped.prune(*([tensor.name for tensor in tensors] for tensors in ports))
    # TensorFlow flattens keyword arguments and dicts in the order of their sorted keys.
    names, keys = sorted(specs), sorted(concrete.structured_outputs)

    def serve(**inputs: Any) -> dict[str, Any]:
        values = [inputs[name] for name in names]
        return dict(zip(keys, tf.nest.flatten(frozen(*values)), strict=True))

    return tf.function(serve).get_concrete_function(**specs)
