from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from ai_edge_litert import schema_py_generated as schema

from quantline.tflite.layout import fields

if TYPE_CHECKING:
    from collections.abc import Callable

TABLES = [
    var
    for var in vars(schema).values()
    if inspect.isclass(var) and hasattr(var, "GetRootAs") and var.__name__ != "Table"
]


class Builder:
    """Writes down which slots the generated writer fills, and with what."""

    def __init__(self) -> None:
        self.slots: dict[int, str] = {}

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda slot, *_: self.slots.update({4 + 2 * slot: name})


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_the_fields_that_are_read_are_those_that_are_written(table: Any) -> None:
    builder = Builder()
    for name, add in vars(schema).items():
        # The older name of each, without its table's, is left out.
        if name.startswith(f"{table.__name__}Add") and len(inspect.signature(add).parameters) == 2:
            source = inspect.getsource(add)
            if "builder.Prepend" in source:
                add(builder, 0)
    read_slots = {field.slot: field for field in fields(table)}
    assert read_slots.keys() == builder.slots.keys()
    widths = {"Bool": 1, "Int8": 1, "Uint8": 1, "Int32": 4, "Uint32": 4, "Float32": 4}
    widths |= {"Int64": 8, "Uint64": 8}
    for slot, written in builder.slots.items():
        field = read_slots[slot]
        if written == "PrependUOffsetTRelativeSlot":
            assert field.kind != "scalar"
        else:
            assert field.kind == "scalar"
            assert field.width == widths[written.removeprefix("Prepend").removesuffix("Slot")]
