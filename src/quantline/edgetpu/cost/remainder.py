"""The operators that stay on the CPU: cut out of the model, and timed here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.child import run_in_child
from quantline.edgetpu.vocabulary import Evidence
from quantline.errors import ModelUnsupported, QuantlineError
from quantline.tflite.edit import extract
from quantline.tflite.graph import Graph, read
from quantline.tflite.runtime import Kernels, Runtime

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from quantline.tflite.tensor_io import TensorIO

_FEWEST_RUNS, _MOST_RUNS, _ENOUGH_S = 10, 100, 0.5
_WARM_UP = 2
_TIMEOUT_S = 120.0
_THREADS = 1
_PERCENTILES = (10, 50, 90)


@dataclass(frozen=True)
class Remainder:
    """The latency of the operators on the CPU for one inference."""

    operators: int
    milliseconds: tuple[float, float, float] | None  # 10th, 50th, 90th percentile, if timed
    kernels: Kernels | None  # the kernels that they were timed on; None where they were not
    threads: int  # CPU threads that they were timed on
    runs: int  # the number of timed runs
    basis: str  # the basis of the numbers, or the reason why there are none, as a sentence

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        low, median, high = self.milliseconds or (None, None, None)
        return {
            "basis": self.basis,
            "cpu_ms": median,
            "cpu_ms_p10": low,
            "cpu_ms_p90": high,
            "evidence": str(Evidence.MEASURED) if self.runs else None,
            "kernels": self.kernels,
            "operators": self.operators,
            "runs": self.runs,
            "threads": self.threads,
        }


def measure_remainder(model: bytes, operators: Collection[int]) -> Remainder:
    """Time the operators that stay on the CPU, in a model of their own in a child process.

    Their inputs are random: 8-bit values and reals over the range of the tensor, other numbers 0,
    since they may be indices.

    Args:
        model: The ``.tflite`` file's bytes, before or after compilation.
        operators: Indices of the operators that stay on the CPU.
    """
    if not operators:
        nothing = "Nothing stays on the CPU."
        return Remainder(0, (0.0, 0.0, 0.0), None, threads=_THREADS, runs=0, basis=nothing)
    what = "the timing of the operators on the CPU"
    try:
        part = extract(model, operators)
        kernels, times = run_in_child(time_runs, part, what=what, timeout_s=_TIMEOUT_S)
    except QuantlineError as error:
        return not_measured(operators, f"{error.what}: {error.found}")
    low, median, high = (float(value) for value in np.percentile(times, _PERCENTILES))
    return Remainder(
        operators=len(operators),
        milliseconds=(low, median, high),
        kernels=kernels,
        threads=_THREADS,
        runs=len(times),
        basis="Timed on the CPU of the machine that made this report, on random inputs; another "
        "host takes another time.",
    )


def not_measured(operators: Collection[int], reason: str) -> Remainder:
    """Return a remainder that was not timed, with the reason."""
    basis = f"Not timed. {' '.join(reason.split())}"
    return Remainder(len(operators), None, None, threads=_THREADS, runs=0, basis=basis)


def time_runs(model: bytes) -> tuple[Kernels, list[float]]:
    """Time some runs of a model in a child process; return the kernels and the times, ms."""
    runtime, kernels = _load(model)
    runtime.set(*_random(read(model), runtime.inputs))
    for _ in range(_WARM_UP):
        runtime.invoke()
    times: list[float] = []
    end = time.perf_counter() + _ENOUGH_S
    while len(times) < _FEWEST_RUNS or (len(times) < _MOST_RUNS and time.perf_counter() < end):
        start = time.perf_counter_ns()
        runtime.invoke()
        times.append((time.perf_counter_ns() - start) / 1e6)
    return kernels, times


def _load(model: bytes) -> tuple[Runtime, Kernels]:
    # XNNPACK refuses a whole model for some operators, such as a resize of a single pixel.
    try:
        return Runtime(model, _THREADS), "xnnpack"
    except ModelUnsupported:
        return Runtime(model, _THREADS, "builtin"), "builtin"


def _random(graph: Graph, ports: Sequence[TensorIO]) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    values = []
    for port in ports:
        if port.dtype in (np.int8, np.uint8):
            limits = np.iinfo(port.dtype)
            ends = (limits.min, limits.max)
            drawn = generator.integers(*ends, port.shape, port.dtype, endpoint=True)
        elif np.issubdtype(port.dtype, np.floating):
            drawn = generator.uniform(*_range(graph, port.index), port.shape).astype(port.dtype)
        else:
            drawn = np.zeros(port.shape, port.dtype)
        values.append(drawn)
    return values


def _range(graph: Graph, tensor: int) -> tuple[float, float]:
    # A real input is quantized by the first operator that reads it, which tells its range.
    for operator in graph.main.operators:
        if operator.type == "QUANTIZE" and tensor in operator.inputs:
            result = graph.main.tensors[operator.outputs[0]]
            if result.quantization is not None and result.dtype in ("int8", "uint8"):
                limits = np.iinfo(result.dtype)
                scale, point = result.quantization.scales[0], result.quantization.zero_points[0]
                return (limits.min - point) * scale, (limits.max - point) * scale
    return 0.0, 1.0
