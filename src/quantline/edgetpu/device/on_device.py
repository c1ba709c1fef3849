"""Runs of a compiled model on an Edge TPU, each in a child process.

The child loads the Edge TPU's runtime library, runs every sample, then times some invocations more.
The library and the interpreter share structures of C whose layout is that of the TensorFlow Lite
they were built from. Where the two differ, the process dies or reads the wrong field.
"""

from __future__ import annotations

import ctypes
import platform
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from quantline.child import captured_output, run_in_child, stage
from quantline.edgetpu.device.detect import detect
from quantline.edgetpu.device.failures import explain, match_failure
from quantline.edgetpu.device.run import DeviceLatency, DeviceRun, compare_outputs, prepare, step_of
from quantline.errors import ModelUnsupported, ParameterError, ProcessError, first_line, suggest
from quantline.tflite import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quantline.edgetpu.device.run import Agreement, Job
    from quantline.ranges import Sample
    from quantline.tflite.runtime import Kernels


LIBRARIES = {"Linux": "libedgetpu.so.1", "Darwin": "libedgetpu.1.dylib", "Windows": "edgetpu.dll"}
_DEVICES = ("", ":0", "usb", "usb:0", "pci", "pci:0")
# At the first level the library logs why it could not open a device, and not yet each transfer.
_VERBOSE, _SILENT = 1, 0

Performance = Literal["Low", "Medium", "High", "Max"]
"""The chip's clock: 63, 125, 250 or 500 MHz."""

PERFORMANCES: tuple[Performance, ...] = get_args(Performance)


@dataclass(frozen=True)
class Access:
    """The device, the library and the clock of a run."""

    device: str = ""  # `""` for any device, PCIe first; `:1`, `usb`, `usb:0`, `pci`, `pci:0`
    library: str | None = None  # path of `libedgetpu`; by default its name, for the loader to find
    # the clock; `Max` by default, and at most `High` on USB where the library is the build `-std`.
    # Only an indexed device takes it
    performance: Performance | None = None

    @property
    def path(self) -> str:
        """The library as the loader takes it."""
        return self.library or LIBRARIES.get(platform.system(), LIBRARIES["Linux"])

    @property
    def options(self) -> dict[str, str]:
        """The options as the library takes them."""
        clock = {} if self.performance is None else {"Performance": self.performance}
        return {"device": self.device, **clock}

    def check(self) -> None:
        """Check the device's name and the clock before anything is loaded.

        Raises:
            ParameterError: The library would know no such device, or would pass over the clock.
        """
        if not re.fullmatch(r"(usb|pci)?(:\d+)?", self.device):
            raise ParameterError(
                f"'{self.device}' does not name an Edge TPU",
                found=f"'{self.device}'",
                expected="'' for any, 'usb' or 'pci', or one by its number: ':0', 'usb:0', 'pci:0'",
                remedy=suggest(self.device, _DEVICES) or "Take one of these",
            )
        if self.performance not in (None, *PERFORMANCES):
            raise ParameterError(
                "The Edge TPU has no such clock",
                found=f"performance '{self.performance}'",
                expected=", ".join(PERFORMANCES),
                remedy=suggest(str(self.performance), PERFORMANCES) or "Take one of these",
            )
        if self.performance is not None and ":" not in self.device:
            raise ParameterError(
                "The clock can only be set of a device that is named by its number",
                found=f"performance '{self.performance}' for the device '{self.device}'",
                expected="a device such as 'usb:0': for others the library ignores its options",
                remedy=f"Ask for '{self.device or 'usb'}:0'",
            )


def load(access: Access) -> tuple[Any, str | None]:
    """Load the library and open the device; to be called in a child process.

    Returns:
        The delegate, for the interpreter, and the library's version, such as
        ``BuildLabel(...), RuntimeVersion(14)``; None without one.

    Raises:
        DependencyError: The library is not there, or is another one.
        DeviceError: There is no such device, it may not be opened, or another process holds it.
    """
    from ai_edge_litert.interpreter import load_delegate

    try:
        native = ctypes.CDLL(access.path)
        _set_verbosity(native, _VERBOSE)
        delegate = load_delegate(access.path, access.options)
        _set_verbosity(native, _SILENT)
    except (OSError, ValueError, AttributeError) as error:
        raise explain(f"{error}\n{captured_output()}", detect(), access.device) from error
    return delegate, _version(native)


def _set_verbosity(library: ctypes.CDLL, level: int) -> None:
    if hasattr(library, "edgetpu_verbosity"):
        library.edgetpu_verbosity(level)


def _version(library: ctypes.CDLL) -> str | None:
    if not hasattr(library, "edgetpu_version"):
        return None
    library.edgetpu_version.restype = ctypes.c_char_p
    version: bytes = library.edgetpu_version()
    return version.decode(errors="replace")


_ANY = Access()


@dataclass(frozen=True, eq=False)
class ChildResult:
    """The results of a child process."""

    outputs: list[np.ndarray]  # each of shape (n_samples, 1, ...), as the model stores it
    times_ms: list[float]  # the duration of each invocation: one a sample, then the timed ones
    kernels: Kernels  # the kernels that computed on the CPU
    version: str | None  # the runtime library's own words about its version


def run_on_device(
    compiled: bytes,
    samples: Iterable[Sample],
    int8_model: bytes | None = None,
    *,
    access: Access = _ANY,
    runs: int = 100,
    timeout_s: float = 600.0,
) -> DeviceRun:
    """Run a compiled model on an Edge TPU, in a child process.

    Args:
        compiled: The model, as ``edgetpu_compiler`` wrote it.
        samples: As :func:`quantline.ranges.record` takes them: real values; an array of an
            input's own integer type is taken as it is stored.
        int8_model: The model that was compiled. Where it is given, it runs on the CPU, and the
            outputs are compared.
        access: Device, library and clock.
        runs: The number of invocations that are timed, after all samples have run.
        timeout_s: After how many seconds the child process is ended.

    Raises:
        ModelUnsupported: The model holds nothing that was compiled for the Edge TPU.
        MismatchError: The two models do not have the same inputs and outputs.
        DataError: There are no samples, they do not fit the model, or one holds NaN or infinity.
        ParameterError: There is no such device name or clock, or no run to time.
        DependencyError: The runtime library is not there, is another one, does not fit the
            interpreter, or is older than the model was compiled for.
        DeviceError: There is no such device, this user may not open it, another process holds it,
            or it stopped working; the error says at which sample.
    """
    access.check()
    if runs < 1:
        raise ParameterError(
            "There is nothing to time",
            found=f"`runs={runs}`",
            expected="a whole number from 1",
            remedy="Leave it at 100",
        )
    job = prepare(compiled, samples, int8_model)
    expected = None
    if int8_model is not None:
        cpu = "the run on the CPU"
        expected = run_in_subprocess(int8_model, job.inputs, None, 0, cpu, timeout_s)
    what = f"the run on the Edge TPU {access.device}".rstrip()
    result = run_in_subprocess(job.model, job.inputs, access, runs, what, timeout_s)
    return _device_run(job, access, result, expected)


def _device_run(
    job: Job, access: Access, result: ChildResult, expected: ChildResult | None
) -> DeviceRun:
    main = job.graph.main
    agreements: list[Agreement | None] = [None] * len(job.outputs)
    if expected is not None:
        outputs = zip(job.outputs, result.outputs, expected.outputs, strict=True)
        agreements = [
            compare_outputs(output.name, step_of(main, output.index), device, cpu)
            for output, device, cpu in outputs
        ]
    samples = len(job.inputs[0])
    return DeviceRun(
        access.device,
        access.path,
        result.version,
        result.kernels,
        expected.kernels if expected is not None else None,
        job.outputs,
        tuple(result.outputs),
        DeviceLatency.of(result.times_ms[0], result.times_ms[samples:]),
        tuple(agreements),
    )


def run_in_subprocess(
    model: bytes,
    inputs: Sequence[np.ndarray],
    access: Access | None,
    runs: int,
    what: str,
    timeout_s: float,
) -> ChildResult:
    """Run a model in a child process, on a device or, without access to one, on the CPU.

    The inputs are arrays of shape (n_samples, ...), as the model stores them; ``runs`` invocations
    are timed after them.

    Raises:
        QuantlineError: A known failure of devices, or as for :class:`Runtime`.
        ProcessError: The child process died of another cause.
    """
    try:
        return run_in_child(_work, model, inputs, access, runs, what=what, timeout_s=timeout_s)
    except ProcessError as crash:
        raise (match_failure(crash.found) or crash if access is not None else crash) from crash


def _work(
    model: bytes, inputs: Sequence[np.ndarray], access: Access | None, runs: int
) -> ChildResult:
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
        runtime.set(*(samples[index] for samples in inputs))
        times_ms.append(_invoke(runtime, f"at sample {index + 1} of {count}"))
        rows.append(runtime.get())
    stage(f"{runs} timed runs after all {count} samples")
    times_ms += [_invoke(runtime, "after all samples") for _ in range(runs)]
    outputs = [np.stack(group) for group in zip(*rows, strict=True)]
    return ChildResult(outputs, times_ms, kernels, version)


def _runtime(model: bytes, delegates: Sequence[Any]) -> tuple[Runtime, Kernels]:
    try:
        return Runtime(model, delegates=delegates), "xnnpack"
    except ModelUnsupported as error:
        failure = match_failure(error.found) if delegates else None
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
        text = f"{first_line(error)} {where}"
        raise match_failure(text) or ModelUnsupported(
            "The model cannot be run",
            found=text,
            expected="a model that runs on every sample",
            remedy="Run it on the CPU first, to see whether the device is at fault",
        ) from error
    return (time.perf_counter_ns() - start) / 1e6
