from __future__ import annotations

import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from ai_edge_litert import schema_py_generated as schema
from tests.tflite import tiny_model

from quantline.errors import ModelUnreadable
from quantline.tflite import read

if TYPE_CHECKING:
    from collections.abc import Callable

# Vectors of the tiny model: where the error must say that one is, and how the reader comes to it.
VECTORS: dict[str, Callable[[Any], tuple[Any, int]]] = {
    "operator_codes": lambda model: (model, 6),
    "subgraphs": lambda model: (model, 8),
    "description": lambda model: (model, 10),
    "buffers": lambda model: (model, 12),
    "metadata": lambda model: (model, 16),
    "signature_defs": lambda model: (model, 18),
    "metadata[0].name": lambda model: (model.Metadata(0), 4),
    "signature_defs[0].outputs": lambda model: (model.SignatureDefs(0), 6),
    "signature_defs[0].signature_key": lambda model: (model.SignatureDefs(0), 8),
    "buffers[3].data": lambda model: (model.Buffers(3), 4),
    "subgraphs[0].tensors": lambda model: (model.Subgraphs(0), 4),
    "subgraphs[0].inputs": lambda model: (model.Subgraphs(0), 6),
    "subgraphs[0].operators": lambda model: (model.Subgraphs(0), 10),
    "subgraphs[0].tensors[1].shape": lambda model: (model.Subgraphs(0).Tensors(1), 4),
    "subgraphs[0].tensors[1].name": lambda model: (model.Subgraphs(0).Tensors(1), 10),
    "subgraphs[0].tensors[2].quantization.scale": lambda model: (
        model.Subgraphs(0).Tensors(2).Quantization(), 8,
    ),
    "subgraphs[0].tensors[2].quantization.zero_point": lambda model: (
        model.Subgraphs(0).Tensors(2).Quantization(), 10,
    ),
    "subgraphs[0].operators[0].inputs": lambda model: (model.Subgraphs(0).Operators(0), 6),
}  # fmt: skip
HUGE = [2**20, 2**28, 2**29, 2**30, 2**31 - 1, 2**31, 2**32 - 1]


@pytest.mark.parametrize("length", HUGE)
@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_longer_than_the_file_is_refused_at_once(name: str, length: int) -> None:
    model = bytearray(tiny_model.file())
    table, slot = VECTORS[name](schema.Model.GetRootAs(model, 0))
    struct.pack_into("<I", model, table._tab.Vector(table._tab.Offset(slot)) - 4, length)
    start = time.perf_counter()
    with pytest.raises(ModelUnreadable) as caught:
        read(bytes(model))
    assert time.perf_counter() - start < 1
    assert caught.value.found.startswith(f"{name}: {length:,} elements")


@pytest.mark.parametrize("offset", [*HUGE, 2**31 - 4, 3, 2, 1])
@pytest.mark.parametrize("name", VECTORS)
def test_an_offset_that_leads_out_of_the_file_is_refused(name: str, offset: int) -> None:
    model = bytearray(tiny_model.file())
    table, slot = VECTORS[name](schema.Model.GetRootAs(model, 0))
    struct.pack_into("<I", model, table._tab.Pos + table._tab.Offset(slot), offset)
    with pytest.raises(ModelUnreadable) as caught:
        read(bytes(model))
    assert caught.value.found.startswith(f"{name}: an offset leads to byte ")


@pytest.mark.parametrize("vtable", [-(2**31), -4, 2**31 - 1, 1, 10**6])
def test_a_vtable_out_of_the_file_is_refused(vtable: int) -> None:
    model = bytearray(tiny_model.file())
    table = schema.Model.GetRootAs(model, 0).Subgraphs(0)._tab.Pos
    struct.pack_into("<i", model, table, vtable)
    with pytest.raises(ModelUnreadable, match=r"subgraphs\[0\]: a vtable"):
        read(bytes(model))


@pytest.mark.parametrize("entry", [1, 2, 3, 60_000])
def test_a_vtable_that_leads_out_of_its_table_is_refused(entry: int) -> None:
    model = bytearray(tiny_model.file())
    table = schema.Model.GetRootAs(model, 0).Subgraphs(0)._tab.Pos
    vtable = table - struct.unpack_from("<i", model, table)[0]
    struct.pack_into("<H", model, vtable + 4, entry)
    with pytest.raises(ModelUnreadable, match=r"subgraphs\[0\]\.tensors: byte "):
        read(bytes(model))


def many_subgraphs_of_many_tensors(subgraphs: int, tensors: int) -> bytes:
    """A file in which all subgraphs are one table, and all of their tensors are one table."""
    model = bytearray(tiny_model.file())
    model += bytes(-len(model) % 4)
    root = schema.Model.GetRootAs(model, 0)._tab
    field = root.Pos + root.Offset(8)
    struct.pack_into("<I", model, field, len(model) - field)
    model += struct.pack("<I", subgraphs)
    model += b"".join(struct.pack("<I", 4 * left + 8) for left in range(subgraphs, 0, -1))
    model += struct.pack("<HHHxx", 6, 8, 4)  # the subgraph's vtable: tensors only
    model += struct.pack("<iI", 8, 4)
    model += struct.pack("<I", tensors)
    model += b"".join(struct.pack("<I", 4 * left + 4) for left in range(tensors, 0, -1))
    model += struct.pack("<HHi", 4, 4, 4)  # a tensor without any field, and its vtable
    return bytes(model)


def test_tables_that_are_shared_within_reason_are_read() -> None:
    graph = read(many_subgraphs_of_many_tensors(3, 5))
    assert [len(subgraph.tensors) for subgraph in graph.subgraphs] == [5, 5, 5]


@pytest.mark.parametrize("count", [1_000, 20_000, 500_000])
def test_tables_that_are_shared_without_end_are_refused_soon(count: int) -> None:
    model = many_subgraphs_of_many_tensors(count, count)
    start = time.process_time()
    with pytest.raises(ModelUnreadable, match="each reached once"):
        read(model)
    assert time.process_time() - start < 5


def test_a_subgraph_that_is_the_model_itself_is_refused_or_read() -> None:
    """Offsets lead onwards only, so the nearest thing to a cycle is a table read as another."""
    model = bytearray(tiny_model.file())
    root = schema.Model.GetRootAs(model, 0)
    entry = root._tab.Vector(root._tab.Offset(8))
    for target in range(entry + 4, len(model), 4):
        struct.pack_into("<I", model, entry, target - entry)
        with suppress(ModelUnreadable):
            read(bytes(model))
