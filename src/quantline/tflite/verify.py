"""A check that all offsets and lengths in a ``.tflite`` file stay within it, before it is unpacked.

The generated reader trusts the file: a vector of 2**31 tables keeps it busy for ever, and a
thousand offsets to one table unpack it a thousand times. The rules are those of FlatBuffers'
verifier (``flatbuffers/verifier.h``), which has no Python binding, and one more: a table that is
reached twice counts twice, and the sum is limited by the file's size.
"""

from __future__ import annotations

from contextlib import contextmanager
from struct import Struct
from typing import TYPE_CHECKING, Any

from ai_edge_litert import schema_py_generated as schema

from quantline.tflite.layout import Field, fields

if TYPE_CHECKING:
    from collections.abc import Iterator

# Of FlatBuffers' verifier, which TensorFlow Lite uses with this limit too.
_MOST_TABLES = 1_000_000
# The size that a table counts as, bytes: the smallest with content take about twice as much.
_TABLE = 16
# How often the file's size may be reached. Builders share no more than vtables and some strings.
_REACH = 2
_AT_LEAST = 1 << 16  # bytes; small files need not be counted so strictly

_UINT = Struct("<I")
_TABLE_START = Struct("<i")
_VTABLE_START = Struct("<HH")
_SLOT = Struct("<H")


class Damage(Exception):
    """An inconsistency in a file.

    Attributes:
        found: The value found.
        expected: The value expected instead.
        path: The names that lead there, from the root.
    """

    def __init__(self, found: str, expected: str, *path: str) -> None:
        super().__init__(found)
        self.found = found
        self.expected = expected
        self.path = path

    @property
    def where(self) -> str:
        """The path as text, such as ``subgraphs[0].tensors[3].shape``."""
        return ".".join(self.path or ("the model",)).replace(".[", "[")


@contextmanager
def within(name: str) -> Iterator[None]:
    """Add a name to the path of whatever damage is found within."""
    try:
        yield
    except Damage as damage:
        damage.path = (name, *damage.path)
        raise


def verify(model: bytes) -> None:
    """Check everything that the reader would unpack.

    Raises:
        Damage: A table, vector or string is not within the file, or they are too many.
    """
    walk = _Walk(model)
    walk.table(schema.Model, walk.uint(0))


class _Walk:
    """A walk over one file, which counts the tables and bytes that it reaches."""

    def __init__(self, model: bytes) -> None:
        self._model = model
        self._size = len(model)
        self._tables = min(_MOST_TABLES, (_REACH * self._size + _AT_LEAST) // _TABLE)
        self._left = _REACH * self._size + _AT_LEAST
        self._present: dict[tuple[Any, int], tuple[int, list[tuple[Field, int, int]]]] = {}

    def uint(self, at: int) -> int:
        """Return the unsigned integer at a place that is a multiple of 4."""
        if at % 4 or at + 4 > self._size:
            found = f"an offset leads to byte {at:,} of {self._size:,}"
            raise Damage(found, "a multiple of 4, with 4 bytes of the file behind it")
        value: int = _UINT.unpack_from(self._model, at)[0]
        return value

    def table(self, kind: Any, at: int) -> None:
        """Verify a table of a generated class, and everything that it leads to."""
        self._tables -= 1
        self._count(_TABLE)
        self.uint(at)
        vtable = at - _TABLE_START.unpack_from(self._model, at)[0]
        if (kind, vtable) not in self._present:
            self._present[kind, vtable] = self._vtable(kind, vtable)
        inline, present = self._present[kind, vtable]
        if at + inline > self._size:
            found = f"a table of {inline} bytes at byte {at:,} of {self._size:,}"
            raise Damage(found, "a table within the file")
        for field, offset, type_offset in present:
            place = at + offset
            target = place + _UINT.unpack_from(self._model, place)[0]
            try:
                self._follow(field, target, self._model[at + type_offset] if type_offset else 0)
            except Damage as damage:
                damage.path = (field.name, *damage.path)
                raise

    def _follow(self, field: Field, target: int, union_type: int) -> None:
        if field.kind == "union":
            # The reader passes over a type that it does not know, as a newer schema may have.
            if field.members and union_type in field.members:
                self.table(field.members[union_type], target)
        elif field.kind == "table":
            self.table(field.table, target)
        else:
            count = self._vector(target, field.width)
            start = target + 4
            if field.kind == "string" and self._model[start + count : start + count + 1] != b"\0":
                raise Damage(f"a text at byte {target:,} that does not end", "a zero at its end")
            if field.kind == "tables":
                for index, place in enumerate(range(start, start + 4 * count, 4)):
                    try:
                        self.table(field.table, place + _UINT.unpack_from(self._model, place)[0])
                    except Damage as damage:
                        damage.path = (f"[{index}]", *damage.path)
                        raise

    def _vector(self, at: int, width: int) -> int:
        count = self.uint(at)
        room = self._size - at - 4
        if count * width > room:
            found = f"{count:,} elements of {width} bytes at byte {at:,}, with {room:,} bytes left"
            raise Damage(found, "a vector within the file")
        self._count(4 + count * width)
        return count

    def _vtable(self, kind: Any, at: int) -> tuple[int, list[tuple[Field, int, int]]]:
        """Verify a vtable; return its tables' size, and the fields that lead elsewhere."""
        if at < 0 or at % 2 or at + 4 > self._size:
            raise Damage(f"a vtable at byte {at:,} of {self._size:,}", "a vtable within the file")
        length, inline = _VTABLE_START.unpack_from(self._model, at)
        if length < 4 or length % 2 or at + length > self._size or inline < 4:
            raise Damage(
                f"a vtable of {length} bytes at byte {at:,} of {self._size:,}, for tables of "
                f"{inline} bytes",
                "at least 4 bytes of each, and the vtable within the file",
            )
        stored = [field.slot for field in fields(kind) if field.slot < length]
        offsets = {slot: _SLOT.unpack_from(self._model, at + slot)[0] for slot in stored}
        for field in fields(kind):
            offset = offsets.get(field.slot, 0)
            if offset and not 4 <= offset <= inline - field.inline:
                found = f"byte {offset} of a table of {inline} bytes, in the vtable at byte {at:,}"
                raise Damage(found, f"{field.inline} bytes within the table", field.name)
        return inline, [
            (field, offsets[field.slot], offsets.get(field.type_slot, 0))
            for field in fields(kind)
            if field.kind != "scalar" and offsets.get(field.slot)
        ]

    def _count(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0 or self._tables < 0:
            found = f"tables that many offsets share: unpacked, much more than {self._size:,} bytes"
            raise Damage(found, "tables that are each reached once")
