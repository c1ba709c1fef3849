"""The program of one Edge TPU operator: what ``edgetpu_compiler`` put into a ``.tflite`` file.

The custom options of an ``edgetpu-custom-op`` are a FlexBuffer map (libedgetpu,
``tflite/custom_op_data.cc``):

=====  ============================================================================
"1"    the version of this format, 0
"2"    the name of the chip; no longer written
"3"    a parameter-caching executable; no longer written, and ignored by the runtime
"4"    the package: a DarwiNN flatbuffer
"5"    a preference of Android's NNAPI; -1 for none
"6"    the numbers of the chips that "4" and "7" are for
"7"    packages for further chips; empty for the Edge TPU
=====  ============================================================================

The package is read by libedgetpu's ``executable/executable.fbs``, and which of its executables runs
is decided as in ``driver/package_registry.cc``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from struct import error as StructError

from quantline.edgetpu.compiled.flatbuffer import INT16, INT32, INT64, UINT64, Table
from quantline.errors import ModelUnreadable
from quantline.tflite.verify import Damage, within

IDENTIFIER = b"DWN1"

_SEVERAL_CHIPS = -1  # of ``virtual_chip_id``
# One of each type at most; of the rest far more than there ever are.
_MOST_EXECUTABLES = 3
_MOST_LAYERS = 256
_MOST_CHUNKS = 4096
_LONGEST_TEXT = 1 << 16  # bytes; a fused operator's name is that of all its parts

# What reading a map's entry raises where the map is damaged; the library checks nothing.
_NOT_A_MAP = (ArithmeticError, AssertionError, LookupError, StructError, TypeError, ValueError)

# The schema's ``DataType``, in the words of ``.tflite`` files.
_DTYPES = {
    0: "uint8", 1: "uint16", 2: "int32", 3: "bfloat16", 4: "float16", 5: "float32", 8: "int8",
    9: "int16",
}  # fmt: skip


class ExecutableType(StrEnum):
    """The purpose of an executable."""

    STAND_ALONE = "stand-alone"  # a whole inference; its parameters, if any, are sent with each
    PARAMETER_CACHING = "parameter-caching"  # loads parameters into the chip's memory, once
    EXECUTION_ONLY = "execution-only"  # finds parameters in the chip's memory; its own are sent


_TYPES = tuple(ExecutableType)  # in the order of the schema's enumeration
_COMBINATIONS = (
    sorted([ExecutableType.PARAMETER_CACHING, ExecutableType.EXECUTION_ONLY]),
    sorted(_TYPES),
)


@dataclass(frozen=True)
class Layer:
    """One input or output of an executable."""

    name: str  # the tensor's name in the model that was compiled
    size_bytes: int  # transferred for a batch of 1, padding included
    shape: tuple[int, int, int]  # height, width, channels; 1 for a dimension that it does not have
    dtype: str  # as transferred, in the words of `.tflite` files


@dataclass(frozen=True)
class Executable:
    """One executable of a package."""

    type: ExecutableType
    parameter_bytes: int  # parameters that come with it
    instruction_bytes: int  # instructions, all chunks together
    scratch_bytes: int  # host memory that it uses while it runs, for a batch of 1
    estimated_cycles: int | None  # the compiler's own estimate; None without one, as for runtime 14
    caching_token: int  # packages of one token share the chip's memory; 0 where nothing is kept
    inputs: tuple[Layer, ...]  # none of a parameter-caching one
    outputs: tuple[Layer, ...]  # none of a parameter-caching one


@dataclass(frozen=True)
class Package:
    """The program of one Edge TPU operator."""

    min_runtime_version: int  # the oldest Edge TPU runtime that takes it
    compiler_version: str  # the compiler's name for itself; often only `cl/`
    executables: tuple[Executable, ...]  # one of each type at most

    @property
    def main(self) -> Executable:
        """The executable that runs at each inference.

        A single one whatever its type, of a pair the execution-only, of all three the stand-alone.
        """
        by_type = {executable.type: executable for executable in self.executables}
        for kind in (ExecutableType.STAND_ALONE, ExecutableType.EXECUTION_ONLY):
            if kind in by_type:
                return by_type[kind]
        return self.executables[0]

    @property
    def cached_bytes(self) -> int:
        """Parameters that are loaded once, into the chip's memory."""
        if self.main.type is not ExecutableType.EXECUTION_ONLY:
            return 0
        main = self.main
        return sum(one.parameter_bytes for one in self.executables if one is not main)

    @property
    def streamed_bytes(self) -> int:
        """Parameters that are sent to the chip at each inference."""
        return self.main.parameter_bytes


def read_package(custom_options: bytes, name: str = "the model") -> Package:
    """Read the program of an Edge TPU operator from its custom options.

    Raises:
        ModelUnreadable: They are damaged, or of a kind that no Edge TPU runtime takes.
    """
    try:
        return _package(memoryview(_from_map(custom_options)))
    except Damage as damage:
        raise ModelUnreadable(
            f"{name} holds an Edge TPU program that cannot be read",
            found=f"{damage.where if damage.path else 'the program'}: {damage.found}",
            expected=damage.expected,
            remedy="Copy the file again, as it may be damaged, or compile the model again",
        ) from damage


def _from_map(custom_options: bytes) -> bytes:
    from flatbuffers import flexbuffers

    try:
        return bytes(flexbuffers.GetRoot(custom_options).AsMap["4"].AsStringBytes)
    except _NOT_A_MAP as error:
        found = f"{len(custom_options):,} bytes of custom options without it"
        raise Damage(found, "a FlexBuffer map whose entry '4' is the program") from error


def _package(content: memoryview) -> Package:
    if content[4:8] != IDENTIFIER:
        raise Damage(f"the identifier {bytes(content[4:8])!r}", f"{IDENTIFIER!r}")
    table = Table.root(content)
    if table.number(5, INT32) == _SEVERAL_CHIPS:
        raise Damage("a program for several chips", "one for a single chip", "virtual_chip_id")
    with within("serialized_multi_executable"):
        contents = Table.root(table.content(1)).contents(0, _MOST_EXECUTABLES)
    executables = []
    for index, value in enumerate(contents):
        with within(f"executables[{index}]"):
            executables.append(_executable(Table.root(value)))
    types = sorted(executable.type for executable in executables)
    if len(types) != 1 and types not in _COMBINATIONS:
        found = ", ".join(types) or "none"
        raise Damage(found, "one, or a parameter-caching and an execution-only one", "executables")
    version = _size(table, 0, "min_runtime_version")
    return Package(version, _text(table, 4, "compiler_version"), tuple(executables))


def _executable(table: Table) -> Executable:
    kind = table.number(13, INT16)
    if not 0 <= kind < len(_TYPES):
        raise Damage(str(kind), f"a type from 0 to {len(_TYPES) - 1}", "type")
    chunks = table.tables(5, _MOST_CHUNKS)
    cycles = table.number(16, INT64) or table.number(11, INT32)  # the older field is narrower
    return Executable(
        type=_TYPES[kind],
        parameter_bytes=len(table.content(6)),
        instruction_bytes=sum(len(chunk.content(0)) for chunk in chunks),
        scratch_bytes=_size(table, 4, "scratch_size_bytes"),
        estimated_cycles=cycles if cycles > 0 else None,
        caching_token=table.number(14, UINT64),
        inputs=tuple(map(_layer, table.tables(8, _MOST_LAYERS))),
        outputs=tuple(map(_layer, table.tables(9, _MOST_LAYERS))),
    )


def _layer(table: Table) -> Layer:
    kind = table.number(6, INT16)
    return Layer(
        name=_text(table, 0, "name"),
        size_bytes=_size(table, 1, "size_bytes"),
        shape=(_size(table, 2, "y_dim"), _size(table, 3, "x_dim"), _size(table, 4, "z_dim")),
        dtype=_DTYPES.get(kind, f"type {kind}"),
    )


def _size(table: Table, field: int, name: str) -> int:
    size = table.number(field, INT32)
    if size < 0:
        raise Damage(f"{size:,}", "0 or more", name)
    return size


def _text(table: Table, field: int, name: str) -> str:
    content = table.content(field)
    if len(content) > _LONGEST_TEXT:
        raise Damage(f"a text of {len(content):,} bytes", f"at most {_LONGEST_TEXT:,}", name)
    return bytes(content).decode("utf-8", "replace")
