"""Which operators TensorFlow's quantizers have integer forms for, and which LiteRT has kernels for.

Measured, as TensorFlow documents it nowhere: a small float model around each operator was quantized
and looked into. tests/contract/test_preflight.py measures all of it again, so that another
TensorFlow is noticed; docs/left-in-float.md has the table.
"""

from __future__ import annotations

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
    """Whether TensorFlow quantizes an operator of this type; None where that was not measured.

    Args:
        kind: The operator's type.
        scheme: A scheme with integer activations.
    """
    if width(scheme) == "int16":
        return False if kind in _NO_INT16 else True if kind in _INT8 else None
    return False if kind in _NO_INT8 else True if kind in _INT8 else None


def has_kernel(kind: str, scheme: str) -> bool:
    """Whether LiteRT 2.3.0 runs what TensorFlow quantizes an operator of this type to."""
    return kind not in _NO_KERNEL[width(scheme)]
