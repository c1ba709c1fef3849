"""Recording in a child process, and the operator that first gives a value that is not finite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quantline.child import run_in_child, stage
from quantline.errors import DataError, first_few
from quantline.ranges.record import record
from quantline.ranges.sample_adapter import SampleAdapter
from quantline.tflite import Runtime, read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quantline.ranges.range_set import RangeSet
    from quantline.ranges.sample_adapter import Sample
    from quantline.tflite import Subgraph


_MOST_SAMPLES = 256  # run with every tensor readable


@dataclass(frozen=True)
class NotFinite:
    """The place at which a model first gives a value that is not finite.

    Attributes:
        samples: The positions of the samples on which it does.
        looked_at: The number of samples run.
        type: The operator's type; empty where a sample itself is not finite.
        operator: Its index in the main subgraph; -1 likewise.
        tensor: The name of the tensor that it writes.
        lowest: The least number that the operator read on the first such sample.
        largest: The largest.
    """

    samples: tuple[int, ...]
    looked_at: int
    type: str
    operator: int
    tensor: str
    lowest: float
    largest: float

    def __str__(self) -> str:
        which = first_few([str(at) for at in self.samples], 5)
        where = f"operator {self.operator} {self.type}, which writes '{self.tensor}'"
        return (
            f"{len(self.samples)} of {self.looked_at} samples ({which}); first in "
            f"{where if self.type else f'the input {self.tensor!r}'}"
            + (f" and read values from {self.lowest:.4g} to {self.largest:.4g}"
               if self.type and self.lowest <= self.largest else "")
        )  # fmt: skip


def first_not_finite(model: bytes, samples: Iterable[Sample]) -> NotFinite | None:
    """Return the place of the first value that is not finite; None without any.

    Every tensor is examined, on the built-in kernels.
    """
    graph = read(model)
    runtime = Runtime(model, 1, "builtin", keep_all=True)
    broken: list[int] = []
    first: tuple[str, int, str, float, float] | None = None
    count = 0
    for at, values in enumerate(SampleAdapter(graph, runtime.inputs).prepare(samples)):
        if at == _MOST_SAMPLES:
            break
        count += 1
        runtime.set(*values)
        runtime.invoke()
        found = _first_of(graph.main, runtime)
        if found is not None:
            broken.append(at)
            first = first or found
    return None if first is None else NotFinite(tuple(broken), count, *first)


def refuse_not_finite(model: bytes, samples: Iterable[Sample]) -> None:
    """Refuse samples on which a model gives NaN or infinite values."""
    found = first_not_finite(model, samples)
    if found is not None:
        raise DataError(
            "The model gives NaN or infinite values on the calibration set",
            found=str(found),
            expected="finite activations",
            remedy="Check the samples' scale in `transform`, and the weights; leave "
            "these samples out, or keep the operator's input within its domain, as "
            "tf.maximum(x, 1e-6) does before a logarithm or a division",
        )


def _first_of(main: Subgraph, runtime: Runtime) -> tuple[str, int, str, float, float] | None:
    for index in main.inputs:
        if not _is_finite(runtime.tensor(index)):
            return "", -1, main.tensors[index].name, 0.0, 0.0
    for operator in main.operators:
        for index in operator.outputs:
            if main.tensors[index].dtype == "float32" and not _is_finite(runtime.tensor(index)):
                read = [runtime.tensor(index).ravel() for index in operator.inputs
                        if index >= 0 and main.tensors[index].dtype == "float32"]  # fmt: skip
                values = np.concatenate([values[np.isfinite(values)] for values in read] or [[]])
                lowest = float(values.min(initial=np.inf))
                return (operator.type, operator.index, main.tensors[index].name, lowest,
                        float(values.max(initial=-np.inf)))  # fmt: skip
    return None


def _is_finite(values: np.ndarray) -> bool:
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())


def record_in_subprocess(
    model: bytes,
    samples: np.ndarray | Mapping[str, np.ndarray],
    *,
    name: str,
    samples_sha256: str | None = None,
    timeout_s: float,
    limit: str | None = None,
) -> RangeSet:
    """Record the ranges of a model in a child process, over samples that are all in memory.

    Args:
        model: A float ``.tflite`` file's bytes.
        samples: array of shape (n_samples, ...); for a model of several inputs, such an array for
            each, by name.
        name: The model's name in errors.
        samples_sha256: The hash of the samples' content, stored with the ranges.
        timeout_s: After how many seconds the child is ended.
        limit: The argument that sets ``timeout_s``, for messages; None if none does.

    Raises:
        DataError: NaN or infinite values were recorded; it names the samples and the first
            operator that gives one.
        ProcessError: The runtime died, or took too long.
        QuantlineError: As :func:`quantline.ranges.record` lists them.
    """
    return run_in_child(
        _record, model, samples, samples_sha256,
        what=f"recording the ranges of {name}", timeout_s=timeout_s, limit=limit,
    )  # fmt: skip


def _record(
    model: bytes, samples: np.ndarray | Mapping[str, np.ndarray], samples_sha256: str | None
) -> RangeSet:
    stage("running the model")
    ranges = record(model, _each(samples), samples_sha256=samples_sha256)
    if not ranges.is_finite:
        stage("looking for the first value that is not finite")
        refuse_not_finite(model, _each(samples))
    return ranges


def _each(samples: np.ndarray | Mapping[str, np.ndarray]) -> Iterable[Sample]:
    if not isinstance(samples, Mapping):
        return samples
    count = len(next(iter(samples.values())))
    return ({name: values[at] for name, values in samples.items()} for at in range(count))
