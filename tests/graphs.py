"""Float models from plain TensorFlow functions, and quantizing without a child process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tests.conftest import public_convert

from quantline.quantization import backends, measured_outputs
from quantline.quantization.tensorflow_backend import freeze
from quantline.quiet import silenced_stderr, tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

Shapes = dict[str, tuple[int | None, ...]]


def convert(function: Callable[..., Any], *specs: Any) -> bytes:
    """Convert a function of tensors; it may use constants, but no variables."""
    tf = tensorflow()
    given = [spec if isinstance(spec, tf.TensorSpec) else tf.TensorSpec(spec) for spec in specs]
    concrete = tf.function(function).get_concrete_function(*given)
    with silenced_stderr():
        return bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert())


def convert_named(folder: Path, function: Callable[..., dict[str, Any]], shapes: Shapes) -> bytes:
    """Convert a function of named inputs to named outputs: the model has a signature."""
    tf = tensorflow()
    specs = {name: tf.TensorSpec(shape, tf.float32, name) for name, shape in shapes.items()}

    def serve(**inputs: Any) -> dict[str, Any]:  # flattened by name, which 'freeze' counts on
        return function(**inputs)

    concrete = tf.function(serve).get_concrete_function(**specs)
    with silenced_stderr():
        tf.saved_model.save(tf.Module(), str(folder), signatures=freeze(concrete, specs))
        return public_convert(folder)


def here(function: Any, *arguments: Any, **settings: Any) -> Any:
    """Stand in for ``run_in_child``: TensorFlow is loaded already."""
    return function(*arguments)


def quantize_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``quantize`` start no children: what it makes and measures is the same."""
    for module in (backends, measured_outputs):
        monkeypatch.setattr(module, "run_in_child", here)


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Return normally distributed float32 values."""
    return np.random.default_rng([seed, *shape]).normal(0, scale, shape).astype(np.float32)
