"""For each rewrite, the function as one writes it and the function as it converts to integers.

Both take TensorFlow and a tensor of shape (1, 6, 6, 4) with values from about -1.5 to 1.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tests.contract.bodies import layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.bodies import Body


def _sum(terms: list[Any]) -> Any:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _steps(passed: Callable[[Any, float], Any]) -> Body:
    """Add a step where a value from -2 to 2 passes an integer, in the sense of a condition."""

    def body(tf: Any, x: Any) -> Any:
        return _sum([tf.where(passed(x, k), 1.0, 0.0) for k in (-1.0, 0.0, 1.0, 2.0)]) - 2.0

    return body


_floor = _steps(lambda x, k: x >= k)


def _sine(tf: Any, x: Any) -> Any:
    parabola = (4 / np.pi) * x - (4 / np.pi**2) * (x * tf.abs(x))
    return 0.775 * parabola + 0.225 * (parabola * tf.abs(parabola))


def _cosine(tf: Any, x: Any) -> Any:
    half = _sine(tf, 0.5 * x)
    return 1.0 - 2.0 * (half * half)


def _local_response(tf: Any, x: Any) -> Any:
    band = np.tri(4, k=1) * np.tri(4, k=1).T  # ones on the diagonal and beside it
    around = tf.linalg.matmul(x * x, band.astype(np.float32))
    return x * tf.exp(-0.5 * tf.math.log(1.0 + 0.5 * around))


def _fourier(tf: Any, x: Any) -> tuple[Any, Any]:
    """A real two-dimensional Fourier transform of (1, 16, 8) as products with constants."""
    image = tf.reshape(x, (1, 16, 9))[:, :, :8]
    rows, columns = (np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n)
                     for n in (16, 8))  # fmt: skip
    columns = columns[:, :5]
    real, imaginary = (
        tf.linalg.matmul(image, part.astype(np.float32)) for part in (columns.real, columns.imag)
    )

    def down(value: Any, part: np.ndarray) -> Any:
        turned = tf.linalg.matmul(tf.transpose(value, (0, 2, 1)), part.T.astype(np.float32))
        return tf.transpose(turned, (0, 2, 1))

    return (
        down(real, rows.real) - down(imaginary, rows.imag),
        down(real, rows.imag) + down(imaginary, rows.real),
    )


def _spectrum(tf: Any, x: Any) -> Any:
    return tf.signal.rfft2d(tf.reshape(x, (1, 16, 9))[:, :, :8])


def _columns(tf: Any, rows: Any, matrix: np.ndarray) -> Any:
    """Multiply by a constant from the left."""
    return tf.transpose(tf.linalg.matmul(tf.transpose(rows), matrix.astype(np.float32)))


_BORDER = ((0, 0), (1, 1), (1, 1), (0, 0))
_MEMBERS = np.equal.outer(np.arange(3), np.arange(36) % 3)


def _segment(tf: Any, x: Any, number: int) -> Any:
    return tf.gather(tf.reshape(x, (36, 4)), np.flatnonzero(_MEMBERS[number]))


def _by_segment(reduction: str) -> tuple[Body, Body]:
    def reduce(tf: Any, x: Any) -> Any:
        one = getattr(tf, f"reduce_{reduction}")
        return tf.stack([one(_segment(tf, x, number), 0) for number in range(3)])

    def original(tf: Any, x: Any) -> Any:
        whole = getattr(tf.math, f"unsorted_segment_{reduction}")
        return whole(tf.reshape(x, (36, 4)), np.arange(36) % 3, 3)

    return original, reduce


_KERNEL_3D = np.random.default_rng(3).normal(0, 0.3, (3, 3, 3, 1, 2)).astype(np.float32)


def _conv_3d(tf: Any, x: Any) -> Any:
    """The planes of a volume as a batch of images, each with its neighbours as further channels."""
    volume = tf.pad(tf.reshape(x, (1, 6, 6, 4, 1)), ((0, 0), (1, 1), (0, 0), (0, 0), (0, 0)))
    taps = tf.concat([volume[:, tap : tap + 6] for tap in range(3)], 4)
    kernel = _KERNEL_3D.transpose(1, 2, 0, 3, 4).reshape(3, 3, 3, 2)
    made = tf.nn.conv2d(tf.reshape(taps, (6, 6, 4, 3)), kernel, 1, "SAME")
    return tf.reshape(made, (1, 6, 6, 4, 2))


def _elu(tf: Any, x: Any) -> Any:
    above = tf.nn.relu(x)
    return above + (tf.exp(x - above) - 1.0)


def _hard_swish(tf: Any, x: Any) -> Any:
    line = x * (1 / 6) + 0.5
    return x * (tf.nn.relu(line) - tf.nn.relu(line - 1.0))


_EPSILON = 1e-2
_SLOPE = 0.25
_CONSTANT = {"class_name": "Constant", "config": {"value": _SLOPE}}


def _prelu(tf: Any, x: Any) -> Any:
    above = tf.nn.relu(x)
    return above + np.full(4, _SLOPE, np.float32) * (x - above)


def _positive(tf: Any, x: Any) -> Any:
    return tf.nn.relu(x) + 0.5


def _layer_normalization(tf: Any, x: Any) -> Any:
    centred = x - tf.reduce_mean(x, 3, keepdims=True)
    variance = tf.reduce_mean(centred * centred, 3, keepdims=True)
    return centred * tf.math.rsqrt(variance + _EPSILON)


# By operator, with the layer that holds it: the function as it was, and as it converts.
EXAMPLES: dict[str, tuple[Body, Body]] = {
    "ADD_N": (
        lambda tf, x: tf.add_n([x, x * 0.5, x * 0.25]),
        lambda tf, x: x + x * 0.5 + x * 0.25,
    ),
    "CAST": (
        lambda tf, x: tf.cast(x > 0.1, tf.float32),
        lambda tf, x: tf.where(x > 0.1, 1.0, 0.0),
    ),
    "CEIL": (lambda tf, x: tf.math.ceil(x), _steps(lambda x, k: x > k - 1)),
    "COMPLEX_ABS": (
        lambda tf, x: tf.abs(_spectrum(tf, x)),
        lambda tf, x: tf.sqrt(_sum([part * part for part in _fourier(tf, x)])),
    ),
    "CONV_3D": (
        lambda tf, x: tf.nn.conv3d(tf.reshape(x, (1, 6, 6, 4, 1)), _KERNEL_3D, (1,) * 5, "SAME"),
        _conv_3d,
    ),
    "COS": (lambda tf, x: tf.cos(x), _cosine),
    "CUMSUM": (
        lambda tf, x: tf.cumsum(x, 3),
        lambda tf, x: tf.linalg.matmul(x, np.triu(np.ones((4, 4), np.float32))),
    ),
    "DEPTH_TO_SPACE": (
        lambda tf, x: tf.nn.depth_to_space(x, 2),
        lambda tf, x: tf.reshape(
            tf.transpose(tf.reshape(x, (1, 6, 6, 2, 2)), (0, 1, 3, 2, 4)), (1, 12, 12, 1)
        ),
    ),
    "DIV": (
        lambda tf, x: x / _positive(tf, x[..., ::-1]),
        lambda tf, x: x * tf.exp(-1.0 * tf.math.log(_positive(tf, x[..., ::-1]))),
    ),
    "ELU": (lambda tf, x: tf.nn.elu(x), _elu),
    "FLOOR": (lambda tf, x: tf.floor(x), _floor),
    "FLOOR_DIV": (lambda tf, x: tf.math.floordiv(x, 0.8), lambda tf, x: _floor(tf, x * 1.25)),
    "HARD_SWISH": (
        lambda tf, x: (3.0 * x) * tf.nn.relu6(3.0 * x + 3.0) * (1 / 6.0),
        lambda tf, x: _hard_swish(tf, 3.0 * x),
    ),
    "IMAG": (lambda tf, x: tf.math.imag(_spectrum(tf, x)), lambda tf, x: _fourier(tf, x)[1]),
    "LOCAL_RESPONSE_NORMALIZATION": (
        lambda tf, x: tf.nn.local_response_normalization(x, 1, alpha=0.5),
        _local_response,
    ),
    "L2_NORMALIZATION": (
        lambda tf, x: tf.nn.l2_normalize(x, 3),
        lambda tf, x: x * tf.math.rsqrt(tf.reduce_sum(x * x, 3, keepdims=True) + 1e-2),
    ),
    "LOG_SOFTMAX": (
        lambda tf, x: tf.nn.log_softmax(x),
        lambda tf, x: x - tf.math.log(tf.reduce_sum(tf.exp(x), 3, keepdims=True)),
    ),
    "MAXIMUM": (
        lambda tf, x: tf.maximum(x, 0.2) + tf.tanh(x),
        lambda tf, x: 0.2 + tf.nn.relu(x - 0.2) + tf.tanh(x),
    ),
    "MINIMUM": (
        lambda tf, x: tf.minimum(x, 0.2) + tf.tanh(x),
        lambda tf, x: x - tf.nn.relu(x - 0.2) + tf.tanh(x),
    ),
    "NEG": (lambda tf, x: -tf.nn.sigmoid(x), lambda tf, x: tf.nn.sigmoid(x) * -1.0),
    "NEG of LayerNormalization": (
        layer(lambda layers: layers.LayerNormalization(epsilon=_EPSILON)),
        _layer_normalization,
    ),
    "NOT_EQUAL": (
        lambda tf, x: tf.where(tf.not_equal(tf.nn.relu(x), 0.0), x, 0.5),
        lambda tf, x: tf.where(tf.equal(tf.nn.relu(x), 0.0), 0.5, x),
    ),
    "PADV2": (
        lambda tf, x: tf.pad(x, _BORDER, constant_values=0.3),
        lambda tf, x: tf.pad(x - 0.3, _BORDER) + 0.3,
    ),
    "POW": (
        lambda tf, x: tf.pow(_positive(tf, x), 1.7),
        lambda tf, x: tf.exp(1.7 * tf.math.log(_positive(tf, x))),
    ),
    "PRELU": (
        layer(lambda layers: layers.PReLU(alpha_initializer=_CONSTANT, shared_axes=[1, 2])),
        _prelu,
    ),
    "REAL": (lambda tf, x: tf.math.real(_spectrum(tf, x)), lambda tf, x: _fourier(tf, x)[0]),
    "REVERSE_SEQUENCE": (
        lambda tf, x: tf.reverse_sequence(x, [3], seq_axis=1, batch_axis=0),
        lambda tf, x: tf.gather(x, [2, 1, 0, 3, 4, 5], axis=1),
    ),
    "RFFT2D": (
        lambda tf, x: tf.math.real(_spectrum(tf, x)),
        lambda tf, x: _fourier(tf, x)[0],
    ),
    "ROUND": (lambda tf, x: tf.round(x), _steps(lambda x, k: x >= k - 0.5)),
    "SCATTER_ND": (
        lambda tf, x: tf.scatter_nd([[1], [3]], tf.reshape(x, (36, 4))[:2], (8, 4)),
        lambda tf, x: _columns(tf, tf.reshape(x, (36, 4))[:2], np.eye(8)[[1, 3]]),
    ),
    "SIGN": (
        lambda tf, x: tf.sign(x),
        lambda tf, x: tf.where(x > 0, 1.0, 0.0) - tf.where(x < 0, 1.0, 0.0),
    ),
    "SIN": (lambda tf, x: tf.sin(x), _sine),
    "SPACE_TO_DEPTH": (
        lambda tf, x: tf.nn.space_to_depth(x, 2),
        lambda tf, x: tf.reshape(
            tf.transpose(tf.reshape(x, (3, 2, 3, 2, 4)), (0, 2, 1, 3, 4)), (1, 3, 3, 16)
        ),
    ),
    "SQRT": (
        lambda tf, x: tf.sqrt(_positive(tf, x)),
        lambda tf, x: _positive(tf, x) * tf.math.rsqrt(_positive(tf, x)),
    ),
    "SQUARE": (lambda tf, x: tf.square(x), lambda tf, x: x * x),
    "SQUARE of RMSNormalization": (
        layer(lambda layers: layers.RMSNormalization(epsilon=_EPSILON)),
        lambda tf, x: x * tf.math.rsqrt(tf.reduce_mean(x * x, 3, keepdims=True) + _EPSILON),
    ),
    "SQUARED_DIFFERENCE": (
        lambda tf, x: tf.math.squared_difference(x, x[..., ::-1]),
        lambda tf, x: (x - x[..., ::-1]) * (x - x[..., ::-1]),
    ),
    "UNSORTED_SEGMENT_MAX": _by_segment("max"),
    "UNSORTED_SEGMENT_MIN": _by_segment("min"),
    "UNSORTED_SEGMENT_PROD": _by_segment("prod"),
    "UNSORTED_SEGMENT_SUM": (
        _by_segment("sum")[0],
        lambda tf, x: _columns(tf, tf.reshape(x, (36, 4)), _MEMBERS.T),
    ),
}
