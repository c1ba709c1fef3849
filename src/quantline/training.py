"""The embedded model: a small depthwise-separable CNN, trained with fixed seeds."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import ModelUnsupported
from quantline.loading import load_keras
from quantline.progress import track
from quantline.quiet import tensorflow
from quantline.sampling import build_transform, open_source
from quantline.temporary import temporary_folder

if TYPE_CHECKING:
    from quantline import recipe

logger = logging.getLogger(__name__)


def train(dataset: recipe.Dataset, training: recipe.Training, start: bytes | None = None) -> bytes:
    """Train the model and return it as a Keras 3 ``.keras`` file.

    The same seeds on the same machine and versions give the same bytes.

    Args:
        dataset: Where examples come from and how they become model input.
        training: The split, the seed and the schedule.
        start: A ``.keras`` file whose model is trained on; if None, a new one is.

    Returns:
        The file's bytes; the model takes (batch, height, width, channels) float32 and gives class
        probabilities (batch, n_classes).

    Raises:
        ModelUnsupported: ``start`` takes other examples, or gives no class probabilities.
    """
    tf = tensorflow()
    import keras

    x, y = _load(dataset, training.split)
    keras.utils.clear_session()  # layers are numbered anew, whatever this process built before
    keras.utils.set_random_seed(training.seed)
    tf.config.experimental.enable_op_determinism()
    if start is None:
        model = build_model(x.shape[1:], int(y.max()) + 1)
    else:
        model = _load_model(start, x, int(y.max()) + 1)

    def flip(images: Any, labels: Any) -> tuple[Any, Any]:
        return tf.image.random_flip_left_right(images, training.seed), labels

    examples = (
        tf.data.Dataset.from_tensor_slices((x, y))
        .shuffle(len(x), seed=training.seed)
        .batch(training.batch_size)
        .map(flip)
        .prefetch(2)
    )
    steps = training.epochs * -(-len(x) // training.batch_size)
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(training.learning_rate, steps)
        ),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(
        examples, epochs=training.epochs, shuffle=False, verbose=0, callbacks=[_epoch_log()]
    )
    right = history.history["accuracy"][-1]
    logger.info("trained for %d epochs: %.4f of the split right", training.epochs, right)
    # The optimizer's state is three times the model and of no use to inference.
    return _save(keras.Model(model.inputs, model.outputs, name="fashion_mnist"))


def build_model(shape: tuple[int, ...], classes: int) -> Any:
    """Build the network: Conv, BatchNorm, ReLU6, depthwise, global pooling, Dense, Softmax.

    Args:
        shape: (height, width, channels).
        classes: The number of classes.
    """
    from keras import Input, Sequential, layers

    def separable(filters: int, strides: int) -> list[Any]:
        return [
            layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.Conv2D(filters, 1, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
        ]

    return Sequential(
        [
            Input(shape, name="image"),
            layers.Conv2D(32, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            *separable(64, 2),
            *separable(96, 1),
            *separable(160, 2),
            *separable(192, 1),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.2, seed=2),
            layers.Dense(classes),
            layers.Softmax(),
        ]
    )


def _load_model(start: bytes, x: np.ndarray, classes: int) -> Any:
    with temporary_folder() as folder:
        path = folder / "start.keras"
        path.write_bytes(start)
        model, _ = load_keras(str(path), allow_lambda=False)
    shape = tuple(model.input_shape[1:])
    given = None if shape != x.shape[1:] else model.predict(x[:2], verbose=0)
    is_classifier = given is not None and given.ndim == 2 and given.shape[1] >= classes
    if given is None or not is_classifier or not np.allclose(given.sum(-1), 1, atol=1e-3):
        raise ModelUnsupported(
            "The model that training is to start from does not fit the dataset",
            found=f"input {shape}, output {tuple(model.output_shape[1:])}",
            expected=f"input {x.shape[1:]}, output probabilities of at least {classes} classes",
            remedy="Set 'training.start: anew', or give the dataset that it was trained on",
        )
    return model


def _load(dataset: recipe.Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    source, transform = open_source(dataset), build_transform(dataset.transform)
    ids = {entry.id for entry in source.entries(split) if entry.label is not None}
    found = track(source.examples(split, ids), "training examples", total=len(ids))
    pairs = [(transform(example.value), example.label) for example in found]
    return np.stack([x for x, _ in pairs]), np.array([y for _, y in pairs], np.int64)


def _save(model: Any) -> bytes:
    """Save without what differs between two saves of the same weights: times and addresses."""
    with temporary_folder() as folder:
        path = folder / "model.keras"
        model.save(path)
        out = io.BytesIO()
        with zipfile.ZipFile(path) as saved, zipfile.ZipFile(out, "w") as packed:
            for name in sorted(saved.namelist()):
                content = saved.read(name)
                if name.endswith(".json"):
                    content = json.dumps(_normalized(json.loads(content), {})).encode()
                packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        return out.getvalue()


def _normalized(value: Any, numbers: dict[int, int]) -> Any:
    """Drop the date, and number shared objects in order: Keras numbers them by address."""
    if isinstance(value, list):
        return [_normalized(each, numbers) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: numbers.setdefault(each, len(numbers))
        if key == "shared_object_id"
        else _normalized(each, numbers)
        for key, each in value.items()
        if key != "date_saved"
    }


def _epoch_log() -> Any:
    import keras

    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logger.info(
            "epoch %d: loss %.4f, %.4f right", epoch + 1, logs["loss"], logs["accuracy"]
        )
    )
