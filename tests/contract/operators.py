"""Functions that TensorFlow's converter makes one operator of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.graphs import normal

if TYPE_CHECKING:
    from collections.abc import Callable

# Functions of an image of shape (1, 6, 6, 8), by the operator that each becomes.
BODIES: dict[str, Callable[[Any, Any], Any]] = {
    "ADD": lambda tf, x: x + tf.tanh(x),
    "SUB": lambda tf, x: x - tf.tanh(x),
    "MUL": lambda tf, x: x * tf.tanh(x),
    "DIV": lambda tf, x: x / (1.5 + tf.tanh(x)),
    "SQUARED_DIFFERENCE": lambda tf, x: tf.math.squared_difference(x, tf.tanh(x)),
    "BATCH_MATMUL": lambda tf, x: tf.matmul(x, tf.transpose(tf.tanh(x), [0, 1, 3, 2])),
    "DEPTHWISE_CONV_2D": lambda tf, x: (
        tf.nn.depthwise_conv2d(x, normal(3, 3, 8, 2), [1] * 4, "SAME") + normal(16)
    ),
    "TRANSPOSE_CONV": lambda tf, x: (
        tf.nn.conv2d_transpose(x, normal(3, 3, 4, 8), (1, 12, 12, 4), 2) + normal(4)
    ),
    "SOFTMAX": lambda tf, x: tf.nn.softmax(x),
    "LOGISTIC": lambda tf, x: tf.sigmoid(x),
    "TANH": lambda tf, x: tf.tanh(x),
    "LOG_SOFTMAX": lambda tf, x: tf.nn.log_softmax(x),
    "L2_NORMALIZATION": lambda tf, x: tf.nn.l2_normalize(tf.reshape(x, (1, -1)), -1),
    "MEAN": lambda tf, x: tf.reduce_mean(x, [1, 2]),
    "SUM": lambda tf, x: tf.reduce_sum(x, [1, 2]),
    "REDUCE_PROD": lambda tf, x: tf.reduce_prod(x, [1]),
    "REDUCE_MAX": lambda tf, x: tf.reduce_max(x, [1, 2]),
    "REDUCE_MIN": lambda tf, x: tf.reduce_min(x, [1, 2]),
    "LEAKY_RELU": lambda tf, x: tf.nn.leaky_relu(x, 0.1),
    "RELU": lambda tf, x: tf.nn.relu(tf.reverse(x, [1])),
    "RELU6": lambda tf, x: tf.nn.relu6(tf.reverse(x, [1])),
    "RELU_N1_TO_1": lambda tf, x: tf.maximum(tf.minimum(tf.reverse(x, [1]), 1.0), -1.0),
    "HARD_SWISH": lambda tf, x: x * tf.nn.relu6(x + 3.0) * (1 / 6),
    "ABS": lambda tf, x: tf.abs(x),
    "EXP": lambda tf, x: tf.exp(x),
    "LOG": lambda tf, x: tf.math.log(tf.nn.relu(x) + 1),
    "SQRT": lambda tf, x: tf.sqrt(tf.nn.relu(x) + 1),
    "RSQRT": lambda tf, x: tf.math.rsqrt(tf.nn.relu(x) + 1),
    "GELU": lambda tf, x: tf.nn.gelu(x),
    "AVERAGE_POOL_2D": lambda tf, x: tf.nn.avg_pool(x, 2, 2, "SAME"),
    "MAX_POOL_2D": lambda tf, x: tf.nn.max_pool(x, 2, 2, "SAME"),
    "RESIZE_BILINEAR": lambda tf, x: tf.image.resize(x, (12, 12)),
    "RESIZE_NEAREST_NEIGHBOR": lambda tf, x: tf.image.resize(x, (12, 12), "nearest"),
    "PAD": lambda tf, x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]),
    "PADV2": lambda tf, x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=1.5),
    "MIRROR_PAD": lambda tf, x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT"),
    "GATHER": lambda tf, x: tf.gather(x, [1, 3, 0], axis=1),
    "GATHER_ND": lambda tf, x: tf.gather_nd(x, [[0, 1], [0, 2]]),
    "SPACE_TO_DEPTH": lambda tf, x: tf.nn.space_to_depth(x, 2),
    "DEPTH_TO_SPACE": lambda tf, x: tf.nn.depth_to_space(x, 2),
    "BATCH_TO_SPACE_ND": lambda tf, x: tf.batch_to_space(
        tf.space_to_batch(x, [2, 2], [[0, 0], [0, 0]]) * 1.5, [2, 2], [[0, 0], [0, 0]]
    ),
    "TRANSPOSE": lambda tf, x: tf.transpose(x, [0, 3, 1, 2]),
    "SLICE": lambda tf, x: tf.slice(x, [0, 1, 1, 0], [1, 4, 4, 8]),
    "STRIDED_SLICE": lambda tf, x: x[:, ::2, 1:5, :],
    "REVERSE_V2": lambda tf, x: tf.reverse(x, [1]),
    "TILE": lambda tf, x: tf.tile(x, [1, 2, 1, 1]),
    "PACK": lambda tf, x: tf.stack([x, tf.tanh(x)], 1),
    "CONCATENATION": lambda tf, x: tf.concat([x, tf.tanh(x)], -1),
    "MAXIMUM": lambda tf, x: tf.maximum(x, 0.3),
    "MINIMUM": lambda tf, x: tf.minimum(x, tf.tanh(x)),
    "SPLIT_V": lambda tf, x: tf.concat(tf.split(x, [3, 5], -1)[::-1], -1),
    "SCATTER_ND": lambda tf, x: tf.scatter_nd([[0], [2]], tf.reshape(x[:, :2], (2, -1)), [4, 48]),
    "TOPK_V2": lambda tf, x: tf.math.top_k(tf.reshape(x, (1, -1)), 5)[0],
    "SELECT": lambda tf, x: tf.where(x > 0.1, x, x * 0.5),
    "GREATER": lambda tf, x: tf.where(x > tf.tanh(x), x, tf.reverse(x, [1])),
    "LESS": lambda tf, x: tf.where(x < tf.tanh(x), x, tf.reverse(x, [1])),
    "ARG_MAX": lambda tf, x: tf.cast(tf.argmax(x, -1, output_type=tf.int32), tf.float32),
    "ARG_MIN": lambda tf, x: tf.cast(tf.argmin(x, -1, output_type=tf.int32), tf.float32),
}
