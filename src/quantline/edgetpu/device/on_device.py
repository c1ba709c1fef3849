"""Running a compiled model on Edge TPUs: its outputs, how long it takes, how far from the CPU."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quantline.child import run_in_child
from quantline.edgetpu.device.agreement import Agreement, agree, step_of
from quantline.edgetpu.device.delegate import Access, load
from quantline.edgetpu.device.detect import Kind, detect
from quantline.edgetpu.device.job import prepare
from quantline.edgetpu.device.run import DeviceLatency, DeviceRun
from quantline.edgetpu.device.work import Done, work_in_subprocess
from quantline.errors import ParameterError, QuantlineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quantline.edgetpu.device.job import Job
    from quantline.ranges import Sample

_ANY = Access()


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
        compiled: What ``edgetpu_compiler`` wrote.
        samples: As :func:`quantline.ranges.record` takes them: real values; an array of an
            input's own integer type is taken as it is stored.
        int8_model: The model that was compiled. Where it is given, it runs on the CPU, and the
            outputs are compared.
        access: Which device, library and clock.
        runs: How many invocations are timed, after all samples have run.
        timeout_s: After how many seconds the child process is ended.

    Raises:
        ModelUnsupported: The model holds nothing that was compiled for the Edge TPU.
        MismatchError: The two models do not have the same inputs and outputs.
        DataError: There are no samples, or they do not fit the model.
        DataError: A sample holds NaN or infinity.
        ParameterError: There is no such device name or clock, or no run to time.
        DependencyError: The runtime library is not there, or is another one.
        DependencyError: The library and the interpreter do not fit each other.
        DeviceError: There is no such device.
        DeviceError: This user may not open it.
        DeviceError: Another process holds it.
        DeviceError: The device stopped working; the error says at which sample.
        DependencyError: The model was compiled for a newer runtime.
    """
    result = run_on_devices(
        compiled, samples, (access.device,), int8_model,
        access=access, runs=runs, timeout_s=timeout_s,
    )[access.device]  # fmt: skip
    if isinstance(result, QuantlineError):
        raise result
    return result


def run_on_devices(
    compiled: bytes,
    samples: Iterable[Sample],
    devices: Sequence[str],
    int8_model: bytes | None = None,
    *,
    access: Access = _ANY,
    runs: int = 100,
    timeout_s: float = 600.0,
) -> dict[str, DeviceRun | QuantlineError]:
    """Run a compiled model on several devices, one after the other, so that none slows another.

    Args:
        compiled: What ``edgetpu_compiler`` wrote.
        samples: As for :func:`run_on_device`.
        devices: The devices, such as ``("usb:0", "usb:1")``.
        int8_model: The model that was compiled.
        access: Library and clock.
        runs: How many invocations are timed.
        timeout_s: After how many seconds each device is given up.

    Returns:
        For each device what it gave, or the error that says why it gave nothing.

    Raises:
        QuantlineError: As for :func:`run_on_device`, where no device is to blame.
    """
    accesses = [replace(access, device=name) for name in devices]
    for one in accesses:
        one.check()
    if runs < 1:
        raise ParameterError(
            "There is nothing to time",
            found=f"runs: {runs}",
            expected="a whole number from 1",
            remedy="Leave it at 100",
        )
    job = prepare(compiled, samples, int8_model)
    expected = None
    if int8_model is not None:
        expected = work_in_subprocess(
            int8_model, job.inputs, None, 0, "the run on the CPU", timeout_s
        )
    if sum(not name.startswith(Kind.PCIE) for name in devices) > 1:
        _give_firmware(access, timeout_s)
    results: dict[str, DeviceRun | QuantlineError] = {}
    for one in accesses:
        what = f"the run on the Edge TPU {one.device}".rstrip()
        try:
            done = work_in_subprocess(job.model, job.inputs, one, runs, what, timeout_s)
        except QuantlineError as error:
            results[one.device] = error
        else:
            results[one.device] = _result(job, one, done, expected)
    return results


def _give_firmware(access: Access, timeout_s: float) -> None:
    # The library counts the devices without firmware first, so each that gets it changes the
    # numbers of the others. The first without is 'usb:0' for as long as there is one.
    fresh = [item for item in detect() if item.kind is Kind.USB and not item.has_firmware]
    for _ in fresh:
        try:
            run_in_child(
                _open, replace(access, device="usb:0", performance=None),
                what="giving a device its firmware", timeout_s=timeout_s,
            )  # fmt: skip
        except QuantlineError:
            return  # the run itself will say why


def _open(access: Access) -> None:
    load(access)


def _result(job: Job, access: Access, done: Done, expected: Done | None) -> DeviceRun:
    main = job.graph.main
    agreements: list[Agreement | None] = [None] * len(job.outputs)
    if expected is not None:
        agreements = [
            agree(port.name, step_of(main, port.index), device, cpu)
            for port, device, cpu in zip(job.outputs, done.outputs, expected.outputs, strict=True)
        ]
    samples = len(job.inputs[0])
    return DeviceRun(
        access.device,
        access.path,
        done.version,
        done.kernels,
        expected.kernels if expected is not None else None,
        job.outputs,
        tuple(done.outputs),
        DeviceLatency.of(done.times_ms[0], done.times_ms[samples:]),
        tuple(agreements),
    )
