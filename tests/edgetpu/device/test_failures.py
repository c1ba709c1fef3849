"""Failures by their words, as users published them, and by what is there."""

from __future__ import annotations

import pytest

from quantline.edgetpu.device.detect import Device, Kind
from quantline.edgetpu.device.failures import FAILURES, explain, match_failure
from quantline.edgetpu.device.on_device import Access
from quantline.errors import (
    DependencyError,
    DeviceError,
    ParameterError,
)

NO_REASON = "Failed to load delegate from libedgetpu.so.1\n"
USB = Device("usb:0", Kind.USB, "/dev/bus/usb/002/003", True)
PCIE = Device("pci:0", Kind.PCIE, "/dev/apex_0", True)
LOCKED = Device("pci:0", Kind.PCIE, "/dev/apex_0", False)

# Where no source is named, the words are this machine's own (glibc 2.36, ai-edge-litert 2.3.0).
SAID = [
    ("libedgetpu.so.1: cannot open shared object file: No such file or directory", DependencyError),
    ("libusb-1.0.so.0: cannot open shared object file: No such file or directory", DependencyError),
    ("/lib/l.so: undefined symbol: tflite_plugin_create_delegate", DependencyError),
    ("/lib/l.so: file too short", DependencyError),
    ("/lib/l.so: invalid ELF header", DependencyError),
    (
        "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by l.so)",
        DependencyError,
    ),
    (
        "Encountered unresolved custom op: edgetpu-custom-op.\nSee instructions: "
        "https://www.tensorflow.org/lite/guide/ops_custom Node number 0 (edgetpu-custom-op) "
        "failed to prepare.",
        DependencyError,
    ),
    # google-coral/edgetpu, issues 435, 44 and 71
    (
        "Failed to prepare for TPU. Failed precondition: Package requires runtime version (14), "
        "which is newer than this runtime version (13).Node number 2 (EdgeTpuDelegateForCustomOp) "
        "failed to prepare.",
        DependencyError,
    ),
    (
        "Internal: Unsupported data type in custom op handler: 0Node number 1 "
        "(EdgeTpuDelegateForCustomOp) failed to prepare.",
        DependencyError,
    ),
    (
        "Internal: :159 batches * single_input_size != input->bytes (150528 != 12544)Node number 1",
        DependencyError,
    ),
    ("signal SIGSEGV at stage 'preparing the model'; peak memory 0.10 GiB", DependencyError),
    ("signal SIGSEGV at stage 'sample 1 of 9'; peak memory 0.10 GiB", DependencyError),
    ("signal SIGABRT at stage 'sample 2 of 9'; peak memory 0.10 GiB", DeviceError),
    # google-coral/edgetpu, issue 741: an error in the log, and then nothing for ever
    (
        "no answer after 60 s at stage 'sample 1 of 9'; peak memory 0.10 GiB; its last words: "
        "E driver/mmio_driver.cc:254] HIB Error. hib_error_status = ffffffffffffffff, "
        "hib_first_error_status = ffffffffffffffff",
        DeviceError,
    ),
    ("no answer after 60 s at stage 'sample 1 of 9'; peak memory 0.10 GiB", DeviceError),
    # libedgetpu, driver/usb/local_usb_device.cc and driver/kernel: LIBUSB_ERROR_ACCESS and _BUSY
    ("I local_usb_device.cc:71] ConvertLibUsbError: USB error -3 [OpenDevice]", DeviceError),
    ("I local_usb_device.cc:71] ConvertLibUsbError: USB error -6 [ClaimInterface]", DeviceError),
    ("I local_usb_device.cc:71] ConvertLibUsbError: USB error -4 [OpenDevice]", DeviceError),
    (
        "Failed to open device [Apex (PCIe)] at [/dev/apex_0]: Failed precondition: Device open "
        "failed : -1 (Permission denied)",
        DeviceError,
    ),
    (
        "Failed to open device [Apex (PCIe)] at [/dev/apex_0]: Failed precondition: Device open "
        "failed : -1 (Operation not permitted)",
        DeviceError,
    ),
    ("Failed to execute request. USB transfer error 1 [BulkOut]", DeviceError),
]


@pytest.mark.parametrize(("said", "error"), SAID, ids=[said[:40] for said, _ in SAID])
def test_words_decide_whatever_is_there(said: str, error: type[Exception]) -> None:
    found = explain(f"{NO_REASON}I a line before\n{said}\nI a line after", [USB])
    assert type(found) is error
    assert found.found in said
    assert "a line" not in found.found


def test_every_failure_of_the_table_is_told_apart_from_those_before_it() -> None:
    reached = {match_failure(said).what for said, _ in SAID}
    assert reached == {failure.what for failure in FAILURES}


@pytest.mark.parametrize("said", ["", NO_REASON, "signal SIGKILL, with which the system ends it"])
def test_other_words_decide_nothing(said: str) -> None:
    assert match_failure(said) is None


@pytest.mark.parametrize(
    ("devices", "device", "error", "word"),
    [
        ([], "", DeviceError, "asked for: any"),
        ([], "usb:0", DeviceError, "'usb:0'"),
        ([PCIE], "usb", DeviceError, "pci:0 (/dev/apex_0)"),
        ([USB], "usb:1", DeviceError, "usb:0"),
        ([PCIE, USB], ":2", DeviceError, "':2'"),
        ([LOCKED], "", DeviceError, "/dev/apex_0"),
        ([LOCKED, USB], "pci:0", DeviceError, "apex"),
        ([LOCKED, USB], ":0", DeviceError, "/dev/apex_0"),
        ([LOCKED, USB], "", DeviceError, "/dev/apex_0"),
        ([LOCKED, USB], "usb", DeviceError, "002/003"),
        ([PCIE, USB], ":1", DeviceError, "fuser"),
        ([USB], "usb:0", DeviceError, "gave no reason"),
    ],
)
def test_without_words_what_is_there_decides(
    devices: list[Device], device: str, error: type[Exception], word: str
) -> None:
    found = explain(NO_REASON, devices, device)
    assert type(found) is error
    assert word in str(found)


def test_pycoral_is_warned_of_and_never_advised() -> None:
    for failure in FAILURES:
        assert failure.remedy.count("pip install pycoral") == failure.remedy.count(
            "Never 'pip install pycoral'"
        )
    assert "another project" in match_failure(SAID[0][0]).remedy


@pytest.mark.parametrize("device", ["", ":0", ":12", "usb", "usb:0", "pci", "pci:3"])
def test_names_that_the_library_knows(device: str) -> None:
    Access(device).check()
    assert Access(device).options == {"device": device}


@pytest.mark.parametrize("device", ["pcie:0", "usb:", "usb:-1", "USB:0", "0", "usb:0 ", "auto"])
def test_names_that_the_library_does_not_know(device: str) -> None:
    with pytest.raises(ParameterError, match="'usb:0', 'pci:0'"):
        Access(device).check()


def test_a_clock_that_the_library_does_not_know() -> None:
    with pytest.raises(ParameterError, match="Low, Medium, High, Max") as caught:
        Access("usb:0", performance="max").check()
    assert "Max" in caught.value.remedy


def test_the_clock_of_a_device_without_a_number_would_be_passed_over() -> None:
    with pytest.raises(ParameterError, match="Ask for 'usb:0'"):
        Access("usb", performance="Low").check()
    access = Access("usb:1", performance="Low")
    access.check()
    assert access.options == {"device": "usb:1", "Performance": "Low"}
