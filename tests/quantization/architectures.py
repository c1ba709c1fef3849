"""Tiny models of many architectures, and what TensorFlow's public converter makes of each."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tests.conftest import public_convert

from quantline.files import sha256
from quantline.quantization.tensorflow_backend import fewest_float, freeze
from quantline.quiet import silenced_stderr, tensorflow
from quantline.ranges import RangeSet, TensorRange
from quantline.tflite import float_operators, read
from quantline.tflite.graph import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SEED = 11
# What the quantizer always leaves in float; whatever else it leaves, it may not leave next time.
NO_INTEGER_FORM = {"NEG"}


@dataclass(frozen=True)
class Architecture:
    """A SavedModel, samples for it, and its conversions, each made once.

    Attributes:
        saved_model: The folder; a batch of 1.
        samples: Each is an array by input name.
    """

    saved_model: Path
    samples: Sequence[dict[str, np.ndarray]]
    _made: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def float_tflite(self) -> bytes:
        return self._once("float", lambda: public_convert(self.saved_model))

    def public(self, scheme: str, io_type: str | None = None) -> bytes:
        """What the public converter makes; io_type is the scheme's natural one by default."""
        return self._once((scheme, io_type), lambda: self._convert(scheme, io_type))

    def stock_bounds(self) -> dict[int, tuple[float, float]]:
        """What TensorFlow's calibrator writes into the model, by tensor index."""
        return self._once("bounds", self._calibrate)

    def stock_ranges(self) -> RangeSet:
        """The same as a range set, of the float model's own tensors."""
        tensors = read(self.float_tflite).main.tensors
        found = tuple(
            TensorRange(index, tensors[index].name, low, high)
            for index, (low, high) in sorted(self.stock_bounds().items())
            if index < len(tensors)
        )
        return RangeSet(found, len(self.samples), sha256(self.float_tflite), (), {})

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _convert(self, scheme: str, io_type: str | None) -> bytes:
        tf = tensorflow()
        settings: dict[str, Any] = {"optimizations": [tf.lite.Optimize.DEFAULT]}
        if scheme == "float16":
            settings["supported_types"] = [tf.float16]
        if scheme in {"float16", "dynamic_range"}:
            return public_convert(self.saved_model, **settings)
        settings["representative_dataset"] = self._dataset
        sets = tf.lite.OpsSet
        ops = {
            "int8": sets.TFLITE_BUILTINS_INT8,
            "int8_per_tensor": sets.TFLITE_BUILTINS_INT8,
            "int16x8": sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
        }.get(scheme, sets.TFLITE_BUILTINS)
        natural = {"int16x8": "int16", "int8_float_fallback": "float32"}.get(scheme, "int8")
        settings["supported_ops"] = [ops]
        settings["inference_input_type"] = tf.as_dtype(io_type or natural)
        settings["inference_output_type"] = tf.as_dtype(io_type or natural)
        settings["_experimental_disable_per_channel"] = scheme == "int8_per_tensor"
        made = public_convert(self.saved_model, **settings)
        if set(float_operators(read(made))) <= NO_INTEGER_FORM:
            return made
        # Its quantizer varies from run to run, as ours would: see fewest_float.
        return fewest_float(lambda: public_convert(self.saved_model, **settings))

    def _dataset(self) -> Iterator[list[np.ndarray]]:
        graph = read(self.float_tflite)
        names = {index: name for name, index in graph.signatures[0].inputs.items()}
        for sample in self.samples:
            yield [sample[names[index]] for index in graph.main.inputs]

    def _calibrate(self) -> dict[int, tuple[float, float]]:
        from tensorflow.lite.python.optimize import calibrator

        tensorflow()
        whole = calibrator.add_intermediate_tensors(self.float_tflite)
        content = calibrator.Calibrator(whole).calibrate(self._dataset)
        found = {}
        for index, tensor in enumerate(parse(content).subgraphs[0].tensors):
            seen = tensor.quantization
            if seen is not None and seen.min is not None and len(seen.min):
                found[index] = (float(seen.min[0]), float(seen.max[0]))
        return found


@cache
def architecture(name: str) -> Architecture:
    """Build the architecture of this name, once a session."""
    tensorflow()
    if name == "fused_lstm":
        import tf_keras as keras
    else:
        import keras

    keras.utils.set_random_seed(SEED)
    model = _MODELS[name](keras)
    rng = np.random.default_rng(SEED)
    for weight in model.trainable_weights:
        if "bias" in weight.name:
            weight.assign(rng.normal(0, 0.3, weight.shape))
    folder = Path(tempfile.mkdtemp(prefix="quantline-architecture-"))
    _export(model, folder)
    return Architecture(folder, [_sample(model, rng) for _ in range(4)])


def _sample(model: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        model_input.name: rng.integers(0, 50, model_input.shape).astype(np.int32)
        if "int" in str(model_input.dtype)
        else rng.uniform(-1, 1, model_input.shape).astype(np.float32)
        for model_input in model.inputs
    }


def _export(model: Any, folder: Path) -> None:
    tf = tensorflow()
    specs = {
        model_input.name: tf.TensorSpec(model_input.shape, model_input.dtype, model_input.name)
        for model_input in model.inputs
    }

    def serve(**inputs: Any) -> dict[str, Any]:
        values = [inputs[name] for name in specs]
        outputs = tf.nest.flatten(model(values[0] if len(values) == 1 else values))
        return {f"output_{index}": value for index, value in enumerate(outputs)}

    concrete = tf.function(serve).get_concrete_function(**specs)
    # Freezing inlines the composite that TensorFlow fuses an LSTM from.
    with silenced_stderr():
        if type(model).__module__.startswith("tf_keras"):
            # The weights and the one function: with the model's own functions, each of a dozen
            # conversions would take ten times as long to load the file.
            module = tf.Module()
            module.weights = model.variables
            tf.saved_model.save(module, str(folder), signatures=concrete)
        else:
            # Swish brings a gradient of its own, which a frozen function cannot save.
            options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
            frozen = freeze(concrete, specs)
            tf.saved_model.save(tf.Module(), str(folder), signatures=frozen, options=options)


def _image(keras: Any, shape: tuple[int, ...] = (8, 8, 3)) -> Any:
    return keras.Input(shape, batch_size=1, name="image")


def _conv(keras: Any) -> Any:
    layers, image = keras.layers, _image(keras)
    hidden = layers.Conv2D(16, 3, activation="relu")(image)
    hidden = layers.Flatten()(layers.Conv2D(16, 3, strides=2, activation="relu")(hidden))
    return keras.Model(image, layers.Softmax()(layers.Dense(10)(hidden)))


def _depthwise(keras: Any) -> Any:
    layers, image = keras.layers, _image(keras)
    hidden = layers.ReLU(6.0)(layers.Conv2D(128, 3, padding="same")(image))
    hidden = layers.ReLU(6.0)(layers.DepthwiseConv2D(3, 2, padding="same")(hidden))
    hidden = layers.GlobalAveragePooling2D()(layers.Conv2D(12, 1)(hidden))
    return keras.Model(image, layers.Dense(5)(hidden))


def _residual(keras: Any) -> Any:
    layers, image = keras.layers, _image(keras)
    straight = layers.Conv2D(16, 3, padding="same", activation="relu")(image)
    bent = layers.Conv2D(16, 3, padding="same")(straight)
    joined = layers.MaxPooling2D()(layers.ReLU()(layers.Add()([straight, bent])))
    return keras.Model(image, layers.Dense(1, activation="sigmoid")(layers.Flatten()(joined)))


def _concatenation(keras: Any) -> Any:
    layers, image = keras.layers, _image(keras)
    one = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    other = layers.Conv2D(8, 5, padding="same")(image)
    hidden = layers.Conv2D(16, 3)(layers.Concatenate()([one, other]))
    return keras.Model(image, layers.Dense(4)(layers.Flatten()(hidden)))


def _squeeze_and_excite(keras: Any) -> Any:
    layers, image = keras.layers, _image(keras)
    hidden = layers.Conv2D(16, 3, padding="same", activation="relu")(image)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(hidden)
    gate = layers.Conv2D(16, 1, activation="sigmoid")(layers.Conv2D(4, 1, activation="relu")(gate))
    return keras.Model(image, layers.Dense(4)(layers.Flatten()(layers.Multiply()([hidden, gate]))))


def _activation(name: str) -> Callable[[Any], Any]:
    def build(keras: Any) -> Any:
        layers, image = keras.layers, _image(keras)
        hidden = layers.Activation(name)(layers.Conv2D(16, 3, padding="same")(image))
        return keras.Model(image, layers.Dense(4)(layers.Flatten()(hidden)))

    return build


def _lstm(**settings: Any) -> Callable[[Any], Any]:
    def build(keras: Any) -> Any:
        series = _image(keras, (4, 8))
        return keras.Model(series, keras.layers.Dense(3)(keras.layers.LSTM(16, **settings)(series)))

    return build


def _two_ports(keras: Any) -> Any:
    layers = keras.layers
    left = keras.Input((8, 8, 3), batch_size=1, name="left")
    right = keras.Input((5,), batch_size=1, name="right")
    hidden = layers.Flatten()(layers.Conv2D(8, 3, activation="relu")(left))
    joined = layers.Concatenate()([hidden, layers.Dense(16, activation="relu")(right)])
    outputs = [layers.Dense(3)(joined), layers.Dense(2, activation="sigmoid")(joined)]
    return keras.Model([left, right], outputs)


def _transposed(keras: Any) -> Any:
    image = _image(keras, (6, 6, 8))
    return keras.Model(image, keras.layers.Conv2DTranspose(32, 3, strides=2)(image))


def _attention(keras: Any) -> Any:
    layers, tokens = keras.layers, _image(keras, (8, 32))
    hidden = layers.Add()([tokens, layers.MultiHeadAttention(2, 32)(tokens, tokens)])
    return keras.Model(
        tokens, layers.Dense(32, activation="gelu")(layers.LayerNormalization()(hidden))
    )


def _embedding(keras: Any) -> Any:
    layers = keras.layers
    tokens = keras.Input((8,), batch_size=1, name="tokens", dtype="int32")
    hidden = layers.GlobalAveragePooling1D()(layers.Embedding(100, 32)(tokens))
    return keras.Model(tokens, layers.Dense(4)(hidden))


def _batch_matmul(keras: Any) -> Any:
    class Product(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(2, 32, 40), initializer="normal", name="kernel")

        def call(self, value: Any) -> Any:
            return keras.ops.matmul(value, self.kernel)

    image = _image(keras, (2, 4, 32))
    return keras.Model(image, Product()(image))


def _tied(keras: Any) -> Any:
    """A table that is both gathered from, along one scale, and multiplied by, along many."""

    class Tied(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.table = self.add_weight(shape=(100, 32), initializer="normal", name="table")

        def call(self, tokens: Any) -> Any:
            return keras.ops.matmul(
                tensorflow().gather(self.table, tokens), keras.ops.transpose(self.table)
            )

    tokens = keras.Input((8,), batch_size=1, name="tokens", dtype="int32")
    return keras.Model(tokens, Tied()(tokens))


def _odd_weights(keras: Any) -> Any:
    """Channels of zeros, of one value, of tiny and of huge values."""
    image = _image(keras, (6, 6, 16))
    kernel = np.random.default_rng(SEED).normal(0, 1, (3, 3, 16, 16)).astype(np.float32)
    for channel, factor in enumerate((0, 1e-7, 3e-7, 4e-7, 1e-20, 1e6)):
        kernel[..., channel] *= factor
    kernel[..., 6], kernel[..., 7], kernel[..., 8] = 0.5, -0.5, 1e-8
    conv = keras.layers.Conv2D(16, 3, use_bias=False)
    dense = keras.layers.Dense(8, use_bias=False, kernel_initializer="zeros")
    model = keras.Model(image, dense(keras.layers.Flatten()(conv(image))))
    conv.set_weights([kernel])
    return model


_MODELS: dict[str, Callable[[Any], Any]] = {
    "conv": _conv,
    "depthwise": _depthwise,
    "residual": _residual,
    "concatenation": _concatenation,
    "squeeze_and_excite": _squeeze_and_excite,
    "swish": _activation("swish"),
    "hard_swish": _activation("hard_swish"),
    "unrolled_lstm": _lstm(unroll=True),
    "looped_lstm": _lstm(),
    "fused_lstm": _lstm(),
    "two_ports": _two_ports,
    "transposed": _transposed,
    "attention": _attention,
    "embedding": _embedding,
    "batch_matmul": _batch_matmul,
    "tied": _tied,
    "odd_weights": _odd_weights,
}
