"""TensorFlow Lite's 8-bit quantization specification, operator by operator, as data.

Three texts are behind it, and where they differ the newest converter and the kernels decide, since
a model is made by the one and run by the others:

- the specification, https://www.tensorflow.org/lite/performance/quantization_spec (``WRITTEN``),
  which describes int8 and stops at the operators of 2020;
- ``tensorflow/lite/tools/optimize/operator_property.cc``, by which the former quantizer worked
  (``PROPERTY``): more operators, and the 16x8 variant of int16 activations and int8 weights;
- what TensorFlow 2.21's converter makes of an operator (``MEASURED``), for what neither names, and
  the kernel of one that it does not make or makes wrong (``COPIES``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Family = Literal["int8", "int16", "uint8"]
"""The dtype of an operator's activations. ``uint8`` is the former specification, of TensorFlow 1's
quantization-aware training: one asymmetric scale for weights too."""

WRITTEN = "the 8-bit quantization specification"
PROPERTY = "operator_property.cc"
MEASURED = "measured with TensorFlow 2.21's converter"
COPIES = "its kernel, which copies integers"


@dataclass(frozen=True)
class TensorSpecification:
    """The demands on one input or output of an operator."""

    role: Literal["activation", "weights", "bias"]  # its role in the operator
    int8: tuple[str, ...]  # its dtypes where the operator's activations are int8
    int16: tuple[str, ...]  # its dtypes where they are int16
    low: int | None = None  # smallest integer that a constant may hold; None for its dtype's own
    axis: int | None = None  # dimension along which its scales may differ; None for one scale only
    symmetric: bool = False  # its zero point is 0 with int8 activations too; with int16 all are
    product: tuple[int, ...] = ()  # the inputs whose scales multiply to its scale, if any
    fixed: tuple[float, int] | None = None  # scale and zero point, where int8 leaves no choice
    fixed_int16: tuple[float, int] | None = None  # likewise, of int16 activations
    power_of_two: bool = False  # True if its scale is a power of two
    uint8: tuple[str, ...] = ("uint8",)  # its dtypes where the operator's activations are uint8

    def dtypes(self, family: Family) -> tuple[str, ...]:
        """Return its dtypes where the operator's activations are of this family."""
        return {"int8": self.int8, "int16": self.int16, "uint8": self.uint8}[family]

    def fixed_in(self, family: Family) -> tuple[float, int] | None:
        """Return the scale and zero point that leave no choice in this family."""
        if family == "uint8" and self.fixed is not None:
            return self.fixed[0], self.fixed[1] + 128
        return self.fixed_int16 if family == "int16" else self.fixed


@dataclass(frozen=True)
class OperatorSpecification:
    """The demands on an operator's quantized inputs and outputs."""

    # by position; None for plain integers such as a shape. The last stands for all that follow it
    inputs: tuple[TensorSpecification | None, ...]
    outputs: tuple[TensorSpecification | None, ...]  # likewise
    same_scale: bool = False  # its activations share one: its kernel copies the integers
    state: int | None = None  # the input of the output's scale and zero point: what it gave before
    # its kernel takes int16 activations, measured with LiteRT 2.3; TensorFlow 2.21's converter
    # makes fewer
    has_int16: bool = True
    source: str = WRITTEN  # the text that says so


ACTIVATION = TensorSpecification("activation", int8=("int8",), int16=("int16",))
_WIDTHS = ("int8", "uint8", "int16", "int32")
_ANY = replace(ACTIVATION, int8=_WIDTHS, int16=_WIDTHS, uint8=_WIDTHS)


def _fixed(
    scale: float, zero_point: int, int16: tuple[float, int] | None = None
) -> TensorSpecification:
    return replace(ACTIVATION, fixed=(scale, zero_point), fixed_int16=int16)


def _weights(axis: int | None, *narrow: str, int16: tuple[str, ...] = ()) -> TensorSpecification:
    return TensorSpecification(
        "weights", ("int8", *narrow), ("int8", *narrow, *int16), -127, axis, symmetric=True
    )


def _bias(*product: int, axis: int | None = 0) -> TensorSpecification:
    return TensorSpecification(
        "bias", ("int32",), ("int32", "int64"), axis=axis, symmetric=True, product=product,
        uint8=("int32",),
    )  # fmt: skip


_UNIT = (1 / 32768, 0)
_WIDE = TensorSpecification("activation", ("int16",), ("int16",), symmetric=True)
_IN, _OUT = (ACTIVATION,), (ACTIVATION,)
# A gate's bias has the scale of the input times that of the gate's weights for it, if there is no
# layer normalization.
_CELL = replace(_WIDE, power_of_two=True)
_LSTM = OperatorSpecification(
    inputs=(
        ACTIVATION, *[_weights(None)] * 8, *[_WIDE] * 3,
        *(_bias(0, gate, axis=None) for gate in (1, 2, 3, 4)),
        _weights(None), None, ACTIVATION, _CELL, *[_WIDE] * 4,
    ),
    outputs=_OUT,
    state=18,
    has_int16=False,
    source=PROPERTY,
)  # fmt: skip

SPECIFICATION: dict[str, OperatorSpecification] = {
    # One kernel multiplies weights; its bias is added to the products as they are.
    # They unpack weights of four bits too (measured with LiteRT 2.3).
    "CONV_2D": OperatorSpecification((ACTIVATION, _weights(0, "int4"), _bias(0, 1)), _OUT),
    "DEPTHWISE_CONV_2D": OperatorSpecification(
        (ACTIVATION, _weights(3, "int4"), _bias(0, 1)), _OUT
    ),
    # The specification knows one scale only; the converter and the kernels have one an output.
    # A table that is also gathered from becomes int16 with its rows, and the kernel takes it.
    "FULLY_CONNECTED": OperatorSpecification(
        (ACTIVATION, _weights(0, "int4", int16=("int16",)), _bias(0, 1)), _OUT
    ),
    "TRANSPOSE_CONV": OperatorSpecification(
        (None, _weights(0), ACTIVATION, _bias(2, 1)), _OUT, source=PROPERTY
    ),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _LSTM,
    # The output's scale is the function's own.
    "SOFTMAX": OperatorSpecification(_IN, (_fixed(1 / 256, -128, _UNIT),)),
    "LOGISTIC": OperatorSpecification(_IN, (_fixed(1 / 256, -128, _UNIT),)),
    "TANH": OperatorSpecification(_IN, (_fixed(1 / 128, 0, _UNIT),)),
    "LOG_SOFTMAX": OperatorSpecification(_IN, (_fixed(16 / 256, 127),), has_int16=False),
    "L2_NORMALIZATION": OperatorSpecification(_IN, (_fixed(1 / 128, 0),), has_int16=False),
    # Scales are free.
    **{
        name: OperatorSpecification((ACTIVATION, ACTIVATION), _OUT, source=source)
        for name, source in {
            "ADD": WRITTEN, "SUB": WRITTEN, "MUL": WRITTEN, "BATCH_MATMUL": PROPERTY,
            "PRELU": PROPERTY, "SQUARED_DIFFERENCE": MEASURED,
            "DIV": MEASURED,
        }.items()
    },
    "MEAN": OperatorSpecification((ACTIVATION, None), _OUT),
    **{
        name: OperatorSpecification((ACTIVATION, None), _OUT, source=source)
        for name, source in {
            "SUM": PROPERTY, "REDUCE_PROD": MEASURED, "LEAKY_RELU": PROPERTY, "RELU": PROPERTY,
            "RELU6": PROPERTY, "ABS": MEASURED, "EXP": MEASURED, "LOG": MEASURED,
            "RSQRT": MEASURED, "SQRT": MEASURED, "GELU": MEASURED,
        }.items()
    },
    **{
        name: OperatorSpecification(_IN, _OUT, has_int16=False, source=source)
        for name, source in {
            "HARD_SWISH": PROPERTY, "RELU_N1_TO_1": PROPERTY,
        }.items()
    },
    "QUANTIZE": OperatorSpecification((_ANY,), (_ANY,)),
    # One scale: the kernel moves, picks or compares integers as they are.
    **{
        name: OperatorSpecification((ACTIVATION, None), _OUT, same_scale=True, source=source)
        for name, source in {
            "AVERAGE_POOL_2D": WRITTEN, "MAX_POOL_2D": WRITTEN, "RESHAPE": WRITTEN,
            "RESIZE_BILINEAR": WRITTEN, "RESIZE_NEAREST_NEIGHBOR": PROPERTY, "PAD": WRITTEN,
            "MIRROR_PAD": PROPERTY, "GATHER": WRITTEN, "GATHER_ND": MEASURED,
            "SPACE_TO_BATCH_ND": WRITTEN, "BATCH_TO_SPACE_ND": WRITTEN, "TRANSPOSE": WRITTEN,
            "SQUEEZE": WRITTEN, "EXPAND_DIMS": PROPERTY, "SLICE": WRITTEN,
            "STRIDED_SLICE": PROPERTY, "REDUCE_MAX": PROPERTY, "REDUCE_MIN": PROPERTY,
            "REVERSE_V2": MEASURED, "REVERSE_SEQUENCE": COPIES, "TILE": MEASURED,
            "BROADCAST_TO": COPIES,
            "UNPACK": PROPERTY, "SPLIT_V": PROPERTY,
        }.items()
    },
    **{
        name: OperatorSpecification(
            (ACTIVATION, None), _OUT, same_scale=True, has_int16=False, source=source
        )
        for name, source in {"SPACE_TO_DEPTH": WRITTEN, "DEPTH_TO_SPACE": MEASURED}.items()
    },
    **{
        name: OperatorSpecification(_IN, _OUT, same_scale=True, source=source)
        for name, source in {
            "CONCATENATION": WRITTEN, "PACK": PROPERTY, "MAXIMUM": WRITTEN, "MINIMUM": WRITTEN,
        }.items()
    },
    "PADV2": OperatorSpecification((ACTIVATION, None, ACTIVATION), _OUT, same_scale=True),
    "SPLIT": OperatorSpecification((None, ACTIVATION), _OUT, same_scale=True, source=PROPERTY),
    "SCATTER_ND": OperatorSpecification(
        (None, ACTIVATION, None), _OUT, same_scale=True, source=MEASURED
    ),
    "TOPK_V2": OperatorSpecification(
        (ACTIVATION, None), (ACTIVATION, None), same_scale=True, source=MEASURED
    ),
    **{
        name: OperatorSpecification(
            (None, ACTIVATION, ACTIVATION), _OUT, same_scale=True, source=source
        )
        for name, source in {"SELECT": MEASURED, "SELECT_V2": COPIES}.items()
    },
    # TensorFlow 2.21's converter breaks this one: the kernel copies the two values as they are,
    # and they have scales of their own.
    "ONE_HOT": OperatorSpecification(
        (None, None, ACTIVATION, ACTIVATION), _OUT, same_scale=True, has_int16=False,
        source=COPIES,
    ),
    # The result is no quantized number.
    **{
        name: OperatorSpecification((ACTIVATION, ACTIVATION), (None,))
        for name in ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL")
    },
    "ARG_MAX": OperatorSpecification((ACTIVATION, None), (None,), has_int16=False),
    "ARG_MIN": OperatorSpecification((ACTIVATION, None), (None,), has_int16=False, source=MEASURED),
    "SHAPE": OperatorSpecification(_IN, (None,)),
}  # fmt: skip

# Their kernels refuse any other scale than the fixed one; those of SOFTMAX and TANH do not.
EXACT = frozenset({"LOGISTIC", "LOG_SOFTMAX", "L2_NORMALIZATION"})
# They compute with plain int16 where no operand has a scale (measured with LiteRT 2.3). Kernels
# that copy or compare integers do so with any dtype.
PLAIN_INT16 = frozenset({"ABS", "ADD", "EQUAL", "MUL", "NOT_EQUAL"})
# Its uint8 kernel rescales each input (concatenation.cc).
RESCALED_UINT8 = frozenset({"CONCATENATION"})
