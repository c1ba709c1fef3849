"""Child processes whose memory lies where it lay the last time."""

from __future__ import annotations

import ctypes
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ASK, _NOT_RANDOM = 0xFFFFFFFF, 0x0040000  # personality(2): ADDR_NO_RANDOMIZE


@contextmanager
def disable_aslr() -> Iterator[None]:
    """Start child processes without random addresses, where Linux allows it.

    TensorFlow's quantizer visits operators in the order of their addresses in memory, so that the
    same model may come out in other bytes. Some containers forbid this call; it then does nothing.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    libc = ctypes.CDLL(None)
    before = libc.personality(ctypes.c_ulong(_ASK))
    libc.personality(ctypes.c_ulong(before | _NOT_RANDOM))
    try:
        yield
    finally:
        libc.personality(ctypes.c_ulong(before))
