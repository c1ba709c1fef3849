"""The states of fused LSTMs, step by step, which no probe in the graph can reach.

``UNIDIRECTIONAL_SEQUENCE_LSTM`` keeps them in tensors of its own and leaves the last ones there.
What lies between is computed here from the operator's input, as its float kernel computes it
(lstm_eval.cc of TensorFlow Lite; Hochreiter and Schmidhuber 1997, with the peepholes of Gers 2000).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from quantline.errors import ModelUnsupported
from quantline.ranges.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quantline.ranges.range_set import RangeSet
    from quantline.ranges.sketch import TensorRange
    from quantline.tflite import Graph, Operator, Tensor

LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
# Places among the operator's inputs (lstm_shared.h); the gates are input, forget, cell, output.
_WEIGHTS, _RECURRENT, _PEEPHOLES, _BIASES = (1, 5), (5, 9), (9, 12), (12, 16)
_PROJECTION, _OUTPUT_STATE, _CELL_STATE, _NORMS = 16, 18, 19, (20, 24)
_TANH = 4  # schema.fbs, ActivationFunctionType


@dataclass(frozen=True)
class Cell:
    """A fused LSTM.

    Attributes:
        operator: The operator.
        state: The tensor of its cell state, of shape (1, n_cells).
        steps: Its number of steps.
        gates: Of the input, forget, cell and output gate: the weights of the input, those of the
            last output, and the bias; None for an input gate that is 1 minus the forget gate.
        peepholes: The weights of the cell state in the input, forget and output gate, or None.
    """

    operator: Operator
    state: Tensor
    steps: int
    gates: tuple[tuple[np.ndarray, np.ndarray, np.ndarray] | None, ...]
    peepholes: tuple[np.ndarray | None, ...]

    def run(self, sequence: np.ndarray) -> np.ndarray:
        """Return the cell state after each step, float32 array of shape (n_steps, n_cells).

        Args:
            sequence: The operator's input, float32 array of shape (n_steps, n_features).
        """
        from_input, from_forget, from_output = self.peepholes
        clip = float(self.operator.options.get("cellClip") or 0)
        cell = np.zeros(self.state.shape[-1], np.float32)
        output = np.zeros_like(cell)
        states = []
        for step in sequence:
            forget = _sigmoid(self._sum(1, step, output, cell, from_forget))
            given = 1 - forget
            if self.gates[0] is not None:
                given = _sigmoid(self._sum(0, step, output, cell, from_input))
            cell = forget * cell + given * np.tanh(self._sum(2, step, output, cell, None))
            if clip > 0:
                cell = np.clip(cell, -clip, clip)
            states.append(cell)
            output = _sigmoid(self._sum(3, step, output, cell, from_output)) * np.tanh(cell)
        return np.asarray(states, np.float32)

    def _sum(
        self, gate: int, step: np.ndarray, output: np.ndarray, cell: np.ndarray,
        peephole: np.ndarray | None,
    ) -> np.ndarray:  # fmt: skip
        found = self.gates[gate]
        assert found is not None  # noqa: S101 - only the input gate may be missing
        weights, recurrent, bias = found
        total = weights @ step + recurrent @ output + bias
        return np.asarray(total if peephole is None else total + peephole * cell)


class CellObserver:
    """Sees the states of every fused LSTM, sample by sample."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = cells
        self._observer = Observer(
            [cell.state for cell in cells], [cell.steps * cell.state.size for cell in cells]
        )

    def add(self, sequences: Sequence[np.ndarray]) -> None:
        """Take in what each fused LSTM reads of a sample."""
        states = [
            cell.run(sequence.reshape(cell.steps, -1))
            for cell, sequence in zip(self._cells, sequences, strict=True)
        ]
        finite = [state[np.isfinite(state)] for state in states]
        extremes = [
            [[values.min(initial=np.inf)] for values in finite],
            [[values.max(initial=-np.inf)] for values in finite],
        ]
        values = np.concatenate([state.ravel() for state in states])
        self._observer.add(np.asarray(extremes, np.float32), values[np.newaxis])

    def result(self) -> list[TensorRange]:
        """Return the range of each cell state so far."""
        return self._observer.result()


def cells_of(graph: Graph) -> list[Cell]:
    """Return the fused LSTMs of a float model.

    Raises:
        ModelUnsupported: One has parts whose ranges no tensor of the model stands for.
    """
    return [_cell(graph, operator) for operator in graph.main.operators if operator.type == LSTM]


def output_states(graph: Graph, found: Sequence[TensorRange]) -> list[TensorRange]:
    """Return the range of each fused LSTM's last output, which is one of its outputs."""
    ranges = {tensor.index: tensor for tensor in found}
    states = []
    for cell in cells_of(graph):
        state = graph.main.tensors[cell.operator.inputs[_OUTPUT_STATE]]
        seen = ranges[cell.operator.outputs[0]]
        states.append(replace(seen, index=state.index, name=state.name))
    return states


def _cell(graph: Graph, operator: Operator) -> Cell:
    tensors = graph.main.tensors
    inputs = [*operator.inputs, *[-1] * (_NORMS[1] - len(operator.inputs))]

    def weights(places: tuple[int, int]) -> list[np.ndarray | None]:
        return [None if index < 0 else tensors[index].values() for index in inputs[slice(*places)]]

    more = {"a projection": inputs[_PROJECTION] >= 0,
            "layer normalization": max(inputs[slice(*_NORMS)]) >= 0,
            "another activation than tanh":
            operator.options.get("fusedActivationFunction") != _TANH}  # fmt: skip
    if any(more.values()):
        raise ModelUnsupported(
            "The ranges of a fused LSTM of this kind cannot be recorded",
            found=f"operator {operator.index} {LSTM} with "
            f"{' and '.join(name for name, has in more.items() if has)}",
            expected="an LSTM with tanh, without projection and layer normalization",
            remedy="Write the layer out step by step in the original (unroll=True), and export it "
            "again",
        )
    gates = [
        None if weight is None or recurrent is None
        else (weight, recurrent, np.float32(0) if bias is None else bias)
        for weight, recurrent, bias in zip(
            weights(_WEIGHTS), weights(_RECURRENT), weights(_BIASES), strict=True
        )
    ]  # fmt: skip
    shape = tensors[operator.inputs[0]].shape
    time = 0 if operator.options.get("timeMajor") else 1
    state = tensors[inputs[_CELL_STATE]]
    return Cell(operator, state, shape[time], tuple(gates), tuple(weights(_PEEPHOLES)))  # type: ignore[arg-type]


def _sigmoid(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-values)))


def with_joined_ranges(ranges: RangeSet, pairs: Mapping[int, int]) -> RangeSet:
    """Return ranges in which both tensors of each pair have the union of theirs.

    With one range the two have one scale, and a caller can hand integers on as they are.
    """
    found = {tensor.index: tensor for tensor in ranges.tensors}
    for one, other in pairs.items():
        if one != other and one in found and other in found:
            first, second = found[one], found[other]
            found[one], found[other] = first.merge(second), second.merge(first)
    return replace(ranges, tensors=tuple(found[tensor.index] for tensor in ranges.tensors))
