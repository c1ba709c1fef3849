"""The loss of a quantized model's outputs against the float model's on samples, without labels.

Each output is judged by what it is. Behind a softmax there are classes: the loss is the
Kullback-Leibler divergence of the softmax from float to quantized. Of an output of shape (1, n)
that nothing squashes it is not known whether its values are logits: where the largest changes from
sample to sample they may be, and it is judged both as classes and as values. Other real values are
judged channel by channel (last axis), each weighing alike whatever its size, integers by equality.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.quantization.output_parts import run, run_each
from quantline.tflite import CONVERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quantline.ranges import Values
    from quantline.tflite import Graph, Model

CLASSES, VALUES, EQUAL = "classes", "values", "equal"
_SHAPING = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS"}
_SOFTMAX = {"SOFTMAX", "LOG_SOFTMAX"}
_SQUASHING = {"LOGISTIC", "TANH"}
_RANK_OF_LOGITS = 2
_ROUNDING = 1e-12  # of a divergence, from logits in float32
_LOST = 1e9  # the loss of values that are not finite
# A divergence in nats. Half of it is the square of the most by which the probability of any set of
# classes can differ (Pinsker's inequality): on average 2 points, of which decisions show a part.
_LITTLE = 1e-3


@dataclass(frozen=True)
class Losses:
    """The losses of a quantized model on samples.

    Attributes:
        outputs: An entry an output: its loss by each way of judging it, arrays of shape
            (n_samples,), 0 or more.
        agreement: For outputs that are or may be classes, the share of an output's places where
            both models have the same largest one; arrays of shape (n_samples,).
    """

    outputs: tuple[dict[str, np.ndarray], ...]
    agreement: tuple[np.ndarray, ...]

    def mean(self, kind: str) -> float | None:
        """Return the mean loss of the outputs that are judged in this way; None without any."""
        found = [float(output[kind].mean()) for output in self.outputs if kind in output]
        return float(np.mean(found)) if found else None

    @property
    def is_little(self) -> bool:
        """True where outputs are classes and lose too little for a gain to show in decisions."""
        return all(
            set(output) == {CLASSES} and float(output[CLASSES].mean()) < _LITTLE
            for output in self.outputs
        )

    @property
    def mean_agreement(self) -> float | None:
        """The share of samples whose largest class is the same; None without classes."""
        return float(np.mean(self.agreement)) if self.agreement else None


@dataclass(frozen=True)
class _Place:
    """The place at which an output is read: a tensor, and what squashes it afterwards."""

    tensor: int
    squashed_by: str | None


class Judge:
    """The float model's outputs on samples, to compare quantized models with."""

    def __init__(self, model: Model, quantized: Model, samples: Sequence[Values]) -> None:
        graph, other = model.graph, quantized.graph
        self._samples = samples
        self._before = [
            _pair(graph, other, at)[0] for at in range(len(graph.main.outputs))
        ]  # fmt: skip
        ran = run(model.content, [place.tensor for place in self._before], samples)
        self._expected = [
            _squash(want, place) for want, place in zip(ran, self._before, strict=True)
        ]
        self.kinds = tuple(
            _kinds(want, place, graph.main.tensors[place.tensor].dtype)
            for want, place in zip(self._expected, self._before, strict=True)
        )
        self._variances = [
            np.var(want, axis=tuple(range(want.ndim - 1)), dtype=np.float64)
            if VALUES in kinds else np.zeros(0)
            for want, kinds in zip(self._expected, self.kinds, strict=True)
        ]  # fmt: skip
        self._graph = graph

    def losses(self, quantized: Model) -> Losses:
        """Return a quantized model's losses on the samples."""
        after = [_pair(self._graph, quantized.graph, at)[1] for at in range(len(self._before))]
        rows: list[list[dict[str, float]]] = [[] for _ in after]
        for at, values in enumerate(
            run_each(quantized.content, [place.tensor for place in after], self._samples)
        ):
            for output, (value, place) in enumerate(zip(values, after, strict=True)):
                want = self._expected[output][at]
                have = _squash(value, place).reshape(want.shape)
                row = {
                    kind: _LOSSES[kind](want, have, self._variances[output])
                    for kind in self.kinds[output]
                }
                row = {kind: loss if np.isfinite(loss) else _LOST for kind, loss in row.items()}
                if CLASSES in row:
                    row["agreement"] = float(np.mean(want.argmax(-1) == have.argmax(-1)))
                rows[output].append(row)
        columns = [
            {key: np.array([row[key] for row in output]) for key in output[0]} for output in rows
        ]
        agreement = tuple(column.pop("agreement") for column in columns if "agreement" in column)
        return Losses(tuple(columns), agreement)


def _pair(before: Graph, after: Graph, at: int) -> tuple[_Place, _Place]:
    """Return the place of one output in both models: before what squashes it, if both have it."""
    places = _place(before, before.main.outputs[at]), _place(after, after.main.outputs[at])
    sizes = {graph.main.tensors[place.tensor].size
             for graph, place in zip((before, after), places, strict=True)}  # fmt: skip
    if places[0].squashed_by == places[1].squashed_by and len(sizes) == 1:
        return places
    return _Place(before.main.outputs[at], None), _Place(after.main.outputs[at], None)


def _place(graph: Graph, output: int) -> _Place:
    producers = graph.main.producers
    index = output
    while index in producers and producers[index].type in CONVERSIONS | _SHAPING:
        index = producers[index].inputs[0]
    kind = producers[index].type if index in producers else None
    if kind in _SOFTMAX | _SQUASHING:
        return _Place(producers[index].inputs[0], kind)
    index = output
    while index in producers and producers[index].type in CONVERSIONS:
        index = producers[index].inputs[0]
    return _Place(index, None)


def _squash(values: np.ndarray, place: _Place) -> np.ndarray:
    """Return real values as the output has them, but not rounded; logits as they are."""
    if place.squashed_by == "LOGISTIC":
        return np.asarray(0.5 * (1 + np.tanh(values.astype(np.float64) / 2)))
    if place.squashed_by == "TANH":
        return np.asarray(np.tanh(values.astype(np.float64)))
    return values if values.ndim else values.reshape(1)


def _kinds(want: np.ndarray, place: _Place, dtype: str) -> tuple[str, ...]:
    """Return the ways in which an output is judged, from its values on samples."""
    if dtype != "float32":
        return (EQUAL,)
    if place.squashed_by in _SOFTMAX:
        return (CLASSES,)
    is_row = want.ndim == 1 + _RANK_OF_LOGITS and want.shape[1] == 1 and want.shape[-1] > 1
    if is_row and place.squashed_by is None and len(np.unique(want.argmax(-1))) > 1:
        return (CLASSES, VALUES)
    return (VALUES,)


def _divergence(want: np.ndarray, have: np.ndarray, _: np.ndarray) -> float:
    """Return the mean over places of sum p log(p / q) over the last axis, in nats."""
    before, after = _log_softmax(want), _log_softmax(have)
    found = float(np.mean(np.sum(np.exp(before) * (before - after), axis=-1)))
    return found if found > _ROUNDING else 0.0


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True)))


def _noise_share(want: np.ndarray, have: np.ndarray, variances: np.ndarray) -> float:
    """Return the mean over channels of noise / (noise + variance).

    It is the noise-to-signal ratio where that is small, and at most 1: a channel that hardly varies
    is all noise for any integer, and counts no more than another.
    """
    squares = np.square(have.astype(np.float64) - want)
    noise = squares.reshape(-1, squares.shape[-1]).mean(axis=0)
    return float(np.mean(np.divide(noise, noise + variances, where=noise > 0, out=0 * noise)))


def _unequal(want: np.ndarray, have: np.ndarray, _: np.ndarray) -> float:
    return float(np.mean(want != have))


_LOSSES: dict[str, Callable[[Any, Any, Any], float]] = {
    CLASSES: _divergence, VALUES: _noise_share, EQUAL: _unequal,
}  # fmt: skip
