"""The layout of the tables of a ``.tflite`` file, as the generated reader reads them.

The classes that ``flatc`` generated from ``schema.fbs`` say nothing about their fields; but each
accessor asks its table for bytes in a way that tells the field's slot, kind and width. So each is
called once with a table that only writes down what it is asked for. The result is complete and of
the installed schema's version, which a copy of the schema would not stay.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from ai_edge_litert import schema_py_generated as schema

Kind = Literal["scalar", "string", "vector", "table", "tables", "union"]

# A union's field, and the enumeration of the tables that it may be (schema.fbs: ``union``).
_UNIONS = {
    "builtin_options": schema.BuiltinOptions,
    "builtin_options2": schema.BuiltinOptions2,
    "details": schema.QuantizationDetails,
    "array_segments": schema.SparseIndexVector,
    "array_indices": schema.SparseIndexVector,
}


@dataclass(frozen=True)
class Field:
    """One field of a table."""

    name: str  # its name in `schema.fbs`
    slot: int  # the place of its offset in the vtable, bytes
    kind: Kind  # a scalar, or the kind of thing that it is the offset of
    width: int  # the size of a scalar or of a vector's element, bytes; 4 for an offset
    table: Any = None  # the class of the table or tables that it leads to; None for the other kinds
    members: dict[int, Any] | None = None  # classes that a union may be, by the value of its type

    @property
    def inline(self) -> int:
        """Its size in the table itself, bytes."""
        return self.width if self.kind == "scalar" else 4

    @property
    def type_slot(self) -> int:
        """The vtable offset of a union's type: the slot before its own."""
        return self.slot - 2


@cache
def fields(table: Any) -> tuple[Field, ...]:
    """Return the fields of a table, given its generated class, such as ``schema.Tensor``."""
    found: dict[int, Field] = {}
    for name, accessor in vars(table).items():
        if inspect.isfunction(accessor) and name != "Init":
            field = _field(table, name, accessor)
            # A vector's further accessors, such as its length, follow that of its elements.
            found.setdefault(field.slot, field)
    return tuple(found.values())


def _field(table: Any, name: str, accessor: Any) -> Field:
    asked = _Asked()
    instance = table()
    instance._tab = asked
    takes_index = len(inspect.signature(accessor).parameters) == 2
    given = accessor(instance, 0) if takes_index else accessor(instance)
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    if asked.union:
        kinds = _UNIONS[name]
        members = {
            value: getattr(schema, member)
            for member, value in vars(kinds).items()
            if isinstance(value, int) and value
        }
        return Field(name, asked.slot, "union", 4, members=members)
    if asked.indirect:
        return Field(name, asked.slot, "tables" if asked.vector else "table", 4, type(given))
    if asked.string:
        return Field(name, asked.slot, "string", 1)
    return Field(name, asked.slot, "vector" if asked.vector else "scalar", asked.width)


class _Asked:
    """Stands in for ``flatbuffers.table.Table`` and writes down what an accessor asks of it."""

    Bytes = b""
    Pos = 0

    def __init__(self) -> None:
        self.slot = 0
        self.width = 0
        self.vector = self.indirect = self.string = self.union = False

    def Offset(self, slot: int) -> int:
        self.slot = slot
        return 4  # as if the field were there

    def Get(self, flags: Any, offset: int) -> int:
        self.width = flags.bytewidth
        return 0

    def Vector(self, offset: int) -> int:
        self.vector = True
        return 0

    def VectorLen(self, offset: int) -> int:
        return 0

    def GetVectorAsNumpy(self, flags: Any, offset: int) -> None:
        pass

    def Indirect(self, offset: int) -> int:
        self.indirect = True
        return 0

    def String(self, offset: int) -> bytes:
        self.string = True
        return b""

    def Union(self, table: Any, offset: int) -> None:
        self.union = True
