"""Operators with integer forms in TensorFlow's quantizers and in LiteRT, and rewrites of others.

Measured, as TensorFlow documents it nowhere: a small float model around each operator was quantized
and looked into. tests/contract/test_preflight.py measures all of it again, so that another
TensorFlow is noticed; docs/left-in-float.md has the table. Each rewrite was seen to convert:
tests/contract/test_rewrites.py holds the original function and the rewritten one, and compares
their results before and after quantization.
"""

from __future__ import annotations

from dataclasses import dataclass

MEASURED = "measured with tensorflow 2.21.0"

_INT8 = frozenset(
    """
    ABS ADD ARG_MAX ARG_MIN AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BROADCAST_TO
    CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DIV EQUAL EXP FILL FULLY_CONNECTED
    GATHER GATHER_ND GELU GREATER GREATER_EQUAL HARD_SWISH L2_NORMALIZATION LEAKY_RELU LESS
    LESS_EQUAL LOG LOGISTIC LOG_SOFTMAX MATRIX_DIAG MATRIX_SET_DIAG MAXIMUM MAX_POOL_2D MEAN
    MINIMUM MIRROR_PAD MUL ONE_HOT PACK PAD PADV2 PRELU REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU
    RELU6 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_SEQUENCE REVERSE_V2 RSQRT
    SCATTER_ND SELECT SELECT_V2 SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPARSE_TO_DENSE
    SPLIT SPLIT_V SQRT SQUARED_DIFFERENCE STRIDED_SLICE SUB SUM TANH TILE TOPK_V2 TRANSPOSE
    TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK
    """.split()
)
_NO_INT8 = frozenset(
    """
    ADD_N ATAN2 BITCAST BUCKETIZE CAST CEIL COMPLEX_ABS CONV_3D CONV_3D_TRANSPOSE COS CUMSUM ELU
    FLOOR FLOOR_DIV FLOOR_MOD IMAG LOCAL_RESPONSE_NORMALIZATION NEG NON_MAX_SUPPRESSION_V4
    NON_MAX_SUPPRESSION_V5 NOT_EQUAL POW RANDOM_UNIFORM REAL RFFT2D ROUND SIGN SIN SQUARE
    UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM
    """.split()
)
# Of these the 16x8 quantizer refuses even operators on integers and booleans.
_NO_INT16 = _NO_INT8 | frozenset(
    """
    ARG_MAX ARG_MIN DEPTH_TO_SPACE DIV EQUAL GREATER GREATER_EQUAL HARD_SWISH L2_NORMALIZATION
    LESS LESS_EQUAL LOGICAL_AND LOGICAL_OR LOG_SOFTMAX MATRIX_DIAG MATRIX_SET_DIAG ONE_HOT PRELU
    REDUCE_ALL REDUCE_ANY REVERSE_SEQUENCE SELECT_V2 SPACE_TO_DEPTH SPARSE_TO_DENSE SQRT TOPK_V2
    UNIDIRECTIONAL_SEQUENCE_LSTM
    """.split()
)
# Quantized without a word, to a model that LiteRT refuses to load or to run.
_NO_KERNEL = {
    "int8": frozenset({"REVERSE_SEQUENCE"}),
    "int16": frozenset({"PADV2", "SCATTER_ND", "SQUARED_DIFFERENCE"}),
}
TIED = frozenset({"CONCATENATION", "MAXIMUM", "MINIMUM", "PACK", "PADV2", "SELECT", "SELECT_V2"})
"""Operators of several inputs that share one scale: where one of these is written by an operator
that stays float, so do they."""

CLIPPING = frozenset({"MAXIMUM", "MINIMUM"})
"""Operators to whose int8 scale TensorFlow ties what they read. It is clipped where their result
is, for every operator that reads it."""


def width(scheme: str) -> str:
    """Return the integer type of a scheme's activations."""
    return "int16" if scheme == "int16x8" else "int8"


def has_form(kind: str, scheme: str) -> bool | None:
    """Return whether TensorFlow quantizes an operator of this type; None if not measured."""
    if width(scheme) == "int16":
        return False if kind in _NO_INT16 else True if kind in _INT8 else None
    return False if kind in _NO_INT8 else True if kind in _INT8 else None


def has_kernel(kind: str, scheme: str) -> bool:
    """Return whether LiteRT 2.3.0 runs what TensorFlow quantizes an operator of this type to."""
    return kind not in _NO_KERNEL[width(scheme)]


_BOTH = frozenset({("tensorflow", "int8"), ("tensorflow", "int16"),
                   ("litert", "int8"), ("litert", "int16")})  # fmt: skip
_TENSORFLOW = frozenset({("tensorflow", "int8"), ("tensorflow", "int16")})
_TENSORFLOW_INT8 = frozenset({("tensorflow", "int8")})


@dataclass(frozen=True)
class Rewrite:
    """Another way to write an operator."""

    text: str
    converts: frozenset[tuple[str, str]] = _BOTH  # with these it is integer-only


_FOURIER = (
    "Multiply by constant matrices of cosines and sines along each axis (a Fourier transform is "
    "linear)"
)
_STEPS = (
    "Where its input passes only few integers, add a step for each: 'tf.where(x {sign}, 1.0, 0.0)'"
)

REWRITES: dict[str, Rewrite] = {
    "ADD_N": Rewrite("Write 'a + b + c' in place of tf.add_n"),
    "CAST": Rewrite(
        "To turn a condition into numbers, write 'tf.where(condition, 1.0, 0.0)' in place of "
        "tf.cast", _TENSORFLOW_INT8),
    "CEIL": Rewrite(_STEPS.format(sign="> k"), _TENSORFLOW_INT8),
    "COMPLEX_ABS": Rewrite(f"{_FOURIER}, and write 'tf.sqrt(real * real + imaginary * imaginary)'",
        _BOTH - {("tensorflow", "int16")}),
    "CONV_3D": Rewrite(
        "Give the planes to tf.nn.conv2d as a batch, each concatenated with its neighbours along "
        "the channels"),
    "COS": Rewrite(
        "For |x| <= pi, write '1 - 2 * s * s' with s the parabolas for sin(x / 2): p = (4 / pi) * "
        "h - (4 / pi**2) * (h * tf.abs(h)) with h = x / 2, s = 0.775 * p + 0.225 * (p * tf.abs(p))",
        _TENSORFLOW),
    "CUMSUM": Rewrite("Multiply by a constant triangular matrix of ones with tf.matmul"),
    "DEPTH_TO_SPACE": Rewrite("Write it as tf.reshape, tf.transpose and tf.reshape"),
    "DIV": Rewrite(
        "Multiply by the reciprocal: a constant's is a constant; for b > 0 write 'a * tf.exp(-1.0 "
        "* tf.math.log(b))'", _TENSORFLOW),
    "ELU": Rewrite(
        "Write 'r + (tf.exp(x - r) - 1)' with r = tf.nn.relu(x); or train with tf.nn.leaky_relu, "
        "which is another function", _TENSORFLOW),
    "FLOOR": Rewrite(_STEPS.format(sign=">= k"), _TENSORFLOW_INT8),
    "FLOOR_DIV": Rewrite(
        f"Multiply by the reciprocal. {_STEPS.format(sign='>= k')}", _TENSORFLOW_INT8),
    "HARD_SWISH": Rewrite("Write 'x * (tf.nn.relu(t) - tf.nn.relu(t - 1))' with t = x / 6 + 0.5"),
    "IMAG": Rewrite(_FOURIER),
    "L2_NORMALIZATION": Rewrite(
        "Write 'x * tf.math.rsqrt(tf.reduce_sum(x * x, -1, keepdims=True) + small)', with 'small' "
        "no less than a hundredth of the usual sum"),
    "LOCAL_RESPONSE_NORMALIZATION": Rewrite(
        "Write 'x * tf.exp(-beta * tf.math.log(bias + alpha * s))' with s = tf.matmul(x * x, band) "
        "and a constant band matrix of ones", _TENSORFLOW),
    "LOG_SOFTMAX": Rewrite(
        "Write 'x - tf.math.log(tf.reduce_sum(tf.exp(x), -1, keepdims=True))', where exp(x) stays "
        "small", _TENSORFLOW),
    "MAXIMUM": Rewrite("With a constant c, write 'c + tf.nn.relu(x - c)'"),
    "MINIMUM": Rewrite("With a constant c, write 'x - tf.nn.relu(x - c)'"),
    "NEG": Rewrite(
        "Write '-1.0 * x' in place of '-x'; in place of Keras' LayerNormalization write 'c * "
        "tf.math.rsqrt(tf.reduce_mean(c * c, -1, keepdims=True) + epsilon) * gamma + beta' with c "
        "= x - tf.reduce_mean(x, -1, keepdims=True)"),
    "NOT_EQUAL": Rewrite("Compare with tf.equal and exchange the two branches of tf.where",
        _BOTH - {("tensorflow", "int16")}),
    "PADV2": Rewrite("Write 'tf.pad(x - c, paddings) + c' with the constant c"),
    "POW": Rewrite(
        "Write a whole power as products, x * x * x; for x > 0 write 'tf.exp(p * tf.math.log(x))'",
        _TENSORFLOW),
    "PRELU": Rewrite("Write 'r + slopes * (x - r)' with r = tf.nn.relu(x)"),
    "REAL": Rewrite(_FOURIER),
    "REVERSE_SEQUENCE": Rewrite(
        "Where the lengths are constants, take the elements with tf.gather and constant indices"),
    "RFFT2D": Rewrite(_FOURIER),
    "ROUND": Rewrite(_STEPS.format(sign=">= k - 0.5"), _TENSORFLOW_INT8),
    "SCATTER_ND": Rewrite(
        "Where the indices are constants, multiply by a constant matrix of zeros and ones"),
    "SIGN": Rewrite(
        "Write 'tf.where(x > 0, 1.0, 0.0) - tf.where(x < 0, 1.0, 0.0)'", _TENSORFLOW_INT8),
    "SIN": Rewrite(
        "For |x| <= pi, write two parabolas, off by 0.001 at most: p = (4 / pi) * x - (4 / pi**2) "
        "* (x * tf.abs(x)), then '0.775 * p + 0.225 * (p * tf.abs(p))'", _TENSORFLOW),
    "SPACE_TO_DEPTH": Rewrite("Write it as tf.reshape, tf.transpose and tf.reshape"),
    "SQRT": Rewrite("For x > 0, write 'x * tf.math.rsqrt(x)'"),
    "SQUARE": Rewrite(
        "Write 'x * x' in place of tf.square(x); in place of Keras' RMSNormalization write 'x * "
        "tf.math.rsqrt(tf.reduce_mean(x * x, -1, keepdims=True) + epsilon) * gamma'"),
    "SQUARED_DIFFERENCE": Rewrite("Write 'd * d' with d = a - b"),
    "UNSORTED_SEGMENT_MAX": Rewrite(
        "Where the segments are constants, tf.gather each, tf.reduce_max it, and tf.stack them",
        _TENSORFLOW),
    "UNSORTED_SEGMENT_MIN": Rewrite(
        "Where the segments are constants, tf.gather each, tf.reduce_min it, and tf.stack them"),
    "UNSORTED_SEGMENT_PROD": Rewrite(
        "Where the segments are constants, tf.gather each, tf.reduce_prod it, and tf.stack them",
        _TENSORFLOW),
    "UNSORTED_SEGMENT_SUM": Rewrite(
        "Where the segments are constants, multiply by a constant matrix of zeros and ones"),
}  # fmt: skip


def rewrite(kind: str, scheme: str, backend: str) -> Rewrite | None:
    """Return the rewrite of an operator that becomes integer-only, or None."""
    found = REWRITES.get(kind)
    return found if found is not None and (backend, width(scheme)) in found.converts else None
