"""The operators that the Edge TPU compiler knows: Coral's documented table, as data.

Sources: https://coral.ai/docs/edgetpu/models-intro/#supported-operations for the operators and
their limitations; compiled models where they say more; for the newest versions, the operator
versions that TensorFlow's ``runtime_version.cc`` dates to 2.6 or earlier.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from quantline.edgetpu.mapping import constraints, sizes
from quantline.edgetpu.vocabulary import Provenance

if TYPE_CHECKING:
    from quantline.edgetpu.vocabulary import Constraint

OLDEST_RUNTIME = 10
NEWEST_RUNTIME = 14


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the table."""

    # the row's demand, in words; empty where it demands nothing
    limitation: str = field(kw_only=False)
    version: int  # the newest operator version in the TensorFlow Lite of the compiler
    runtime: int = OLDEST_RUNTIME  # the first Edge TPU runtime version that has the operator
    # the source that says that the operator is mapped
    provenance: Provenance = Provenance.DOCUMENTED
    constraint: Constraint | None = None  # the limitation as a function, where there is one
    # positions of the inputs that must be constants: weights, biases, alphas
    parameters: tuple[int, ...] = ()
    # positions of the inputs that set the shape of the output; as constants they keep it static
    sizes: tuple[int, ...] = ()


_LSTM = Entry(
    "unidirectional only",
    version=3,
    # The table says runtime 14; a compiled file that asks for 12 has it.
    runtime=12,
    parameters=(*range(1, 18), *range(20, 24)),
)

TABLE: dict[str, Entry] = {
    "ADD": Entry("", version=4),
    "AVERAGE_POOL_2D": Entry(
        "no fused activation function", version=3, constraint=constraints.no_fused_activation,
    ),
    "CONCATENATION": Entry(
        "no fused activation; a constant only as zero padding", version=3,
        constraint=constraints.concatenation,
    ),
    "CONV_2D": Entry(
        "same dilation in x and y", version=5, constraint=constraints.same_dilation,
        parameters=(1, 2),
    ),
    "DEPTHWISE_CONV_2D": Entry(
        "same dilation in x and y", version=6, constraint=constraints.same_dilation,
        parameters=(1, 2),
    ),
    "EXPAND_DIMS": Entry("", version=1, runtime=13, sizes=(1,)),
    "FULLY_CONNECTED": Entry(
        "default weights format, one-dimensional output", version=9,
        constraint=constraints.fully_connected, parameters=(1, 2),
    ),
    "L2_NORMALIZATION": Entry("", version=2),
    "LOGISTIC": Entry("", version=3),
    "LSTM": replace(_LSTM, version=4),
    "MAXIMUM": Entry("", version=4),
    "MAX_POOL_2D": Entry(
        "no fused activation function", version=3, constraint=constraints.no_fused_activation,
    ),
    "MEAN": Entry(
        "no reduction in batch; in z only where z is a multiple of 4", version=3,
        constraint=constraints.mean, sizes=(1,),
    ),
    "MINIMUM": Entry("", version=4),
    "MUL": Entry("", version=5),
    "PACK": Entry("not in the batch dimension", version=3, runtime=13, constraint=constraints.pack),
    "PAD": Entry("not in the batch dimension", version=4, constraint=constraints.pad, sizes=(1,)),
    "PRELU": Entry(
        "one-dimensional alpha", version=1, runtime=13, constraint=constraints.prelu,
        parameters=(1,),
    ),
    # The table says runtime 13; compiled files that ask for 12 have it.
    "QUANTIZE": Entry(
        "from 8 bits to 8 bits", version=2, runtime=12, constraint=constraints.quantize,
    ),
    "REDUCE_MAX": Entry(
        "not in the batch dimension", version=3, runtime=14, constraint=constraints.not_batch,
        sizes=(1,),
    ),
    "REDUCE_MIN": Entry(
        "not in the batch dimension", version=3, runtime=14, constraint=constraints.not_batch,
        sizes=(1,),
    ),
    "RELU": Entry("", version=3),
    "RELU6": Entry("", version=3),
    "RELU_N1_TO_1": Entry("", version=1),
    # No constraint: the documentation gives no number for this.
    "RESHAPE": Entry(
        "certain reshapes might not be mapped for large tensors", version=1, sizes=(1,),
    ),
    "RESIZE_BILINEAR": Entry(
        "mapped depending on size", version=4,
        constraint=sizes.resize(sizes.BILINEAR_LEFT, sizes.BILINEAR_ENLARGED_LEFT), sizes=(1,),
    ),
    "RESIZE_NEAREST_NEIGHBOR": Entry(
        "mapped depending on size", version=4, constraint=sizes.resize(sizes.NEAREST_LEFT),
        sizes=(1,),
    ),
    "RSQRT": Entry("", version=2, runtime=14),
    "SLICE": Entry("", version=5, sizes=(1, 2)),
    "SOFTMAX": Entry(
        "at most 16,000 elements along the innermost dimension", version=3,
        provenance=Provenance.REPORTED, constraint=constraints.softmax,
    ),
    "SPACE_TO_DEPTH": Entry("", version=2),
    "SPLIT": Entry(
        "not in the batch dimension", version=4, provenance=Provenance.PARSED,
        constraint=constraints.split, sizes=(0,),
    ),
    "SQUARED_DIFFERENCE": Entry("", version=2, runtime=14),
    "SQUEEZE": Entry("", version=2, constraint=constraints.squeeze),
    "STRIDED_SLICE": Entry(
        "all strides 1, no ellipsis, no new axis", version=6, constraint=constraints.strided_slice,
        sizes=(1, 2, 3),
    ),
    "SUB": Entry("", version=5),
    "SUM": Entry(
        "not in the batch dimension", version=2, runtime=13, constraint=constraints.not_batch,
        sizes=(1,),
    ),
    "TANH": Entry("", version=3),
    "TILE": Entry(
        "one pixel to a map", version=2, runtime=12, provenance=Provenance.PARSED,
        constraint=sizes.tile, sizes=(1,),
    ),
    "TRANSPOSE": Entry(
        "mapped depending on size", version=5, runtime=14, provenance=Provenance.PARSED,
        constraint=sizes.transpose, sizes=(1,),
    ),
    "TRANSPOSE_CONV": Entry("", version=3, runtime=13, parameters=(1, 3), sizes=(0,)),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _LSTM,
}  # fmt: skip
