"""Trained float models with data to quantize and to judge them on, for ``benchmarks.methods``.

MobileNet v1 is ImageNet's own, where its files lie next to the project. The others are small
networks of published kinds, trained here within a minute or two on the embedded images.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from quantline import recipe
from quantline.quantization import import_float
from quantline.training.examples import TrainingSplit

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGENET = Path("../shared/imagenet")
_CANVAS = 40
_TRAINED_ON, _EPOCHS = 16000, 3


@dataclass(frozen=True)
class Trained:
    """A float model and data of its kind.

    Attributes:
        model: The float ``.tflite`` file's bytes.
        pool: Samples to draw calibration sets from, shape (n_samples, ...).
        shown: Other samples, to evaluate on.
        labels: The classes of these, shape (n_shown,).
        boxes: Where the model gives boxes, those of ``shown``, shape (n_shown, 4); else None.
    """

    model: bytes
    pool: np.ndarray
    shown: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray | None = None


def _images() -> tuple[np.ndarray, ...]:
    parameters = yaml.safe_load(Path("conf/base/parameters_sampling.yml").read_text())
    dataset = recipe.check(recipe.Dataset, parameters["dataset"])
    return tuple(
        array
        for split in (f"train[:{_TRAINED_ON}]", "train[-1000:]", "test[:3000]")
        for array in TrainingSplit.open(dataset, split).read()
    )


def _import(network: Any, folder: Path, samples: np.ndarray) -> bytes:
    path = folder / f"{network.name}.keras"
    network.save(path)
    return import_float(recipe.Model(path=str(path)), samples, recipe.Parity()).content


def embedded(folder: Path) -> Trained:
    """Return the project's own network."""
    _, _, pool, _, shown, labels = _images()
    model = import_float(
        recipe.Model(path="data/06_models/fashion_mnist.keras"), pool[:16], recipe.Parity()
    )
    return Trained(model.content, pool, shown, labels)


def _classifier(folder: Path, name: str, body: Callable[[Any], Any], logits: bool) -> Trained:
    import keras

    keras.utils.set_random_seed(7)
    x, y, pool, _, shown, labels = _images()
    given = keras.Input((28, 28, 1), name="image")
    features = keras.layers.GlobalAveragePooling2D()(body(given))
    scores = keras.layers.Dense(10, None if logits else "softmax")(features)
    network = keras.Model(given, scores, name=name)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
    network.compile(keras.optimizers.Adam(3e-3), loss)
    network.fit(x, y, 128, _EPOCHS, verbose=0)
    return Trained(_import(network, folder, pool[:16]), pool, shown, labels)


def _normal(x: Any, filters: int, kernel: int, strides: int, activation: str | None) -> Any:
    from keras import layers

    x = layers.Conv2D(filters, kernel, strides, "same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return x if activation is None else layers.Activation(activation)(x)


def resnet(folder: Path) -> Trained:
    """Return a residual network that gives probabilities."""
    from keras import layers

    def body(x: Any) -> Any:
        x = _normal(x, 16, 3, 2, "relu")
        for filters, strides in ((16, 1), (32, 2), (32, 1)):
            way = _normal(_normal(x, filters, 3, strides, "relu"), filters, 3, 1, None)
            if x.shape[1:] != way.shape[1:]:
                x = _normal(x, filters, 1, strides, None)
            x = layers.ReLU()(layers.Add()([x, way]))
        return x

    return _classifier(folder, "resnet", body, logits=False)


def _inverted(x: Any, filters: int, strides: int, activation: str, squeezes: bool) -> Any:
    from keras import layers

    wide = _normal(x, 4 * x.shape[-1], 1, 1, activation)
    way = layers.DepthwiseConv2D(3, strides, "same", use_bias=False)(wide)
    way = layers.Activation(activation)(layers.BatchNormalization()(way))
    if squeezes:
        scale = layers.GlobalAveragePooling2D(keepdims=True)(way)
        scale = layers.Conv2D(max(way.shape[-1] // 8, 4), 1, activation=activation)(scale)
        way = way * layers.Conv2D(way.shape[-1], 1, activation="sigmoid")(scale)
    way = _normal(way, filters, 1, 1, None)
    return layers.Add()([x, way]) if x.shape == way.shape else way


def mobilenet_v2(folder: Path) -> Trained:
    """Return a network of inverted residuals that gives logits."""

    def body(x: Any) -> Any:
        x = _normal(x, 12, 3, 2, "relu6")
        for filters, strides in ((12, 1), (20, 2), (20, 1), (32, 1)):
            x = _inverted(x, filters, strides, "relu6", squeezes=False)
        return _normal(x, 96, 1, 1, "relu6")

    return _classifier(folder, "mobilenet_v2", body, logits=True)


def efficientnet(folder: Path) -> Trained:
    """Return a network with swish and squeeze-and-excite that gives probabilities."""

    def body(x: Any) -> Any:
        x = _normal(x, 12, 3, 2, "silu")
        for filters, strides in ((12, 1), (20, 2), (20, 1)):
            x = _inverted(x, filters, strides, "silu", squeezes=True)
        return _normal(x, 64, 1, 1, "silu")

    return _classifier(folder, "efficientnet", body, logits=False)


def detector(folder: Path) -> Trained:
    """Return a network that finds an image on a noisy canvas: its box, and its class."""
    import keras

    keras.utils.set_random_seed(7)
    x, y, pool, _, shown, labels = _images()
    (x, places), (pool, _), (shown, boxes) = (
        _placed(value, seed) for seed, value in enumerate((x, pool, shown))
    )
    given = keras.Input((_CANVAS, _CANVAS, 1), name="image")
    features = given
    for filters in (16, 32, 48):
        features = _normal(features, filters, 3, 2, "relu")
    features = keras.layers.Flatten()(features)
    outputs = {
        "box": keras.layers.Dense(4, name="box")(features),
        "class": keras.layers.Dense(10, "softmax", name="class")(features),
    }
    network = keras.Model(given, outputs, name="detector")
    network.compile(
        keras.optimizers.Adam(2e-3),
        {"box": "mse", "class": "sparse_categorical_crossentropy"}, {"box": 0.01, "class": 1.0},
    )  # fmt: skip
    network.fit(x, {"box": places, "class": y}, 128, _EPOCHS, verbose=0)
    return Trained(_import(network, folder, pool[:16]), pool, shown, labels, boxes)


def _placed(images: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Put each image, of 28 or 14 pixels, somewhere on a canvas; boxes are in pixels."""
    rng = np.random.default_rng(seed)
    canvas = rng.uniform(0, 0.2, (len(images), _CANVAS, _CANVAS, 1)).astype(np.float32)
    boxes = np.zeros((len(images), 4), np.float32)
    for drawn, image, box in zip(canvas, images, boxes, strict=True):
        part = image if rng.random() < 0.5 else image[::2, ::2]
        side = len(part)
        top, left = rng.integers(0, _CANVAS - side, 2, endpoint=True)
        drawn[top : top + side, left : left + side] += part
        box[:] = top, left, top + side, left + side
    return canvas, boxes


def mobilenet_v1(folder: Path) -> Trained:
    """Return ImageNet's MobileNet v1, photographs to draw from and 400 others."""
    from PIL import Image

    def middle(image: Any) -> np.ndarray:
        left, top = ((size - 224) // 2 for size in image.size)
        cut = image.convert("RGB").crop((left, top, left + 224, top + 224))
        return np.asarray(cut, np.float32) / 127.5 - 1

    pool = []
    for path in sorted((IMAGENET / "calibration").iterdir()):
        image = Image.open(path)
        scale = 256 / min(image.size)
        size = tuple(round(item * scale) for item in image.size)
        pool.append(middle(image.resize(size, Image.Resampling.BILINEAR)))
    with (IMAGENET / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    images = np.stack([middle(Image.open(IMAGENET / row["file"])) for row in rows])
    labels = np.array([int(list(row.values())[1]) for row in rows])
    path = str(IMAGENET / "mobilenet_v1_1.0_224.keras")
    model = import_float(recipe.Model(path=path), images[:2], recipe.Parity()).content
    return Trained(model, np.concatenate([pool, images[400:]]), images[:400], labels[:400])


NETWORKS: dict[str, Callable[[Path], Trained]] = {
    "embedded": embedded, "resnet": resnet, "mobilenet_v2": mobilenet_v2,
    "efficientnet": efficientnet, "detector": detector, "mobilenet_v1": mobilenet_v1,
}  # fmt: skip
