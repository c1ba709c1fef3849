"""What the child process does: runs every sample, then times some invocations."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.child import run_in_child, stage
from quantline.edgetpu.device.delegate import load
from quantline.edgetpu.device.failures import known
from quantline.errors import ModelUnsupported, ProcessError, first_line
from quantline.tflite import Runtime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.edgetpu.device.delegate import Access
    from quantline.errors import QuantlineError
    from quantline.tflite.runtime import Kernels


@dataclass(frozen=True, eq=False)
class Done:
    """What a child process gave.

    Attributes:
        outputs: For each output, array of shape (n_samples, 1, ...), as the model stores it.
        times_ms: How long each invocation took: one a sample, then the timed ones.
        kernels: Who computed on the CPU.
        version: What the runtime library says of its version.
    """

    outputs: list[np.ndarray]
    times_ms: list[float]
    kernels: Kernels
    version: str | None


def work_in_subprocess(
    model: bytes,
    inputs: Sequence[np.ndarray],
    access: Access | None,
    runs: int,
    what: str,
    timeout_s: float,
) -> Done:
    """Run a model in a child process, on a device or on the CPU.

    Args:
        model: A ``.tflite`` file's bytes, known to be readable.
        inputs: For each input, array of shape (n_samples, ...), as the model stores it.
        access: The device; None for the CPU alone.
        runs: How many invocations follow the samples.
        what: What this is, for messages.
        timeout_s: After how many seconds the child is ended.

    Raises:
        QuantlineError: What is known to go wrong with devices, or as for :class:`Runtime`.
        ProcessError: The child process died in a way that is not known.
    """
    try:
        return run_in_child(_work, model, inputs, access, runs, what=what, timeout_s=timeout_s)
    except ProcessError as crash:
        raise (known(crash.found) or crash if access is not None else crash) from crash


def _work(model: bytes, inputs: Sequence[np.ndarray], access: Access | None, runs: int) -> Done:
    delegates, version = [], None
    if access is not None:
        stage("loading the runtime library")
        delegate, version = load(access)
        delegates.append(delegate)
    stage("preparing the model")
    runtime, kernels = _runtime(model, delegates)
    count = len(inputs[0])
    rows, times_ms = [], []
    for index in range(count):
        stage(f"sample {index + 1} of {count}")
        runtime.reset()
        runtime.set(*(model_input[index] for model_input in inputs))
        times_ms.append(_invoke(runtime, f"at sample {index + 1} of {count}"))
        rows.append(runtime.get())
    stage(f"{runs} timed runs after all {count} samples")
    times_ms += [_invoke(runtime, "after all samples") for _ in range(runs)]
    outputs = [np.stack(group) for group in zip(*rows, strict=True)]
    return Done(outputs, times_ms, kernels, version)


def _runtime(model: bytes, delegates: Sequence[Any]) -> tuple[Runtime, Kernels]:
    try:
        return Runtime(model, delegates=delegates), "xnnpack"
    except ModelUnsupported as error:
        failure = known(error.found) if delegates else None
        if failure is not None:
            raise failure from error
    # XNNPACK of LiteRT 2.3 takes RESIZE_BILINEAR operators that it then cannot prepare, and with
    # them the whole model fails.
    return Runtime(model, kernels="builtin", delegates=delegates), "builtin"


def _invoke(runtime: Runtime, where: str) -> float:
    start = time.perf_counter_ns()
    try:
        runtime.invoke()
    except RuntimeError as error:
        raise _explained(error, where) from error
    return (time.perf_counter_ns() - start) / 1e6


def _explained(error: RuntimeError, where: str) -> QuantlineError:
    said = f"{first_line(error)} {where}"
    return known(said) or ModelUnsupported(
        "The model cannot be run",
        found=said,
        expected="a model that runs on every sample",
        remedy="Run it on the CPU first, to see whether the device is at fault",
    )
