"""Latency of models on the CPU, measured interleaved so that all meet the same machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import DataError
from quantline.progress import track
from quantline.ranges.sample_adapter import SampleAdapter
from quantline.tflite import Runtime, read

if TYPE_CHECKING:
    from quantline import recipe

_PERCENTILES = (10, 50, 90)


def measure(models: Mapping[str, bytes], sample: Any, latency: recipe.Latency) -> dict[str, Any]:
    """Time single invocations of each model, one after the other in every round.

    Args:
        models: ``.tflite`` files' bytes by name.
        sample: One model input without the batch dimension, real values; for several inputs one of
            each, by name.
        latency: Runs, warm-up runs and threads.

    Returns:
        For each name ``latency_ms_p10``, ``_p50``, ``_p90`` and ``_min``, and for all but the first
        ``speed_ratio`` (how many times as fast as the first, the median of the rounds' ratios) with
        its 10th and 90th percentile as ``_low`` and ``_high``; ``runs``, ``warmup``, ``threads``
        and ``evidence``, which is ``measured``.

    Raises:
        DataError: The sample has another size than a model's input.
    """
    runtimes = {name: Runtime(model, latency.threads) for name, model in models.items()}
    for name, runtime in runtimes.items():
        if isinstance(sample, Mapping):
            adapter = SampleAdapter(read(models[name]), runtime.inputs)
            runtime.set(*next(adapter.prepare([sample])))
            continue
        port = runtime.inputs[0]
        if sample.size != prod(port.shape):
            raise DataError(
                "The model cannot be timed with this example",
                found=f"an example of shape {sample.shape}",
                expected=f"one of shape {port.shape[1:]}, as the model takes it",
                remedy="Run the pipeline with `from_nodes=draw_examples`, which draws the examples "
                "anew",
            )
        runtime.set(port.quantize(sample.reshape(port.shape)))
    times_ns: dict[str, list[int]] = {name: [] for name in models}
    rounds = latency.warmup + latency.runs
    for round_ in track(range(rounds), "latency", total=rounds):
        for name, runtime in runtimes.items():
            start = time.perf_counter_ns()
            runtime.invoke()
            taken = time.perf_counter_ns() - start
            if round_ >= latency.warmup:
                times_ns[name].append(taken)
    result: dict[str, Any] = {
        "evidence": "measured",
        "runs": latency.runs,
        "warmup": latency.warmup,
        "threads": latency.threads,
    }
    milliseconds = {name: np.array(taken) / 1e6 for name, taken in times_ns.items()}
    for name, taken_ms in milliseconds.items():
        result[name] = {
            f"latency_ms_p{percent}": float(np.percentile(taken_ms, percent))
            for percent in _PERCENTILES
        } | {"latency_ms_min": float(taken_ms.min())}
    first, *others = milliseconds
    for name in others:
        low, middle, high = np.percentile(milliseconds[first] / milliseconds[name], _PERCENTILES)
        result[name] |= {
            "speed_ratio": float(middle),
            "speed_ratio_low": float(low),
            "speed_ratio_high": float(high),
        }
    return result
