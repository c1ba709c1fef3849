"""Edge TPU programs, written field by field with FlatBuffers' own builder.

The fields are those of libedgetpu's ``executable/executable.fbs``; a test that changes one names it
as the schema does.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
from flatbuffers import flexbuffers

STAND_ALONE, PARAMETER_CACHING, EXECUTION_ONLY = range(3)


def layer(name: str = "x", size_bytes: int = 16, yxz: Any = (1, 2, 3), data_type: int = 0) -> Any:
    return {"name": name, "size_bytes": size_bytes, "yxz": yxz, "data_type": data_type}


def executable(
    kind: int,
    parameters: int = 0,
    chunks: tuple[int, ...] = (8,),
    inputs: Any = (),
    outputs: Any = (),
    scratch: int = 0,
    cycles: int = 0,
    cycles_64bit: int = 0,
    token: int = 7,
) -> bytes:
    builder = flatbuffers.Builder(0)
    stored = builder.CreateByteVector(b"\x80" * parameters)
    pieces = [_table(builder, 2, {0: builder.CreateByteVector(b"\x01" * n)}) for n in chunks]
    bitstreams = _offsets(builder, pieces)
    given, taken = (
        _offsets(builder, [_layer(builder, item) for item in each_side])
        for each_side in (outputs, inputs)
    )
    builder.StartObject(17)
    builder.PrependInt32Slot(4, scratch, 0)
    builder.PrependUOffsetTRelativeSlot(5, bitstreams, 0)
    builder.PrependUOffsetTRelativeSlot(6, stored, 0)
    builder.PrependUOffsetTRelativeSlot(8, taken, 0)
    builder.PrependUOffsetTRelativeSlot(9, given, 0)
    builder.PrependInt32Slot(11, cycles, 0)
    builder.PrependInt16Slot(13, kind, 0)
    builder.PrependUint64Slot(14, token, 0)
    builder.PrependInt64Slot(16, cycles_64bit, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def package(
    *executables: bytes,
    min_runtime_version: int = 13,
    virtual_chip_id: int = 0,
    identifier: bytes = b"DWN1",
) -> bytes:
    inner = flatbuffers.Builder(0)
    held = [inner.CreateByteVector(other) for other in executables]  # as a text, save for its end
    inner.Finish(_table(inner, 1, {0: _offsets(inner, held)}))
    builder = flatbuffers.Builder(0)
    multiple = builder.CreateByteVector(bytes(inner.Output()))
    version = builder.CreateString("cl/1")
    builder.StartObject(8)
    builder.PrependInt32Slot(0, min_runtime_version, 0)
    builder.PrependUOffsetTRelativeSlot(1, multiple, 0)
    builder.PrependUOffsetTRelativeSlot(4, version, 0)
    builder.PrependInt32Slot(5, virtual_chip_id, 0)
    builder.Finish(builder.EndObject(), file_identifier=identifier)
    return bytes(builder.Output())


def custom_options(program: bytes) -> bytes:
    builder = flexbuffers.Builder()
    with builder.Map():
        builder.Int("1", 0)
        builder.Key("4")
        builder._WriteBlob(program, append_zero=True, type_=flexbuffers.Type.STRING)
        builder.Int("5", -1)
    return bytes(builder.Finish())


def pair(cached: int = 100, streamed: int = 0, **settings: Any) -> bytes:
    """Custom options of a program as compilers write it: one that caches, one that runs."""
    caching = executable(PARAMETER_CACHING, cached)
    return custom_options(package(executable(EXECUTION_ONLY, streamed, **settings), caching))


def _layer(builder: Any, given: Any) -> int:
    name = builder.CreateString(given["name"])
    builder.StartObject(12)
    builder.PrependUOffsetTRelativeSlot(0, name, 0)
    builder.PrependInt32Slot(1, given["size_bytes"], 0)
    for slot, size in zip((2, 3, 4), given["yxz"], strict=True):
        builder.PrependInt32Slot(slot, size, 0)
    builder.PrependInt16Slot(6, given["data_type"], 0)
    return builder.EndObject()


def _table(builder: Any, fields: int, offsets: dict[int, int]) -> int:
    builder.StartObject(fields)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return builder.EndObject()


def _offsets(builder: Any, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()
