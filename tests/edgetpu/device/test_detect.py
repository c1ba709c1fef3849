"""Detection in folders laid out as Linux lays out /sys and /dev; no Edge TPU was there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from quantline.edgetpu.device.detect import Device, Kind, can_detect, detect

if TYPE_CHECKING:
    from pathlib import Path

FRESH, READY, KEYBOARD = ("1a6e", "089a"), ("18d1", "9302"), ("046d", "c31c")


class System:
    """A machine's devices."""

    def __init__(self, root: Path) -> None:
        self.sys, self.dev = root / "sys", root / "dev"

    def usb(self, port: str, ids: tuple[str, str], number: int, speed: str = "5000") -> Path:
        described = self.sys / "bus" / "usb" / "devices" / port
        bus = port.partition("-")[0]
        facts = {
            "idVendor": ids[0],
            "idProduct": ids[1],
            "busnum": bus,
            "devnum": str(number),
            "speed": speed,
        }
        write(described, facts)
        write(described.with_name(f"{port}:1.0"), {"bInterfaceClass": "ff"})
        file = self.dev / "bus" / "usb" / f"{int(bus):03d}" / f"{number:03d}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        return file

    def pcie(self, number: int, **facts: str) -> Path:
        write(self.sys / "class" / "apex" / f"apex_{number}", facts)
        file = self.dev / f"apex_{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        return file

    def detect(self) -> tuple[Device, ...]:
        return detect(self.sys, self.dev)


def write(folder: Path, facts: dict[str, str]) -> None:
    folder.mkdir(parents=True)
    for name, value in facts.items():
        (folder / name).write_text(f"{value}\n")


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def test_a_machine_without_any(system: System) -> None:
    assert system.detect() == ()
    system.usb("1-4", KEYBOARD, 2, "1.5")
    assert system.detect() == ()


def test_a_usb_device_on_a_usb_3_port(system: System) -> None:
    file = system.usb("2-1.3", READY, 7)
    (found,) = system.detect()
    assert found == Device("usb:0", Kind.USB, str(file), True, True, 5000.0)
    assert found.warnings == ()


@pytest.mark.parametrize(("ids", "warned"), [(READY, True), (FRESH, False)])
def test_usb_2_is_warned_of_once_the_device_is_ready(
    system: System, ids: tuple[str, str], warned: bool
) -> None:
    system.usb("1-2", ids, 3, "480")
    (found,) = system.detect()
    assert found.has_firmware is warned
    assert any("USB 2 (480 Mbit/s)" in warning for warning in found.warnings) is warned


def test_devices_without_firmware_are_counted_first(system: System) -> None:
    files = [system.usb("1-1", READY, 2), system.usb("3-1", FRESH, 5), system.usb("2-1", READY, 9)]
    found = system.detect()
    assert [item.name for item in found] == ["usb:0", "usb:1", "usb:2"]
    assert [item.path for item in found] == [str(files[index]) for index in (1, 0, 2)]


def test_pcie_devices_come_first_in_the_order_of_their_numbers(system: System) -> None:
    system.usb("2-1", READY, 2)
    for number in (10, 2):
        system.pcie(number)
    assert [(item.name, item.path.rpartition("/")[2]) for item in system.detect()] == [
        ("pci:0", "apex_2"),
        ("pci:1", "apex_10"),
        ("usb:0", "002"),
    ]


@pytest.mark.parametrize(
    ("facts", "celsius"),
    [({"temp": "46300"}, 46.3), ({"temp": "-89700"}, -89.7), ({}, None), ({"temp": "x"}, None)],
)
def test_the_temperature_where_the_driver_tells_it(
    system: System, facts: dict[str, str], celsius: float | None
) -> None:
    system.pcie(0, **facts)
    assert system.detect()[0].temperature_c == celsius


def test_a_described_device_without_a_file_cannot_be_opened_by_the_library(system: System) -> None:
    system.pcie(0).unlink()
    assert system.detect() == ()


def test_access_is_asked_of_the_system(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed, denied = system.pcie(0), system.usb("2-1", READY, 4)
    asked: list[Any] = []

    def access(path: Any, mode: int) -> bool:
        asked.append(mode)
        return path == allowed

    monkeypatch.setattr("os.access", access)
    first, second = system.detect()
    assert (first.is_accessible, second.is_accessible) == (True, False)
    assert second.warnings == (f"This user may not open {denied}.",)
    assert set(asked) == {4 | 2}  # to read and to write


def test_a_missing_usb_file_is_no_access(system: System) -> None:
    system.usb("2-1", READY, 4).unlink()
    assert not system.detect()[0].is_accessible


@pytest.mark.parametrize("name", ["Darwin", "Windows"])
def test_other_systems_do_not_tell(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: name)
    assert not can_detect()


def test_json(system: System) -> None:
    system.pcie(0, temp="50000")
    told = json.loads(json.dumps(system.detect()[0].to_dict()))
    assert (told["name"], told["kind"], told["temperature_c"]) == ("pci:0", "pci", 50.0)
    assert told["evidence"] == "measured"
