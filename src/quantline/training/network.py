"""The embedded network: a depthwise-separable CNN of 490,000 weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.child import run_in_child
from quantline.errors import DataError, ModelUnsupported, first_few
from quantline.loading.keras_file import read_keras
from quantline.quantization.original_source import kind_of

if TYPE_CHECKING:
    from quantline import recipe

# Of a layer's configuration, what makes it another layer: neither names nor initial values do.
_SHAPING = (
    "filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "depth_multiplier",
    "use_bias", "activation", "max_value", "negative_slope", "threshold", "axis",
)  # fmt: skip
IMAGE_AXES = 3  # height, width, channels


def build_model(shape: tuple[int, ...], classes: int) -> Any:
    """Build the network: Conv, BatchNorm, ReLU6, depthwise, global pooling, Dense, Softmax.

    Args:
        shape: (height, width, channels).
        classes: The number of classes.

    Raises:
        DataError: The shape is not that of an image.
    """
    from keras import Input, Sequential, layers

    if len(shape) != IMAGE_AXES or 0 in shape:
        raise DataError(
            "The embedded network cannot be trained on these examples",
            found=f"an example of shape {shape}",
            expected="images of shape (height, width, channels)",
            remedy="Add 'expand_dims: -1' to `transform` where a channel is missing; for "
            "other data, have a function of your own train, with `training_function`",
        )

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
            layers.Conv2D(32, 3, 2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            *separable(64, 1),
            *separable(128, 2),
            *separable(512, 1),
            *separable(768, 2),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.2, seed=2),
            layers.Dense(classes),
            layers.Softmax(),
        ]
    )


def refuse_another_network(path: str, model: Any, limits: recipe.Limits) -> None:
    """Refuse a model file that is not of the network that training makes; it is read, not run.

    Args:
        path: The file.
        model: The embedded network, built for the dataset.
        limits: How long the file may take to be read, and how large it may be.

    Raises:
        ModelError: The file is missing or empty.
        ModelUnreadable: It is not a model.
        ModelUnsupported: It is of another network, takes other examples, or has other classes.
    """
    if kind_of(Path(path)) != "keras":
        raise _another(path, "a model that is no Keras file")
    file = run_in_child(
        read_keras, path, limits, what=f"the reading of '{path}'", timeout_s=limits.load_s,
        limit="load_s", memory_gib=limits.memory_gib, confined=True,
    )  # fmt: skip
    found, made = _layers(file.config), _layers(json.loads(model.to_json()))
    if found is None or made is None or _shaped(found) != _shaped(made):
        names = [str(layer.get("class_name")) for layer in found or ()]
        raise _another(path, first_few(names, 12) or "a model that does not name its layers")
    if _fit(found) != _fit(made):
        raise ModelUnsupported(
            f"`model_path` and `dataset` do not fit each other: '{path}' cannot be retrained",
            found=f"a model with {_described(found)}, and examples for {_described(made)}",
            expected="the dataset that the model was trained on, or another version of it",
            remedy="Correct `dataset` and `training_split`; to begin a model for this dataset, run "
            "the pipeline with `pipelines=training`, copy the file that it writes, and set "
            "`model_path` to the copy",
        )


def _another(path: str, found: str) -> ModelUnsupported:
    return ModelUnsupported(
        f"'retrain' trains the embedded network only, and '{path}' is not of it",
        found=found,
        expected="a Keras file with the layers of 'quantline.training.build_model'",
        remedy="Have a function or a command of your own train it, with `training_function` or "
        "`training_command`; or, once it is champion, train it further with `start='champion'`",
    )


def _layers(config: Any) -> list[dict[str, Any]] | None:
    """Return the configuration of each layer; None where the file holds anything else."""
    try:
        layers = config["config"]["layers"]
    except (KeyError, TypeError):
        return None
    is_plain = isinstance(layers, list) and all(
        isinstance(layer, dict) and isinstance(layer.get("config"), dict) for layer in layers
    )
    return layers if is_plain else None


def _shaped(layers: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return each layer's type and what shapes it, for examples and classes of any number."""
    return [
        (layer.get("class_name"), *(layer["config"].get(name) for name in _SHAPING))
        for layer in layers
        if layer.get("class_name") != "InputLayer"
    ]


def _fit(layers: list[dict[str, Any]]) -> tuple[Any, Any]:
    """Return the shape of the input without the batch, and the number of classes."""
    shapes = [layer["config"].get("batch_shape") for layer in layers]
    shape = next((shape[1:] for shape in shapes if isinstance(shape, list)), None)
    units = [layer["config"]["units"] for layer in layers if "units" in layer["config"]]
    return shape, units[-1] if units else None


def _described(layers: list[dict[str, Any]]) -> str:
    shape, classes = _fit(layers)
    return f"input {shape} and {classes} classes"
