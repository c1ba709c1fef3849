"""Small seeded models, each built once a session and converted when a test first asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.shared import once
from tests.warm_children import COMMANDS, Server, WarmChildren

from quantline.child import run
from quantline.quiet import tensorflow
from quantline.tflite.graph import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROJECT = Path(__file__).resolve().parents[1]
# They begin, so that no worker process ends with a long one while the other has nothing left.
LONGEST = (
    "starter/test_wheel.py", "pipelines/test_retrain.py", "pipelines/test_chain.py",
    "quantization/test_truth.py", "pipelines/test_bad_input.py", "training/test_train.py",
    "release/test_server.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the files that take longest first."""
    places = {PROJECT / "tests" / name: at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@dataclass(frozen=True)
class Trained:
    """A Keras model, its files, and inputs for it.

    Attributes:
        keras: The model; its input is called ``image``.
        samples: array of shape (n_examples, height, width, channels), float32.
        folder: Where its files are written.
    """

    keras: Any
    samples: np.ndarray
    folder: Path

    @cached_property
    def file(self) -> Path:
        """The model as a ``.keras`` file."""
        path = self.folder / "model.keras"
        self.keras.save(path)
        return path

    @cached_property
    def saved_model(self) -> Path:
        """The model as a SavedModel folder with a batch of 1."""
        return self._export("static", 1)

    @cached_property
    def saved_model_any_batch(self) -> Path:
        """The model as a SavedModel folder with an unknown batch."""
        return self._export("dynamic", None)

    @cached_property
    def float_tflite(self) -> bytes:
        """What TensorFlow's public converter makes of the model."""
        return public_convert(self.saved_model)

    @cached_property
    def int8_tflite(self) -> bytes:
        """What TensorFlow's public converter makes of the model and the samples."""
        return public_quantize(self.saved_model, self.samples)

    def __call__(self, samples: np.ndarray | None = None) -> np.ndarray:
        """Run the Keras model."""
        values = self.samples if samples is None else samples
        return np.asarray(self.keras(values, training=False))

    def _export(self, name: str, batch: int | None) -> Path:
        tf = tensorflow()
        spec = tf.TensorSpec((batch, *self.samples.shape[1:]), tf.float32, name="image")
        path = self.folder / name
        self.keras.export(path, verbose=False, input_signature=[spec])
        return path


def public_convert(saved_model: Path, **settings: Any) -> bytes:
    """Convert with TensorFlow's public converter, with these of its attributes set."""
    converter = tensorflow().lite.TFLiteConverter.from_saved_model(str(saved_model))
    for name, value in settings.items():
        owner = converter.target_spec if hasattr(converter.target_spec, name) else converter
        setattr(owner, name, value)
    return bytes(converter.convert())


def public_quantize(
    saved_model: Path, samples: np.ndarray, input_type: str = "int8", output_type: str = "int8"
) -> bytes:
    """Quantize with TensorFlow's public converter, which calibrates inside the conversion."""
    tf = tensorflow()
    return public_convert(
        saved_model,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: ([sample[np.newaxis]] for sample in samples),
        supported_ops=[tf.lite.OpsSet.TFLITE_BUILTINS_INT8],
        inference_input_type=tf.as_dtype(input_type),
        inference_output_type=tf.as_dtype(output_type),
    )


def calibrated(model: bytes, samples: np.ndarray) -> dict[int, tuple[float, float]]:
    """Return what TensorFlow's calibrator writes into the model, by tensor index."""
    from tensorflow.lite.python.optimize import calibrator

    made = calibrator.Calibrator(calibrator.add_intermediate_tensors(model))
    content = made.calibrate(lambda: ([sample[np.newaxis]] for sample in samples))
    found = {}
    for index, tensor in enumerate(parse(content).subgraphs[0].tensors):
        quantization = tensor.quantization
        if quantization is not None and quantization.min is not None and len(quantization.min):
            found[index] = (float(quantization.min[0]), float(quantization.max[0]))
    return found


def _samples(shape: Sequence[int], count: int = 16, seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, *shape)).astype(np.float32)


def _settle_batch_norm(model: Any, seed: int) -> None:
    """Give batch normalization the statistics of a trained model: fresh ones change nothing."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            size = layer.gamma.shape
            layer.set_weights(
                [
                    rng.uniform(0.5, 1.5, size),
                    rng.normal(0, 0.3, size),
                    rng.normal(0, 0.3, size),
                    rng.uniform(0.5, 2, size),
                ]
            )


@pytest.fixture(scope="session", autouse=True)
def warm_children() -> Iterator[None]:
    """Run calls of ``run_in_child``, and commands, in forks of one process with their packages."""
    server = COMMANDS.server = Server()
    run.subprocess = WarmChildren(server)  # type: ignore[assignment,attr-defined]
    yield
    run.subprocess = subprocess  # type: ignore[attr-defined]
    server.close()


@pytest.fixture(autouse=True)
def fresh_children(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start real processes in tests that are about them: those marked ``fresh_children``."""
    if request.node.get_closest_marker("fresh_children"):
        monkeypatch.setattr(run, "subprocess", subprocess)
        monkeypatch.setattr(COMMANDS, "server", None)


@pytest.fixture(autouse=True)
def module_folders() -> Iterator[None]:
    """Undo what Kedro does for a project: its folder of modules, here and for child processes."""
    path, named = [*sys.path], os.environ.get("PYTHONPATH")
    yield
    sys.path[:] = path
    if named is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = named


@pytest.fixture(scope="session")
def tf() -> Any:
    return tensorflow()


@pytest.fixture(scope="session")
def keras(tf: Any) -> Any:
    import keras

    return keras


@pytest.fixture(scope="session")
def plain(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Two convolutions and a softmax over four classes."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((10, 10, 3), name="image"),
            layers.Conv2D(8, 3, activation="relu", bias_initializer="normal", name="first"),
            layers.Conv2D(8, 3, strides=2, activation="relu", name="second"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(4, bias_initializer="normal", name="scores"),
            layers.Softmax(name="probabilities"),
        ]
    )
    return Trained(model, _samples((10, 10, 3)), tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="session")
def depthwise(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A depthwise separable convolution with batch normalization and ReLU6; five logits."""
    keras.utils.set_random_seed(2)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3), name="image"),
            layers.Conv2D(8, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.DepthwiseConv2D(3, 2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.Conv2D(12, 1, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5),
        ]
    )
    _settle_batch_norm(model, 2)
    return Trained(model, _samples((12, 12, 3)), tmp_path_factory.mktemp("depthwise"))


@pytest.fixture(scope="session")
def residual(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A residual sum, and a single sigmoid."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    image = keras.Input((8, 8, 3), name="image")
    straight = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    bent = layers.Conv2D(8, 3, padding="same", bias_initializer="normal")(straight)
    joined = layers.MaxPooling2D()(layers.ReLU()(layers.Add()([straight, bent])))
    score = layers.Dense(1, activation="sigmoid")(layers.Flatten()(joined))
    model = keras.Model(image, score)
    return Trained(model, _samples((8, 8, 3)), tmp_path_factory.mktemp("residual"))


@pytest.fixture(scope="session")
def sine(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model with a sine inside, for which TensorFlow Lite has no integer form."""
    keras.utils.set_random_seed(4)
    layers = keras.layers
    image = keras.Input((8, 8, 3), name="image")
    waves = keras.ops.sin(layers.Conv2D(4, 3, activation="relu")(image))
    scores = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(waves))
    model = keras.Model(image, scores)
    return Trained(model, _samples((8, 8, 3)), tmp_path_factory.mktemp("sine"))


@pytest.fixture(scope="session")
def two_inputs(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel folder whose only signature takes two inputs."""
    keras.utils.set_random_seed(5)
    left, right = keras.Input((4,), 1, name="left"), keras.Input((4,), 1, name="right")
    model = keras.Model([left, right], keras.layers.Dense(2)(keras.layers.Add()([left, right])))
    path = tmp_path_factory.mktemp("two_inputs") / "saved_model"
    model.export(path, verbose=False)
    return path


@pytest.fixture(scope="session")
def custom_operator(tf: Any) -> bytes:
    """A float model of one custom operator, which no runtime here knows."""

    @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.float32)])
    def call(x: Any) -> Any:
        return tf.math.igamma(x, x)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()])
    converter.allow_custom_ops = True
    return bytes(converter.convert())


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tracking store with its tables and nothing in them: making them takes seconds."""

    def make(folder: Path) -> None:
        from mlflow import MlflowClient

        MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").search_experiments()

    return once(tmp_path_factory, "store", make) / "mlflow.db"
