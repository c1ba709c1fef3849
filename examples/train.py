"""Trainings of the examples, as functions for ``training.function``.

Each gets the training split as a ``tf.data.Dataset`` of single examples, ``arguments`` with the
number of epochs, and the seed, which is set already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import Input, Model, Sequential, layers

from examples.data import BACKGROUND, CLASSES, PACKAGES, SCENE, SIDE, VOCABULARY, WORDS

if TYPE_CHECKING:
    import tensorflow as tf


def numbers(dataset: tf.data.Dataset, *, arguments: dict[str, Any], seed: int) -> Any:
    """Train a network of ten numbers that gives one."""
    return _fit(
        dataset, arguments, "mse",
        [Input((10,), name="x"), layers.Dense(32, "relu"), layers.Dense(32, "relu"),
         layers.Dense(1)],
    )  # fmt: skip


def yes_or_no(dataset: tf.data.Dataset, *, arguments: dict[str, Any], seed: int) -> Any:
    """Train a network of thirty numbers that gives one probability."""
    return _fit(
        dataset, arguments, "binary_crossentropy",
        [Input((30,), name="x"), layers.Dense(16, "relu"), layers.Dense(1, "sigmoid")],
    )  # fmt: skip


def segmentation(dataset: tf.data.Dataset, *, arguments: dict[str, Any], seed: int) -> Any:
    """Train a small encoder and decoder that gives the scores of each pixel."""
    image = Input((SCENE, SCENE, 1), name="image")
    fine = _convolution(16)(image)
    middle = _convolution(32, 2)(fine)
    coarse = _convolution(64, 1)(_convolution(64, 2)(middle))
    up = layers.UpSampling2D(2, interpolation="bilinear")(coarse)
    joined = _convolution(32)(layers.Concatenate()([up, middle]))
    last = _convolution(16)(layers.UpSampling2D(2, interpolation="bilinear")(joined))
    scores = layers.Conv2D(BACKGROUND + 1, 1, activation="softmax")(last)
    return _fit(dataset, arguments, "sparse_categorical_crossentropy", Model(image, scores))


def present(dataset: tf.data.Dataset, *, arguments: dict[str, Any], seed: int) -> Any:
    """Train a network that gives a probability for each class."""
    return _fit(
        dataset, arguments, "binary_crossentropy",
        [Input((SCENE, SCENE, 1), name="image"), _convolution(16, 2), _convolution(32, 2),
         _convolution(64, 2), layers.GlobalMaxPooling2D(), layers.Dense(CLASSES, "sigmoid")],
    )  # fmt: skip


def autoencoder(dataset: tf.data.Dataset, *, arguments: dict[str, Any], seed: int) -> Any:
    """Train a network that gives back what it was trained on."""
    return _fit(
        dataset.map(lambda image, _: (image, image)), arguments, "mse",
        [Input((SIDE, SIDE, 1), name="image"), _convolution(16, 2), _convolution(16, 2),
         layers.Flatten(), layers.Dense(24, "relu"), layers.Dense(7 * 7 * 8, "relu"),
         layers.Reshape((7, 7, 8)), layers.UpSampling2D(2), _convolution(16),
         layers.UpSampling2D(2), layers.Conv2D(1, 3, padding="same", activation="sigmoid")],
    )  # fmt: skip


def pairs(dataset: tf.data.Dataset, *, arguments: dict[str, Any], seed: int) -> Any:
    """Train a network of two images that gives the probability that they are of one class."""
    tower = Sequential([_convolution(16, 2), _convolution(32, 2), layers.Flatten(),
                        layers.Dense(32)])  # fmt: skip
    left, right = (Input((SIDE, SIDE, 1), name=name) for name in ("left", "right"))
    apart = layers.Subtract()([tower(left), tower(right)])
    hidden = layers.Dense(32, "relu")(layers.Multiply()([apart, apart]))
    same = layers.Dense(1, "sigmoid")(hidden)
    return _fit(dataset, arguments, "binary_crossentropy", Model([left, right], same))


def embedding(dataset: tf.data.Dataset, *, arguments: dict[str, Any], seed: int) -> Any:
    """Train a classifier, and return what is below its last layer."""
    image = Input((SIDE, SIDE, 1), name="image")
    pooled = layers.GlobalAveragePooling2D()(_convolution(64, 2)(_convolution(32, 2)(image)))
    vector = layers.Dense(32)(pooled)
    classes = layers.Dense(CLASSES, "softmax")(vector)
    _, history = _fit(dataset, arguments, "sparse_categorical_crossentropy", Model(image, classes))
    return Model(image, vector), history


def strips(dataset: tf.data.Dataset, *, arguments: dict[str, Any], seed: int) -> Any:
    """Train a network that gives the scores of each column."""
    return _fit(
        dataset, arguments, "sparse_categorical_crossentropy",
        [Input((40, 8), name="columns"), layers.Conv1D(64, 9, padding="same", activation="relu"),
         layers.Conv1D(64, 9, padding="same", activation="relu"),
         layers.Conv1D(CLASSES, 1, activation="softmax")],
    )  # fmt: skip


def words(dataset: tf.data.Dataset, *, arguments: dict[str, Any], seed: int) -> Any:
    """Train a network of numbered words that gives the scores of the packages."""
    return _fit(
        dataset, arguments, "sparse_categorical_crossentropy",
        [Input((WORDS,), dtype="int32", name="words"), layers.Embedding(VOCABULARY, 16),
         layers.GlobalAveragePooling1D(), layers.Dense(32, "relu"),
         layers.Dense(len(PACKAGES), "softmax")],
    )  # fmt: skip


def _convolution(filters: int, strides: int = 1) -> Any:
    return layers.Conv2D(filters, 3, strides, padding="same", activation="relu")


def _fit(dataset: tf.data.Dataset, arguments: dict[str, Any], loss: str, network: Any) -> Any:
    """Train a model, or a list of layers, and return it with its history."""
    model = Sequential(network) if isinstance(network, list) else network
    model.compile("adam", loss)
    history = model.fit(dataset.batch(32), epochs=arguments["epochs"], verbose=2)
    return model, history
