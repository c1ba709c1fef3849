"""Functions around one operator each that converters leave in float, or quantize with care."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from tests.graphs import normal

if TYPE_CHECKING:
    from collections.abc import Callable

    Body = Callable[[Any, Any], Any]

SHAPE = (1, 6, 6, 4)


def _rows(tf: Any, x: Any) -> Any:
    return tf.reshape(x, (36, 4))


def _above(tf: Any, x: Any) -> Any:
    return tf.nn.relu(x) + 0.5


def _boxes(tf: Any, x: Any, **settings: Any) -> dict[str, Any]:
    rows = _rows(tf, x)
    return {"boxes": rows, "scores": rows[:, 0], "max_output_size": 8, "iou_threshold": 0.5,
            "score_threshold": 0.1, "pad_to_max_output_size": True, **settings}  # fmt: skip


def _spectrum(tf: Any, x: Any) -> Any:
    return tf.signal.rfft2d(tf.reshape(x, (1, 16, 9))[:, :, :8])


def _segments(operation: str) -> Body:
    return lambda tf, x: getattr(tf.math, operation)(_rows(tf, x), np.arange(36) % 3, 3)


def layer(make: Callable[[Any], Any], shape: tuple[int, ...] = SHAPE) -> Body:
    @cache  # a function that is traced twice may make its variables once only
    def made() -> Any:
        import keras

        keras.utils.set_random_seed(1)
        return make(keras.layers)

    return lambda tf, x: made()(tf.reshape(x, shape))


def _resize(kind: str, **settings: bool) -> Body:
    return lambda tf, x: getattr(tf.raw_ops, kind)(images=x, size=(12, 12), **settings)


_BORDER = ((0, 0), (1, 1), (1, 1), (0, 0))
_SERIES = (1, 4, 36)

# By name: the operator that the model is about, and its body.
MODELS: dict[str, tuple[str, Body]] = {
    "abs": ("ABS", lambda tf, x: tf.abs(x)),
    "add": ("ADD", lambda tf, x: x + tf.nn.sigmoid(x)),
    "add_n": ("ADD_N", lambda tf, x: tf.add_n([x, x * 0.5, x * 0.25])),
    "arg_max": ("ARG_MAX", lambda tf, x: tf.argmax(x, axis=3)),
    "arg_min": ("ARG_MIN", lambda tf, x: tf.argmin(x, axis=3)),
    "atan2": ("ATAN2", lambda tf, x: tf.math.atan2(x, x[..., ::-1])),
    "average_pool": ("AVERAGE_POOL_2D", lambda tf, x: tf.nn.avg_pool2d(x, 2, 2, "SAME")),
    "batch_matmul": ("BATCH_MATMUL", lambda tf, x: x @ tf.transpose(x, (0, 1, 3, 2))),
    "batch_to_space": (
        "BATCH_TO_SPACE_ND",
        lambda tf, x: tf.batch_to_space(tf.reshape(x, (4, 6, 6, 1)), (2, 2), ((0, 0), (0, 0))),
    ),
    "bitcast": ("BITCAST", lambda tf, x: tf.bitcast(x, tf.int32)),
    "broadcast_to": ("BROADCAST_TO", lambda tf, x: tf.broadcast_to(x, (3, 6, 6, 4))),
    "bucketize": (
        "BUCKETIZE", lambda tf, x: tf.raw_ops.Bucketize(input=x, boundaries=[-0.5, 0.0, 0.5])
    ),
    "cast_from_boolean": ("CAST", lambda tf, x: tf.cast(x > 0, tf.float32) * x),
    "cast_from_integer": ("CAST", lambda tf, x: tf.cast(tf.argmax(x, 3), tf.float32)),
    "cast_to_integer": ("CAST", lambda tf, x: tf.cast(x * 10, tf.int32)),
    "cast_of_integers": (
        "CAST", lambda tf, x: tf.cast(tf.argmax(x, 3, output_type=tf.int32), tf.int64)
    ),
    "ceil": ("CEIL", lambda tf, x: tf.math.ceil(x)),
    "complex_abs": ("COMPLEX_ABS", lambda tf, x: tf.abs(_spectrum(tf, x))),
    "concatenation_of_unequal_ranges": (
        "CONCATENATION", lambda tf, x: tf.concat([x, x * 10, tf.nn.sigmoid(x)], 3)
    ),
    "concatenation_with_what_stays_float": (
        "CONCATENATION", lambda tf, x: tf.concat([tf.sin(x), x], 3)
    ),
    "conv_3d": (
        "CONV_3D",
        lambda tf, x: tf.nn.conv3d(
            tf.reshape(x, (1, 6, 6, 4, 1)), normal(3, 3, 3, 1, 2), (1,) * 5, "SAME"
        ),
    ),
    "conv_3d_transpose": (
        "CONV_3D_TRANSPOSE",
        lambda tf, x: tf.nn.conv3d_transpose(
            tf.reshape(x, (1, 6, 6, 4, 1)), normal(2, 2, 2, 3, 1), (1, 12, 12, 8, 3), 2
        ),
    ),
    "conv_of_computed_weights": (
        "CONV_2D",
        lambda tf, x: tf.nn.conv2d(
            x, tf.reshape(tf.reshape(x, (1, -1))[:, :36], (3, 3, 4, 1)), 1, "SAME"
        ),
    ),
    "cos": ("COS", lambda tf, x: tf.cos(x)),
    "cumsum": ("CUMSUM", lambda tf, x: tf.cumsum(x, 3)),
    "depth_to_space": ("DEPTH_TO_SPACE", lambda tf, x: tf.nn.depth_to_space(x, 2)),
    "depthwise": (
        "DEPTHWISE_CONV_2D",
        lambda tf, x: tf.nn.depthwise_conv2d(x, normal(3, 3, 4, 2), (1, 1, 1, 1), "SAME"),
    ),
    "dilated_conv": (
        "CONV_2D", lambda tf, x: tf.nn.conv2d(x, normal(3, 3, 4, 5), 1, "VALID", dilations=2)
    ),
    "div": ("DIV", lambda tf, x: x / _above(tf, x[..., ::-1])),
    "elu": ("ELU", lambda tf, x: tf.nn.elu(x)),
    "embedding": (
        "GATHER", lambda tf, x: tf.gather(normal(4, 8), tf.reshape(tf.argmax(x, 3), (1, 36)))
    ),
    "equal": ("EQUAL", lambda tf, x: tf.equal(x, x[..., ::-1])),
    "exp": ("EXP", lambda tf, x: tf.exp(x)),
    "floor": ("FLOOR", lambda tf, x: tf.floor(x)),
    "floor_div": ("FLOOR_DIV", lambda tf, x: tf.math.floordiv(x, 0.5)),
    "floor_mod": ("FLOOR_MOD", lambda tf, x: tf.math.floormod(x, 0.5)),
    "gather": ("GATHER", lambda tf, x: tf.gather(x, [0, 2, 1], axis=1)),
    "gather_nd": ("GATHER_ND", lambda tf, x: tf.gather_nd(x, [[0, 1], [0, 2]])),
    "gelu": ("GELU", lambda tf, x: tf.nn.gelu(x)),
    "greater": ("GREATER", lambda tf, x: x > 0.1),
    "gru": ("SPLIT", layer(lambda layers: layers.GRU(4, unroll=True), _SERIES)),
    "hard_swish": ("HARD_SWISH", lambda tf, x: x * tf.nn.relu6(x + 3.0) * (1 / 6.0)),
    "imag": ("IMAG", lambda tf, x: tf.math.imag(_spectrum(tf, x))),
    "l2_normalization": ("L2_NORMALIZATION", lambda tf, x: tf.nn.l2_normalize(x, 3)),
    "leaky_relu": ("LEAKY_RELU", lambda tf, x: tf.nn.leaky_relu(x, 0.1)),
    "local_response_normalization": (
        "LOCAL_RESPONSE_NORMALIZATION",
        lambda tf, x: tf.nn.local_response_normalization(x, 1, alpha=0.5),
    ),
    "log": ("LOG", lambda tf, x: tf.math.log(_above(tf, x))),
    "log_softmax": ("LOG_SOFTMAX", lambda tf, x: tf.nn.log_softmax(x)),
    "lstm": ("SPLIT", layer(lambda layers: layers.LSTM(4, unroll=True), _SERIES)),
    "matrix_diag": ("MATRIX_DIAG", lambda tf, x: tf.linalg.diag(_rows(tf, x))),
    "max_pool": ("MAX_POOL_2D", lambda tf, x: tf.nn.max_pool2d(x, 2, 2, "SAME")),
    "maximum": ("MAXIMUM", lambda tf, x: tf.maximum(x, 0.2)),
    "mean": ("MEAN", lambda tf, x: tf.reduce_mean(x, (1, 2))),
    "minimum": ("MINIMUM", lambda tf, x: tf.minimum(x, x[..., ::-1])),
    "minimum_of_what_others_read": (
        "MINIMUM", lambda tf, x: tf.nn.relu(x) + tf.minimum(x, 0.0)
    ),
    "mirror_pad": ("MIRROR_PAD", lambda tf, x: tf.pad(x, _BORDER, "REFLECT")),
    "neg": ("NEG", lambda tf, x: tf.negative(tf.nn.sigmoid(x))),
    "non_max_suppression_v4": (
        "NON_MAX_SUPPRESSION_V4",
        lambda tf, x: tf.raw_ops.NonMaxSuppressionV4(**_boxes(tf, x))[0],
    ),
    "non_max_suppression_v5": (
        "NON_MAX_SUPPRESSION_V5",
        lambda tf, x: tf.raw_ops.NonMaxSuppressionV5(**_boxes(tf, x, soft_nms_sigma=0.0))[1],
    ),
    "not_equal": ("NOT_EQUAL", lambda tf, x: tf.not_equal(x, x[..., ::-1])),
    "one_hot": ("ONE_HOT", lambda tf, x: tf.one_hot(tf.argmax(x, 3), 4)),
    "pack_of_unequal_ranges": ("PACK", lambda tf, x: tf.stack([x, x * 10], 0)),
    "pad_v2": ("PADV2", lambda tf, x: tf.pad(x, _BORDER, constant_values=0.3)),
    "pow": ("POW", lambda tf, x: tf.pow(_above(tf, x), 1.7)),
    "prelu": (
        "PRELU",
        layer(lambda layers: layers.PReLU(shared_axes=[1, 2], alpha_initializer="normal")),
    ),
    "real": ("REAL", lambda tf, x: tf.math.real(_spectrum(tf, x))),
    "reduce_max": ("REDUCE_MAX", lambda tf, x: tf.reduce_max(x, 3)),
    "reduce_min": ("REDUCE_MIN", lambda tf, x: tf.reduce_min(x, 3)),
    "reduce_prod": ("REDUCE_PROD", lambda tf, x: tf.reduce_prod(x, 3)),
    "resize_bilinear": ("RESIZE_BILINEAR", _resize("ResizeBilinear")),
    "resize_bilinear_with_aligned_corners": (
        "RESIZE_BILINEAR", _resize("ResizeBilinear", align_corners=True)
    ),
    "resize_bilinear_with_half_pixels": (
        "RESIZE_BILINEAR", _resize("ResizeBilinear", half_pixel_centers=True)
    ),
    "resize_nearest": ("RESIZE_NEAREST_NEIGHBOR", _resize("ResizeNearestNeighbor")),
    "resize_nearest_with_half_pixels": (
        "RESIZE_NEAREST_NEIGHBOR", _resize("ResizeNearestNeighbor", half_pixel_centers=True)
    ),
    "reverse": ("REVERSE_V2", lambda tf, x: tf.reverse(x, [1])),
    "reverse_sequence": (
        "REVERSE_SEQUENCE", lambda tf, x: tf.reverse_sequence(x, [3], seq_axis=1, batch_axis=0)
    ),
    "roll": ("CONCATENATION", lambda tf, x: tf.roll(x, 2, 1)),
    "round": ("ROUND", lambda tf, x: tf.round(x)),
    "rsqrt": ("RSQRT", lambda tf, x: tf.math.rsqrt(_above(tf, x))),
    "scatter_nd": (
        "SCATTER_ND", lambda tf, x: tf.scatter_nd([[1], [3]], _rows(tf, x)[:2], (8, 4))
    ),
    "select": ("SELECT", lambda tf, x: tf.where(x > 0.1, x, x * 0.5)),
    "select_v2": (
        "SELECT_V2", lambda tf, x: tf.where(np.arange(4) % 2 == 0, x, x * 0.5)
    ),
    "sign": ("SIGN", lambda tf, x: tf.sign(x)),
    "sin": ("SIN", lambda tf, x: tf.sin(x)),
    "slice": ("SLICE", lambda tf, x: tf.slice(x, (0, 1, 1, 0), (1, 2, 2, 4))),
    "softplus": ("LOG", lambda tf, x: tf.nn.softplus(x)),
    "space_to_batch": (
        "SPACE_TO_BATCH_ND", lambda tf, x: tf.space_to_batch(x, (2, 2), ((0, 0), (0, 0)))
    ),
    "space_to_depth": ("SPACE_TO_DEPTH", lambda tf, x: tf.nn.space_to_depth(x, 2)),
    "split_v": ("SPLIT_V", lambda tf, x: tf.split(x, [1, 3], axis=3)[1]),
    "sqrt": ("SQRT", lambda tf, x: tf.sqrt(_above(tf, x))),
    "square": ("SQUARE", lambda tf, x: tf.square(x)),
    "squared_difference": (
        "SQUARED_DIFFERENCE", lambda tf, x: tf.math.squared_difference(x, x[..., ::-1])
    ),
    "strided_slice": ("STRIDED_SLICE", lambda tf, x: x[:, ::2, 1:]),
    "sum": ("SUM", lambda tf, x: tf.reduce_sum(x, (1, 2))),
    "tanh": ("TANH", lambda tf, x: tf.tanh(x)),
    "tile": ("TILE", lambda tf, x: tf.tile(x, (1, 2, 1, 1))),
    "top_k": ("TOPK_V2", lambda tf, x: tf.math.top_k(x, 2)[0]),
    "top_k_indices": ("TOPK_V2", lambda tf, x: tf.math.top_k(x, 2)[1]),
    "transpose_conv": (
        "TRANSPOSE_CONV",
        lambda tf, x: tf.nn.conv2d_transpose(x, normal(3, 3, 6, 4), (1, 12, 12, 6), 2),
    ),
    "unpack": ("UNPACK", lambda tf, x: sum(item * item for item in tf.unstack(x, axis=3))),
    "unsorted_segment_max": ("UNSORTED_SEGMENT_MAX", _segments("unsorted_segment_max")),
    "unsorted_segment_min": ("UNSORTED_SEGMENT_MIN", _segments("unsorted_segment_min")),
    "unsorted_segment_prod": ("UNSORTED_SEGMENT_PROD", _segments("unsorted_segment_prod")),
    "unsorted_segment_sum": ("UNSORTED_SEGMENT_SUM", _segments("unsorted_segment_sum")),
}  # fmt: skip
