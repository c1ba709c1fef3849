"""The tables of a flatbuffer by their fields' numbers, where a schema has no Python code.

Every read stays within the bytes, and how many elements a vector may claim is up to the caller; so
whatever the bytes are, reading them ends soon.
Source: https://flatbuffers.dev/internals/
"""

from __future__ import annotations

from struct import Struct

from quantline.tflite.verify import Damage

_SIGNED = Struct("<i")
_OFFSET = Struct("<I")
_SLOT = Struct("<H")

INT16 = Struct("<h")
INT32 = Struct("<i")
INT64 = Struct("<q")
UINT64 = Struct("<Q")


class Table:
    """One table; what is not within the flatbuffer, or too long, is a :class:`Damage`."""

    def __init__(self, content: memoryview, at: int) -> None:
        """Find the fields of the table that begins ``at`` so many bytes from the start."""
        self._content = content
        self._at = at
        self._vtable = at - self._read(_SIGNED, at)
        self._slots = self._read(_SLOT, self._vtable)

    @classmethod
    def root(cls, content: memoryview) -> Table:
        """Return the table that a flatbuffer begins with."""
        if len(content) < _OFFSET.size:
            raise Damage(f"{len(content)} bytes", "a flatbuffer")
        return cls(content, _OFFSET.unpack_from(content)[0])

    def number(self, field: int, form: Struct, default: int = 0) -> int:
        """Return a number, or the schema's value for a field that is not there."""
        place = self._place(field)
        return default if place is None else self._read(form, place)

    def content(self, field: int) -> memoryview:
        """Return a vector of bytes, or a text without its zero; empty where there is none."""
        place = self._place(field)
        return self._content[:0] if place is None else self._vector(self._follow(place), 1)

    def contents(self, field: int, most: int) -> list[memoryview]:
        """Return a vector of at most so many texts."""
        return [self._vector(target, 1) for target in self._targets(field, most)]

    def tables(self, field: int, most: int) -> list[Table]:
        """Return a vector of at most so many tables."""
        return [Table(self._content, target) for target in self._targets(field, most)]

    def _targets(self, field: int, most: int) -> list[int]:
        place = self._place(field)
        if place is None:
            return []
        start = self._follow(place)
        count = len(self._vector(start, _OFFSET.size)) // _OFFSET.size
        if count > most:
            raise Damage(f"{count:,} elements", f"at most {most:,}")
        return [self._follow(start + _OFFSET.size * (1 + index)) for index in range(count)]

    def _vector(self, at: int, width: int) -> memoryview:
        size = width * self._read(_OFFSET, at)
        start = at + _OFFSET.size
        if start + size > len(self._content):
            found = f"{size:,} bytes at byte {start:,} of {len(self._content):,}"
            raise Damage(found, "a vector within the flatbuffer")
        return self._content[start : start + size]

    def _place(self, field: int) -> int | None:
        slot = 4 + _SLOT.size * field  # behind the vtable's own size and the table's
        offset = self._read(_SLOT, self._vtable + slot) if slot < self._slots else 0
        return self._at + offset if offset else None

    def _follow(self, place: int) -> int:
        return place + self._read(_OFFSET, place)

    def _read(self, form: Struct, at: int) -> int:
        if not 0 <= at <= len(self._content) - form.size:
            found = f"an offset leads to byte {at:,} of {len(self._content):,}"
            raise Damage(found, f"{form.size} bytes within the flatbuffer")
        value: int = form.unpack_from(self._content, at)[0]
        return value
