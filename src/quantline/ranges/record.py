"""Recording the ranges of a float model's activations over samples."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from importlib.metadata import version
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np

from quantline.errors import DataError, ModelUnsupported
from quantline.files import sha256
from quantline.ranges.cell_states import CellObserver, cells_of, output_states
from quantline.ranges.observer import Observer
from quantline.ranges.probe import probe
from quantline.ranges.range_set import RangeSet
from quantline.ranges.recordable import activations, floored
from quantline.ranges.sample_adapter import Sample, SampleAdapter, Values
from quantline.tflite import Runtime, Tensor, read, with_outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from quantline.ranges.cell_states import Cell
    from quantline.ranges.probe import Probed
    from quantline.ranges.sketch import TensorRange

_MOST_WORKERS = 8
_BATCH_VALUES = 1 << 20  # activations of a batch stay within a core's share of the caches
_MOST_BATCH = 32
SKETCH_VALUES = 1024


def record(
    model: bytes,
    samples: Iterable[Sample],
    *,
    samples_sha256: str | None = None,
    threads: int | None = None,
    sketch_values: int | None = SKETCH_VALUES,
) -> RangeSet:
    """Record the range and the distribution of every float activation over samples.

    XNNPACK runs the model at full speed with probes in it that reduce each activation on the spot.
    Each core runs a copy over samples of its own; small models run in batches where that gives the
    same numbers to the last bit. Memory does not grow with the number of samples, and neither
    their order nor the number of threads makes a difference.

    Args:
        model: A float ``.tflite`` file's bytes.
        samples: For a model of one input, arrays of its shape, with or without the batch of 1;
            for others, mappings from the inputs' names to such arrays. Real values.
        samples_sha256: The hash of the samples' content, stored with the ranges.
        threads: CPU threads; all cores by default.
        sketch_values: About how many values of each tensor enter its sketch from a sample, see
            :func:`quantline.ranges.probe.probe`; None: all of them. A share p of m values is then
            known to within about sqrt(p (1 - p) / m).

    Raises:
        ModelUnsupported: The model has control flow, resource variables, several signatures, state,
            sizes that are not known, or no float activation.
        DataError: There are no samples.
        DataError: A sample has another shape than the input, or lacks one.
    """
    with ThreadPoolExecutor(1) as hashing:  # in parallel with the preparation
        digest = hashing.submit(sha256, model)
        graph = read(model)
        tensors = activations(graph)
        cores = threads or os.cpu_count() or 1
        workers = min(cores, _MOST_WORKERS)
        cells = cells_of(graph)
        probed = probe(model, tensors, sketch_values, floored(graph))
        complete = cache(partial(probe, model, tensors, sketch_values))
        whole = partial(with_outputs, model, [tensor.index for tensor in tensors])
        sequences = with_outputs(model, [cell.operator.inputs[0] for cell in cells])
        recorders = [
            _Recorder(probed, complete, whole, tensors, cores // workers, cells, sequences)
            for _ in range(workers)
        ]
    feed = SampleAdapter(graph, recorders[0].runtime.inputs)
    found = _run(recorders, feed, samples, 1 if cells else _batch_size(tensors))
    found = sorted([*found, *output_states(graph, found)], key=lambda tensor: tensor.index)
    versions = {name: version(name) for name in ("ai-edge-litert", "numpy", "quantline")}
    hashes = () if samples_sha256 is None else (samples_sha256,)
    return RangeSet(tuple(found), feed.count, digest.result(), hashes, versions)


class _Recorder:
    """One copy of the model, with the statistics of its samples."""

    def __init__(
        self,
        probed: Probed,
        complete: Callable[[], Probed],
        whole: Callable[[], bytes],
        tensors: list[Tensor],
        threads: int,
        cells: list[Cell],
        sequences: bytes,
    ) -> None:
        self.observer = Observer(tensors, probed.widths)
        self.cells = CellObserver(cells) if cells else None
        self._sequences = Runtime(sequences, threads) if cells else None
        self._probed, self._complete = probed, complete
        self._whole, self._threads = whole, threads
        self.runtime = Runtime(probed.content, threads)

    def run(self, batch: list[Values], size: int) -> None:
        """Run samples as one batch of a fixed size, the last of them repeated to fill it."""
        filled = [*batch, *[batch[-1]] * (size - len(batch))]
        numbers, values = self._invoke(filled)
        picked = values[: len(batch), self._probed.picks]
        tensors, minima = len(self._probed.widths), self._probed.minima
        high, sums = numbers[len(minima) :, : len(batch)].reshape(2, tensors, -1)
        low = np.empty_like(high)
        low[minima] = numbers[: len(minima), : len(batch)]
        for tensor, span in self._probed.floored.items():
            low[tensor] = np.minimum.reduce(picked[:, span], axis=1)
            if (low[tensor] > 0).any():
                # No picked value is at the floor, so the minimum needs a probe after all.
                self._probed = self._complete()
                self.runtime = Runtime(self._probed.content, self._threads)
                self.run(batch, size)
                return
        both = np.stack([low, high])
        # NaN and infinities survive a sum, where minimum and maximum may pass a NaN over.
        for at in np.flatnonzero(~np.isfinite(sums).all(axis=0)).tolist():
            both[..., at] = self._count_not_finite(batch[at])
        self.observer.add(both, picked)
        if self.cells is not None and self._sequences is not None:
            for sample in batch:
                self._sequences.set(*sample)
                self._sequences.invoke()
                self.cells.add(self._sequences.get())

    def can_batch(self, batch: list[Values]) -> bool:
        """Return True if these samples in one batch give the same numbers as each alone."""
        alone = [[output.copy() for output in self._invoke([sample])] for sample in batch]
        try:
            together = self._invoke(batch)
        except (ModelUnsupported, RuntimeError, ValueError):
            # An operator with a stored shape refuses: this copy is spoiled, a new one takes over.
            self.runtime = Runtime(self._probed.content, self._threads)
            return False
        numbers, values = zip(*alone, strict=True)
        return np.array_equal(np.concatenate(numbers, axis=1), together[0]) and np.array_equal(
            np.concatenate(values), together[1]
        )

    def _invoke(self, batch: list[Values]) -> tuple[np.ndarray, np.ndarray]:
        """Return the probes' outputs, of shapes (n_numbers, n_batch) and (n_batch, n_values)."""
        given = batch[0]
        if len(batch) > 1:
            given = tuple(np.concatenate(group) for group in zip(*batch, strict=True))
        shapes = tuple(value.shape for value in given)
        if shapes != tuple(port.shape for port in self.runtime.inputs):
            self.runtime.resize(*shapes)
        self.runtime.set(*given)
        self.runtime.invoke()
        numbers, values = self.runtime.views()
        return numbers.reshape(-1, len(batch)), values

    def _count_not_finite(self, sample: Values) -> tuple[list[float], list[float]]:
        """Count the values of every tensor that are not finite; return the extremes of the rest."""
        runtime = Runtime(self._whole(), self._threads)
        runtime.set(*sample)
        runtime.invoke()
        tensors = runtime.get()
        self.observer.add_not_finite(
            [int(np.isnan(tensor).sum()) for tensor in tensors],
            [int(np.isinf(tensor).sum()) for tensor in tensors],
        )
        finite = [tensor[np.isfinite(tensor)] for tensor in tensors]
        return (
            [float(values.min(initial=np.inf)) for values in finite],
            [float(values.max(initial=-np.inf)) for values in finite],
        )


def _run(
    recorders: list[_Recorder], feed: SampleAdapter, samples: Iterable[Sample], most: int
) -> list[TensorRange]:
    prepared = feed.prepare(samples)
    first = list(islice(prepared, most))
    if not first:
        raise DataError(
            "There is nothing to record ranges from",
            found="0 samples",
            expected="at least one; about 100 suffice",
            remedy="Give about 100 samples: see `calibration_examples`",
        )
    same_shapes = len({tuple(value.shape for value in sample) for sample in first}) == 1
    batched = len(first) == most > 1 and same_shapes and recorders[0].can_batch(first)
    size = most if batched else 1
    free: SimpleQueue[_Recorder] = SimpleQueue()
    for recorder in recorders:
        free.put(recorder)
    running: set[Future[None]] = set()

    def work(recorder: _Recorder, batch: list[Values]) -> None:
        try:
            recorder.run(batch, size)
        finally:
            free.put(recorder)

    with ThreadPoolExecutor(len(recorders)) as pool:
        waiting = [*first]
        while waiting or (waiting := list(islice(prepared, size))):
            batch, waiting = waiting[:size], waiting[size:]
            running.add(pool.submit(work, free.get(), batch))
            for done in [future for future in running if future.done()]:
                running.remove(done)
                done.result()
        for done in running:
            done.result()
    seen = [
        [
            *recorder.observer.result(),
            *(recorder.cells.result() if recorder.cells is not None else []),
        ]
        for recorder in recorders
    ]
    merged = seen[0]
    for ranges in seen[1:]:
        merged = [a.merge(b) for a, b in zip(merged, ranges, strict=True)]
    return merged


def _batch_size(tensors: list[Tensor]) -> int:
    values = sum(tensor.size for tensor in tensors)
    return max(1, min(_MOST_BATCH, _BATCH_VALUES // max(values, 1)))
