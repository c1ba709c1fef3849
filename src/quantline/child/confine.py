"""Landlock: a process gives up the right to change files, and to open TCP connections, for good.

The kernel's own interface is called, which has the same numbers on every architecture:
landlock_create_ruleset(2), landlock_add_rule(2), landlock_restrict_self(2).
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_PR_SET_NO_NEW_PRIVS = 38
_WRITE_FILE = 1 << 1
# Removing (bits 4 and 5) and making files of every kind (6 to 12).
_CHANGES = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))
# What later versions of the interface can forbid as well.
_REFER, _TRUNCATE = (2, 1 << 13), (3, 1 << 14)
_TCP, _TCP_BIND_AND_CONNECT = 4, 0b11
_SCOPES, _ABSTRACT_SOCKETS_AND_SIGNALS = 6, 0b11
# Devices that hold nothing: the usual ones, and those that TensorFlow computes with.
_DEVICES = ("null", "zero", "nvidia*", "dri/*", "kfd")


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def confine(folder: Path) -> list[str]:
    """Let this process, and all that it starts, change files in ``folder`` alone.

    Where the kernel can, TCP connections, signals to other processes and abstract Unix sockets are
    forbidden too. Reading files is not. There is no way back.

    Returns:
        What could not be forbidden, as sentences for the log; empty if everything was.
    """
    version = _call(_CREATE_RULESET, None, 0, _VERSION) if sys.platform == "linux" else -1
    if version < 1:
        return ["this system cannot confine a process (no Landlock): it may write files and "
                "use the network as its user may"]  # fmt: skip
    changes = _CHANGES | sum(right for since, right in (_REFER, _TRUNCATE) if version >= since)
    rules = _Ruleset(
        fs=changes,
        net=_TCP_BIND_AND_CONNECT if version >= _TCP else 0,
        scoped=_ABSTRACT_SOCKETS_AND_SIGNALS if version >= _SCOPES else 0,
    )
    # An older kernel takes a larger structure whose additional fields are zero.
    ruleset = _call(_CREATE_RULESET, ctypes.byref(rules), ctypes.sizeof(rules), 0)
    if ruleset < 0:
        return [f"Landlock refused its rules (error {ctypes.get_errno()}): not confined"]
    try:
        _allow(ruleset, folder, changes)
        for pattern in _DEVICES:
            for device in Path("/dev").glob(pattern):
                _allow(ruleset, device, changes & (_WRITE_FILE | _TRUNCATE[1]))
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if _call(_RESTRICT_SELF, ruleset, 0) < 0:
            return [f"Landlock refused to start (error {ctypes.get_errno()}): not confined"]
    finally:
        os.close(ruleset)
    if version < _TCP:
        return ["this kernel can forbid no TCP connections: the network is open"]
    return []


def _allow(ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _Beneath(rights, descriptor)
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)


def _call(*arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return int(libc.syscall(*arguments))
