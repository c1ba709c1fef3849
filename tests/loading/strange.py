"""Model files as somebody would make them who wants more to happen than a model does."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import h5py

if TYPE_CHECKING:
    from pathlib import Path


def layer(kind: str, name: str, **settings: Any) -> dict[str, Any]:
    """A layer of Keras 2 or 3, between the input 'x' and the next layer."""
    return {
        "class_name": kind,
        "name": name,
        "config": {"name": name, "dtype": "float32", "trainable": True, **settings},
        "inbound_nodes": [[["x", 0, 0, {}]]],
    }


def functional(*layers: dict[str, Any]) -> dict[str, Any]:
    """A functional model of Keras 2, whose last layer gives the output."""
    first = layer("InputLayer", "x", batch_input_shape=[None, 4])
    del first["config"]["trainable"]
    first["inbound_nodes"] = []
    return {
        "class_name": "Functional",
        "config": {
            "name": "m",
            "layers": [first, *layers],
            "input_layers": [["x", 0, 0]],
            "output_layers": [[layers[-1]["name"], 0, 0]],
        },
    }


def call(symbol: str, argument: Any, **named: Any) -> dict[str, Any]:
    """A layer of Keras 2 that calls a symbol of TensorFlow, with constants alone."""
    made = layer("TFOpLambda", "call", function=symbol)
    made["inbound_nodes"] = [["_CONSTANT_VALUE", -1, argument, named]]
    return made


def h5(path: Path, config: Any, version: str = "2.15.0") -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = version
        file.attrs["backend"] = "tensorflow"
        file.create_group("model_weights").attrs["layer_names"] = []
    return path


def keras(path: Path, config: Any, version: str = "3.15.1", **parts: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(config))
        for name, content in parts.items():
            archive.writestr(name, content)
    return path
