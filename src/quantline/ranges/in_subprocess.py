"""Recording in a child process, so that a crash of the runtime's native code becomes an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from quantline.child import run_in_child, stage
from quantline.ranges.not_finite import refuse_not_finite
from quantline.ranges.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from quantline.ranges.range_set import RangeSet
    from quantline.ranges.sample_adapter import Sample


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
