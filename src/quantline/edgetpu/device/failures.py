"""The known failures of a run on an Edge TPU, each with its remedy.

``libedgetpu`` gives no reason when it cannot open a device: a null pointer comes back, and the
reason is in its log at best. So the words of the log, of the exception and of a crash are looked up
in a table, and where they decide nothing, what the system tells of the devices does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quantline.edgetpu.device.detect import Device, can_detect
from quantline.edgetpu.vocabulary import Failure
from quantline.errors import DependencyError, DeviceError, first_few

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.errors import QuantlineError


_INSTALL = (
    "Install a build of libedgetpu for your system and give its path as `library` if it is not on "
    "the loader's path: Google's package libedgetpu1-std 16.0 fits TensorFlow 2.5, the builds of "
    "github.com/feranick/libedgetpu fit newer ones. Never 'pip install pycoral': that name on "
    "PyPI is another project"
)
_FIT = (
    "Install a build of libedgetpu that was made from a newer TensorFlow Lite, such as 2.19.1-1 of "
    "github.com/feranick/libedgetpu: Google's own 16.0 was made from 2.5. That any of them works "
    "with ai-edge-litert 2 is neither confirmed nor refuted"
)
_PERMIT = (
    "USB: install the udev rule that comes with libedgetpu, add the user to the group 'plugdev', "
    'log in again and plug the device in again. PCIe: a udev rule with GROUP="apex" and '
    'MODE="0660" for SUBSYSTEM "apex", and the user in the group \'apex\'. In a container, pass '
    "/dev/bus/usb or /dev/apex_0 on"
)
_FREE = (
    "End the process that holds it: 'fuser -v' names it, given the device file. Only one process "
    "at a time may use an Edge TPU"
)


# The first that fits counts. The words are those of: glibc's loader and Python's ctypes; libedgetpu
# (tflite/custom_op.cc, driver/package_registry.cc, driver/mmio_driver.cc and, for the codes of
# libusb, driver/usb/local_usb_device.cc); LiteRT's interpreter; run_in_child. That the kernel
# module answers "Operation not permitted" for a PCIe device in use is from memory.
FAILURES = (
    Failure(r"libusb\S*: cannot open shared object file", DependencyError,
        "The Edge TPU's runtime library needs libusb, which is not installed", "libusb 1.0",
        "Install it, on Debian and Ubuntu with 'apt install libusb-1.0-0'"),
    Failure(r"version \W?GLIBC\w*_[\d.]+\W? not found|undefined symbol: _Z\w+", DependencyError,
        "The Edge TPU's runtime library was built for another system",
        "a build for the C and C++ libraries of this system", _INSTALL),
    Failure(
        "wrong ELF class|invalid ELF header|file too short|incompatible architecture|not a valid "
        "Win32 application", DependencyError,
        "The Edge TPU's runtime library is for another processor, or damaged",
        "a library for this machine", _INSTALL),
    Failure(r"cannot open shared object file|image not found|no such file|Could not find module",
        DependencyError, "The Edge TPU's runtime library is not installed",
        "libedgetpu.so.1 on Linux, libedgetpu.1.dylib on macOS, edgetpu.dll on Windows", _INSTALL),
    Failure(r"tflite_plugin_(create|destroy)_delegate", DependencyError,
        "The library is not the Edge TPU's runtime",
        "a library with tflite_plugin_create_delegate and tflite_plugin_destroy_delegate",
        "Give the path of libedgetpu itself, not of another library"),
    Failure(r"unresolved custom op: edgetpu-custom-op", DependencyError,
        "The library did not take over what was compiled for the Edge TPU",
        "a delegate that runs the operator 'edgetpu-custom-op'",
        "Give the path of libedgetpu itself, not of another delegate"),
    Failure(r"requires runtime version \(\d+\), which is newer than this runtime version \(\d+\)",
        DependencyError, "The model was compiled for a newer Edge TPU runtime",
        "a model for the installed runtime",
        "Compile it again for the installed version, which is the second number "
        "(`runtime_version`), or install a newer libedgetpu"),
    Failure(r"Unsupported data type in custom op handler: \d+|!= input->bytes \(\d+ != \d+\)"
        r"|signal SIG(SEGV|ABRT|BUS|ILL) at stage '(loading|preparing|sample 1 of) [^']*'",
        DependencyError, "The Edge TPU's runtime library and the interpreter do not fit each other",
        "a library and an interpreter that lay out their structures alike", _FIT),
    Failure(
        r"HIB Error", DeviceError, "The Edge TPU on PCIe reported an error of its host interface",
        "inference without errors",
        "On an ARM64 host add 'gasket.dma_bit_mask=32' to the kernel's command line, and "
        "'pcie_aspm=off' where the kernel reports errors of the port; a status of nothing but f "
        "means that the device no longer answers: check its seat, its power and its cooling, and "
        "restart the machine"),
    Failure(r"USB error -3\b|Device open failed.*\(Permission denied\)", DeviceError,
        "This user may not open the Edge TPU", "read and write access to its device file", _PERMIT),
    Failure(
        r"USB error -6\b|Device open failed.*\((Operation not permitted|Device or resource busy)\)",
        DeviceError, "Another process holds the Edge TPU", "a device that is free", _FREE),
    Failure(
        r"USB (transfer )?error -?\d+|Failed to execute request"
        r"|signal SIG(?!KILL)\w+ at stage '[^']*'|no answer after [^;]*",
        DeviceError, "The Edge TPU stopped working",
        "an answer to every sample",
        "Plug the device in again, into a USB 3 port of the machine itself and with a short cable; "
        "let it cool. A model that is larger than usual may need a longer time limit"),
)  # fmt: skip


def match_failure(text: str) -> QuantlineError | None:
    """Return the error of the first known failure whose words are in a text; None without one.

    Args:
        text: The text of the exception or of the crash, and the library's log.
    """
    for failure in FAILURES:
        for line in text.splitlines():
            if re.search(failure.pattern, line):
                return failure.to_error(line.strip())
    return None


def explain(text: str, devices: Sequence[Device], device: str = "") -> QuantlineError:
    """Return why a device could not be opened, by the library's words or by the devices present.

    Args:
        text: As for :func:`match_failure`.
        devices: The devices that :func:`quantline.edgetpu.device.detect.detect` found.
        device: The device that was asked for, as the library takes it.
    """
    return match_failure(text) or _by_devices(devices, device, " ".join(text.split()))


def _by_devices(devices: Sequence[Device], asked: str, text: str) -> QuantlineError:
    tried = _tried(devices, asked)
    if not tried:
        there = first_few([f"{device.name} ({device.path})" for device in devices]) or (
            "none" if can_detect() else "this system does not tell without the library"
        )
        return DeviceError(
            "There is no such Edge TPU" if devices else "No Edge TPU was found",
            found=f"asked for: {repr(asked) if asked else 'any'}; there: {there}",
            expected="a USB device of id 1a6e:089a or 18d1:9302, or a PCIe device at /dev/apex_0",
            remedy="Plug it in, or choose one that is there. USB: 'lsusb' must list it; in a "
            "virtual machine or a container pass both ids on, since it changes the first for the "
            "second when it gets its firmware. PCIe: the kernel modules 'gasket' and 'apex' must "
            "be loaded",
        )
    denied = [device.path for device in tried if not device.is_accessible]
    if denied:
        return DeviceError(
            "This user may not open the Edge TPU",
            found=f"no access to {first_few(denied)}",
            expected="read and write access to the device file",
            remedy=_PERMIT,
        )
    return DeviceError(
        "The Edge TPU could not be opened",
        found=f"{first_few([device.path for device in tried])} is there and may be opened; "
        f"the library gave no reason: {text}",
        expected="a device that no other process holds",
        remedy=f"{_FREE}. If none does, plug the device in again",
    )


def _tried(devices: Sequence[Device], device: str) -> list[Device]:
    """Return the devices that the library may have tried to open."""
    # Asked for any, it tries the first alone, and on PCIe before USB (OpenDeviceInternal of its
    # EdgeTpuManagerDirect). How it counts both kinds together is left to the order in which its
    # parts are initialized.
    kind, _, index = device.partition(":")
    same = [found for found in devices if not kind or found.kind.value == kind]
    number = int(index or 0)
    if number >= len(same):
        return []
    return same if device.startswith(":") else [same[number]]
