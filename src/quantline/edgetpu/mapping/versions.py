"""What the TensorFlow Lite inside the compiler can read: it refuses models with newer operators.

Compiler 16.0 is of July 2021, between TensorFlow 2.6 and 2.7. The limits are the versions that
TensorFlow's ``runtime_version.cc`` dates to 2.6 or earlier; users have published refusals of newer
ones (github.com/google-coral/edgetpu issues 631, 667, 845 and 879).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.edgetpu.mapping.operators import TABLE
from quantline.edgetpu.vocabulary import Provenance, Reason, Status
from quantline.tflite.operands import OPERATORS

if TYPE_CHECKING:
    from quantline.tflite.graph import Operator

# Of operators that the Edge TPU does not have, by their newest version.
_OUTSIDE_TABLE = {
    1: "ADD_N CEIL COS CUMSUM ELU EXP FLOOR FLOOR_MOD HARD_SWISH LOCAL_RESPONSE_NORMALIZATION LOG "
    "NEG NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 ONE_HOT POW RANGE RANK REDUCE_ANY ROUND "
    "SCATTER_ND SEGMENT_SUM SELECT_V2 SHAPE SIN SQRT SQUARE UNIQUE WHERE",
    2: "ARG_MAX ARG_MIN DEPTH_TO_SPACE DIV FAKE_QUANT FLOOR_DIV GREATER GREATER_EQUAL LEAKY_RELU "
    "LESS LESS_EQUAL LOG_SOFTMAX MIRROR_PAD REDUCE_PROD SELECT SPLIT_V TOPK_V2",
    3: "BATCH_TO_SPACE_ND BIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_RNN BROADCAST_TO "
    "EMBEDDING_LOOKUP EQUAL FILL GATHER_ND NOT_EQUAL REVERSE_V2 RNN SPACE_TO_BATCH_ND "
    "SPARSE_TO_DENSE UNIDIRECTIONAL_SEQUENCE_RNN",
    4: "ABS BATCH_MATMUL PADV2 SVDF UNPACK",
    5: "GATHER",
}
_NEWEST_VERSION = {
    **{name: version for version, names in _OUTSIDE_TABLE.items() for name in names.split()},
    **{name: entry.version for name, entry in TABLE.items()},
}
# The last one that is dated to 2.6; 150, GELU, was refused as out of range.
_NEWEST_OPERATOR = "BROADCAST_ARGS"
_NUMBERS = {name: number for number, name in OPERATORS.items()}


def unreadable(operator: Operator) -> Reason | None:
    """Say why the compiler cannot read an operator, and so refuses its model; None where it can."""
    if operator.is_custom:
        # Operators of TensorFlow itself (SELECT_TF_OPS) were refused, issue 718.
        if operator.type.startswith("Flex"):
            return _refused(Status.FLEX, "the compiler's interpreter has no TensorFlow operators")
        return None
    if _NUMBERS.get(operator.type, 0) > _NUMBERS[_NEWEST_OPERATOR]:
        return _refused(Status.OUT_OF_RANGE, "the operator is newer than the compiler")
    newest = _NEWEST_VERSION.get(operator.type)
    if newest is None or operator.version <= newest:
        return None
    return _refused(
        Status.NOT_FOUND,
        f"version {operator.version} of the operator is newer than the compiler, which knows "
        f"those up to {newest}",
    )


def _refused(status: Status, rule: str) -> Reason:
    return Reason(status, rule, Provenance.REPORTED, refuses_model=True)
