"""Small models, each with one operator that converters leave in float, or quantize with care.

The operator stands between a convolution and a matrix product, which both have integer forms, so
that what is left in float is the operator's own doing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from tests.contract.bodies import MODELS, SHAPE
from tests.graphs import convert, normal

from quantline.quiet import tensorflow
from quantline.ranges import record

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.bodies import Body

    from quantline.ranges import RangeSet


@dataclass(frozen=True)
class Small:
    """One model.

    Attributes:
        function: Of an image of shape (1, 6, 6, 4).
        float_tflite: The float model that it becomes.
        samples: Inputs for it.
        ranges: What was recorded from it over them.
    """

    function: Callable[[Any], Any]
    float_tflite: bytes
    samples: list[np.ndarray]
    ranges: RangeSet

    def bounds(self) -> dict[int, tuple[float, float]]:
        """Return the recorded extremes by tensor index."""
        return {tensor.index: (tensor.min, tensor.max) for tensor in self.ranges.tensors}


@cache
def small(name: str) -> Small:
    """Build the model of this name, once a session."""
    return around(MODELS[name][1])


def around(body: Body, low: float = -1.0, high: float = 1.0) -> Small:
    """Build a model around a function of TensorFlow and a tensor of shape (1, 6, 6, 4)."""
    tf = tensorflow()

    def model(image: Any) -> Any:
        hidden = tf.nn.conv2d(image, normal(1, 1, 4, 4, scale=0.5), 1, "SAME")
        value = body(tf, hidden + normal(4, seed=1, scale=0.1))
        if value.dtype != tf.float32:
            return value
        flat = tf.reshape(value, (1, -1))
        return tf.matmul(flat, normal(flat.shape[1], 3, scale=0.2))

    return recorded(model, low, high)


@cache
def together() -> Small:
    """Build one model of all bodies, each on a convolution of its own."""
    tf = tensorflow()

    def model(image: Any) -> list[Any]:
        outputs = []
        for seed, (_, body) in enumerate(MODELS.values()):
            kernel = normal(1, 1, 4, 4, seed=seed, scale=0.5)
            hidden = tf.nn.conv2d(image, kernel, 1, "SAME") + normal(4, seed=seed, scale=0.1)
            outputs.append(body(tf, hidden))
        return outputs

    return recorded(model)


def recorded(function: Callable[[Any], Any], low: float = -1.0, high: float = 1.0) -> Small:
    """Convert a function of an image of shape (1, 6, 6, 4), and record over seeded inputs."""
    rng = np.random.default_rng(5)
    samples = [rng.uniform(low, high, SHAPE).astype(np.float32) for _ in range(8)]
    content = convert(function, SHAPE)
    return Small(function, content, samples, record(content, samples))
