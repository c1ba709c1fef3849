"""The least number of inputs and outputs of each builtin operator.

Their kernels check it before anything else (``NumInputs`` and ``NumOutputs`` in
``tensorflow/lite/kernels``), so whoever looks at an operator may rely on it too.
"""

from __future__ import annotations

from typing import Any

from ai_edge_litert import schema_py_generated as schema

OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}

# Those that are not named take one.
_INPUTS = {
    0: "CALL CALL_ONCE CUSTOM DELEGATE HASHTABLE STABLEHLO_COMPOSITE STABLEHLO_CUSTOM_CALL "
    "STABLEHLO_IOTA STABLEHLO_WHILE VAR_HANDLE WHILE",
    2: "ADD ARG_MAX ARG_MIN ASSIGN_VARIABLE ATAN2 BATCH_MATMUL BITWISE_XOR BROADCAST_ARGS "
    "BROADCAST_TO CONV_2D CONV_3D CUMSUM DEPTHWISE_CONV_2D DIV EMBEDDING_LOOKUP EQUAL EXPAND_DIMS "
    "FILL FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL LESS "
    "LESS_EQUAL LOGICAL_AND LOGICAL_OR MATRIX_SET_DIAG MAXIMUM MEAN MINIMUM MIRROR_PAD MUL "
    "MULTINOMIAL NOT_EQUAL PAD POW PRELU REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD "
    "RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_SEQUENCE REVERSE_V2 RFFT2D RIGHT_SHIFT "
    "SEGMENT_SUM SPLIT SQUARED_DIFFERENCE SUB SUM TILE TOPK_V2 TRANSPOSE",
    3: "BATCH_TO_SPACE_ND CONV_3D_TRANSPOSE DYNAMIC_UPDATE_SLICE HASHTABLE_FIND HASHTABLE_IMPORT "
    "PADV2 RANGE SCATTER_ND SELECT SELECT_V2 SLICE SPACE_TO_BATCH_ND SPLIT_V TRANSPOSE_CONV "
    "UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM",
    4: "ONE_HOT SPARSE_TO_DENSE STRIDED_SLICE",
    5: "LSTM NON_MAX_SUPPRESSION_V4 RNN SVDF UNIDIRECTIONAL_SEQUENCE_RNN",
    6: "NON_MAX_SUPPRESSION_V5",
    20: "UNIDIRECTIONAL_SEQUENCE_LSTM",
}
# Those that are not named give one.
_NO_OUTPUTS = (
    "ASSIGN_VARIABLE CALL CALL_ONCE CUSTOM DELEGATE HASHTABLE_IMPORT IF STABLEHLO_CASE "
    "STABLEHLO_COMPOSITE STABLEHLO_CUSTOM_CALL STABLEHLO_WHILE WHILE"
)

_FEWEST_INPUTS = {name: count for count, names in _INPUTS.items() for name in names.split()}
_FEWEST_OUTPUTS = dict.fromkeys(_NO_OUTPUTS.split(), 0)
_MOST_REQUIRED = 4  # of recurrent operators, many inputs are optional


def type_number(code: Any) -> int:
    """Return the number of the type of an operator code (``OperatorCodeT``)."""
    # Files from before operator 127 hold it in the deprecated field only.
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def fewest_inputs(operator: str) -> int:
    """Return the least number of inputs of an operator type, optional ones among them."""
    return _FEWEST_INPUTS.get(operator, 1)


def required_inputs(operator: str) -> int:
    """Return the number of first inputs of an operator that are not optional."""
    fewest = fewest_inputs(operator)
    return fewest if fewest <= _MOST_REQUIRED else 1


def fewest_outputs(operator: str) -> int:
    """Return the least number of outputs of an operator."""
    return _FEWEST_OUTPUTS.get(operator, 1)
