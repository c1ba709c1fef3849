"""The operators that the Edge TPU compiler knows: Coral's documented table, as data.

Sources: https://coral.ai/docs/edgetpu/models-intro/#supported-operations for the operators;
compiled models where they say more; for the newest versions, the operator versions that
TensorFlow's ``runtime_version.cc`` dates to 2.6 or earlier. :mod:`.rules` has their limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantline.edgetpu.mapping.rules import LIMITS, limitation
from quantline.edgetpu.vocabulary import Provenance, at, axes
from quantline.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.tflite.graph import Operator, Subgraph, Tensor

OLDEST_RUNTIME = 10
NEWEST_RUNTIME = 14


@dataclass(frozen=True)
class Entry:
    """One row of the table."""

    version: int  # the newest operator version in the TensorFlow Lite of the compiler
    runtime: int = OLDEST_RUNTIME  # the first Edge TPU runtime version that has the operator
    parameters: tuple[int, ...] = ()  # positions of inputs that must be constants: weights, biases
    sizes: tuple[int, ...] = ()  # of inputs that set the output's shape, static if constant
    provenance: Provenance = Provenance.DOCUMENTED  # the source that says that it is mapped
    note: str = ""  # a limitation that no function judges


_LSTM_PARAMETERS = (*range(1, 18), *range(20, 24))

TABLE: dict[str, Entry] = {
    "ADD": Entry(4),
    "AVERAGE_POOL_2D": Entry(3),
    "CONCATENATION": Entry(3),
    "CONV_2D": Entry(5, parameters=(1, 2)),
    "DEPTHWISE_CONV_2D": Entry(6, parameters=(1, 2)),
    "EXPAND_DIMS": Entry(1, 13, sizes=(1,)),
    "FULLY_CONNECTED": Entry(9, parameters=(1, 2)),
    "L2_NORMALIZATION": Entry(2),
    "LOGISTIC": Entry(3),
    # The table says runtime 14; a compiled file that asks for 12 has it.
    "LSTM": Entry(4, 12, _LSTM_PARAMETERS, note="unidirectional only"),
    "MAXIMUM": Entry(4),
    "MAX_POOL_2D": Entry(3),
    "MEAN": Entry(3, sizes=(1,)),
    "MINIMUM": Entry(4),
    "MUL": Entry(5),
    "PACK": Entry(3, 13),
    "PAD": Entry(4, sizes=(1,)),
    "PRELU": Entry(1, 13, parameters=(1,)),
    # The table says runtime 13; compiled files that ask for 12 have it.
    "QUANTIZE": Entry(2, 12),
    "REDUCE_MAX": Entry(3, 14, sizes=(1,)),
    "REDUCE_MIN": Entry(3, 14, sizes=(1,)),
    "RELU": Entry(3),
    "RELU6": Entry(3),
    "RELU_N1_TO_1": Entry(1),
    # The documentation gives no number for this.
    "RESHAPE": Entry(1, sizes=(1,), note="certain reshapes might not be mapped for large tensors"),
    "RESIZE_BILINEAR": Entry(4, sizes=(1,)),
    "RESIZE_NEAREST_NEIGHBOR": Entry(4, sizes=(1,)),
    "RSQRT": Entry(2, 14),
    "SLICE": Entry(5, sizes=(1, 2)),
    "SOFTMAX": Entry(3, provenance=Provenance.REPORTED),
    "SPACE_TO_DEPTH": Entry(2),
    "SPLIT": Entry(4, sizes=(0,), provenance=Provenance.PARSED),
    "SQUARED_DIFFERENCE": Entry(2, 14),
    "SQUEEZE": Entry(2),
    "STRIDED_SLICE": Entry(6, sizes=(1, 2, 3)),
    "SUB": Entry(5),
    "SUM": Entry(2, 13, sizes=(1,)),
    "TANH": Entry(3),
    "TILE": Entry(2, 12, sizes=(1,), provenance=Provenance.PARSED),
    "TRANSPOSE": Entry(5, 14, sizes=(1,), provenance=Provenance.PARSED),
    "TRANSPOSE_CONV": Entry(3, 13, parameters=(1, 3), sizes=(0,)),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Entry(3, 12, _LSTM_PARAMETERS, note="unidirectional only"),
}


def check_runtime(version: int, found: str, remedy: str) -> None:
    """Refuse an Edge TPU runtime version that there is not.

    Raises:
        ParameterError: There is no such version.
    """
    if not OLDEST_RUNTIME <= version <= NEWEST_RUNTIME:
        raise ParameterError(
            "There is no such Edge TPU runtime version",
            found=found,
            expected=f"a whole number from {OLDEST_RUNTIME} to {NEWEST_RUNTIME}",
            remedy=f"{remedy}, unless the device has an older runtime",
        )


def limitation_of(kind: str) -> str:
    """Return the limitation of an operator of the table, in words."""
    return limitation(kind) if kind in LIMITS else TABLE[kind].note or "no limitation"


@dataclass(frozen=True)
class Site:
    """An operator in its subgraph, and the Edge TPU runtime version that it is compiled for."""

    operator: Operator
    subgraph: Subgraph
    runtime_version: int

    @property
    def entry(self) -> Entry | None:
        """The operator's row of the table; None where it has none."""
        return None if self.operator.is_custom else TABLE.get(self.operator.type)

    @property
    def tensors(self) -> Sequence[Tensor]:
        """All tensors of the subgraph."""
        return self.subgraph.tensors

    @property
    def source(self) -> Tensor:
        """The operator's first input."""
        return self.tensors[self.operator.inputs[0]]

    @property
    def result(self) -> Tensor:
        """The operator's first output."""
        return self.tensors[self.operator.outputs[0]]

    def input(self, position: int) -> Tensor | None:
        """Return the operator's input at a position, or None where it is absent."""
        return at(self.operator, position, self.tensors)

    def axes(self, position: int) -> tuple[int, ...]:
        """Return the axes of the first input that a constant input names, counted from 0."""
        return axes(self.input(position), len(self.source.shape))
