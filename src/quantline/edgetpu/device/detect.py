"""The attached Edge TPUs by the system's files: nothing is loaded and nothing is opened.

USB devices are found by their ids and PCIe devices by their class, where ``libedgetpu`` looks for
them too (``beagle_usb_driver_provider.cc`` and ``driver_factory_default.cc`` of its source).
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from quantline.edgetpu.vocabulary import Evidence
from quantline.files import plain

# A USB device has the first id until it has got its firmware, and the second from then on until it
# is unplugged. The library counts all devices of the first id before those of the second.
_FRESH = ("1a6e", "089a")
_READY = ("18d1", "9302")
_USB_2_MBPS = 480


class Kind(StrEnum):
    """The bus of a device; the value is the library's name for it."""

    USB = "usb"
    PCIE = "pci"


@dataclass(frozen=True)
class Device:
    """One Edge TPU."""

    # the name by which the library takes it, such as `usb:0`. With several of a kind the number is
    # a guess: the library numbers them as it finds them
    name: str
    kind: Kind  # bus
    path: str  # device file
    is_accessible: bool  # True if this process may open the file for reading and writing
    has_firmware: bool = True  # it is ready; a USB device gets its firmware when first opened
    speed_mbps: float | None = None  # the speed of its USB connection, Mbit/s; None if unknown
    temperature_c: float | None = None  # its temperature, degrees Celsius; None if unknown

    @property
    def warnings(self) -> tuple[str, ...]:
        """Conditions that keep the device from working, or slow it down, as sentences."""
        found = []
        if not self.is_accessible:
            found.append(f"This user may not open {self.path}.")
        # Before it has its firmware a device may show USB 2 on whatever port.
        if self.has_firmware and self.speed_mbps is not None and self.speed_mbps <= _USB_2_MBPS:
            found.append(
                f"It is connected by USB 2 ({self.speed_mbps:g} Mbit/s): inference may take up to "
                "10 times as long as by USB 3 (5000 Mbit/s)."
            )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return the device as plain JSON values."""
        return plain(self, evidence=Evidence.MEASURED, warnings=self.warnings)


def can_detect() -> bool:
    """Return whether :func:`detect` works here: Linux lists its devices in files.

    On macOS and Windows only the library, once loaded, finds a device.
    """
    return platform.system() == "Linux"


def detect(sys: Path = Path("/sys"), dev: Path = Path("/dev")) -> tuple[Device, ...]:
    """Return the Edge TPUs that are attached: PCIe first, as the library prefers them, then USB.

    ``sys`` is the kernel's description of its devices, ``dev`` the folder of device files. There
    are none where :func:`can_detect` is false.
    """
    pcie = sorted((sys / "class" / "apex").glob("apex_*"), key=lambda path: _number(path.name))
    listed = enumerate(pcie)
    found = [_pcie(index, path, dev) for index, path in listed if (dev / path.name).exists()]
    return (*found, *_usb(sys / "bus" / "usb" / "devices", dev))


def _pcie(index: int, described: Path, dev: Path) -> Device:
    file, heat = dev / described.name, _scaled(_read(described / "temp"), 1000)
    name, free = f"{Kind.PCIE}:{index}", _is_accessible(file)
    return Device(name, Kind.PCIE, str(file), free, temperature_c=heat)


def _usb(devices: Path, dev: Path) -> list[Device]:
    ids = {
        path: (_read(path / "idVendor"), _read(path / "idProduct"))
        for path in sorted(devices.glob("*-*"))
        if ":" not in path.name  # an interface of a device
    }
    found = [path for wanted in (_FRESH, _READY) for path in ids if ids[path] == wanted]
    return [_usb_device(index, path, ids[path] == _READY, dev) for index, path in enumerate(found)]


def _usb_device(index: int, described: Path, has_firmware: bool, dev: Path) -> Device:
    bus, number = (int(_read(described / name) or 0) for name in ("busnum", "devnum"))
    file = dev / "bus" / "usb" / f"{bus:03d}" / f"{number:03d}"
    speed = _scaled(_read(described / "speed"), 1)
    name = f"{Kind.USB}:{index}"
    return Device(name, Kind.USB, str(file), _is_accessible(file), has_firmware, speed)


def _is_accessible(file: Path) -> bool:
    return os.access(file, os.R_OK | os.W_OK)


def _read(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except OSError:  # the device is gone, or tells nothing
        return None


def _scaled(text: str | None, divisor: int) -> float | None:
    try:
        return float(text or "") / divisor
    except ValueError:
        return None


def _number(name: str) -> int:
    digits = name.rpartition("_")[2]
    return int(digits) if digits.isdecimal() else -1
