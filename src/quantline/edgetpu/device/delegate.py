"""Loading the Edge TPU's runtime library: in a child process only.

The library and the interpreter share structures of C whose layout is that of the TensorFlow Lite
they were built from. Where the two differ, the process dies or reads the wrong field.
"""

from __future__ import annotations

import ctypes
import platform
import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from quantline.child import captured_output
from quantline.edgetpu.device.detect import detect
from quantline.edgetpu.device.failures import explain
from quantline.errors import ParameterError, suggest

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
    # the path of `libedgetpu`; by default its name on this platform, for the loader to find
    library: str | None = None
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
