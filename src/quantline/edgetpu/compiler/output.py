"""A parser of the output of ``edgetpu_compiler``, and its records: its word, not a measurement.

Versions 1.0 to 16.0 print the same lines, but for a few words. Standard output says what became of
each model, memory included; the ``.log`` file next to a compiled model repeats its operators only.
Neither is documented: the formats are those of runs that users published.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from quantline.edgetpu.vocabulary import Evidence, Status
from quantline.errors import CompilerError
from quantline.files import plain


@dataclass(frozen=True)
class PrintedSize:
    """A size as it was printed: with two decimals of its unit."""

    size_bytes: int  # the size, bytes
    # the possible error, bytes: 0.01 of the unit, as it is not known whether the compiler rounds or
    # cuts off; 0 for what was printed in bytes
    rounding_bytes: int

    def may_be(self, size_bytes: int) -> bool:
        """Return whether an exact size may have been printed like this."""
        return abs(size_bytes - self.size_bytes) <= self.rounding_bytes

    def minus(self, other: PrintedSize) -> PrintedSize:
        """Return the difference, at least 0."""
        return PrintedSize(
            max(self.size_bytes - other.size_bytes, 0), self.rounding_bytes + other.rounding_bytes
        )


@dataclass(frozen=True)
class OperatorCount:
    """One row of the operator table; a type has a row for each of its statuses."""

    type: str  # the schema's name such as `CONV_2D`; `CUSTOM` for every custom operator
    count: int
    status: str  # the compiler's wording

    @property
    def is_mapped(self) -> bool:
        """Return whether they run on the Edge TPU."""
        return self.status == Status.MAPPED


@dataclass(frozen=True)
class ModelRecord:
    """The printed facts about one compiled model."""

    input_model: str  # file name
    output_model: str  # the compiled file's name
    input_size: PrintedSize | None
    output_size: PrintedSize | None
    cached: PrintedSize | None  # parameters kept on chip
    remaining: PrintedSize | None  # room left on chip for further parameters
    streamed: PrintedSize | None  # parameters sent to the chip at each inference
    subgraphs: int  # Edge TPU operators in the compiled model
    operators_total: int  # of the input model
    mapped_operators: int
    operators: tuple[OperatorCount, ...]  # the operator table; empty where it was not printed
    attempts: int  # the number of prefixes of the model that a search tried; 0 without a search
    cut_at: tuple[str, ...]  # names of the tensors at which the search ended the Edge TPU's part

    @property
    def cpu_operators(self) -> int:
        """Number of operators that stay on the CPU."""
        return self.operators_total - self.mapped_operators

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; ``*_rounding_bytes`` is the possible error of a size."""
        data = plain(self, cpu_operators=self.cpu_operators, evidence=Evidence.READ)
        del data["input_model"], data["output_model"]
        for name in ("cached", "input_size", "output_size", "remaining", "streamed"):
            size, key = data.pop(name), name.removesuffix("_size")
            data[f"{key}_bytes"] = size and size["size_bytes"]
            if size is not None:
                data[f"{key}_rounding_bytes"] = size["rounding_bytes"]
        return data


@dataclass(frozen=True)
class CompilerOutput:
    """A whole standard output."""

    version: str
    duration_ms: int  # the duration by the compiler's own account
    models: tuple[ModelRecord, ...]  # one record a model, in the order of printing
    unknown: tuple[str, ...]  # lines that are no part of the known formats


VERSION = re.compile(r"Edge TPU Compiler version (\S+)")
# The plural where several models were compiled together.
COMPILED = re.compile(r"Models? compiled successfully in (\d+) ms")

_TABLE = re.compile(r"Operator\s+Count\s+Status")
_ROW = re.compile(r"(\S+)\s+(\d+)\s+(\S.*)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB)")
_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_ATTEMPT = "Try to compile segment with "
_CUT = "Intermediate tensors: "

_USED = "On-chip memory used for caching model parameters"
_REMAINING = "On-chip memory remaining for caching model parameters"
# Versions up to 2.0, and the whole of it: with parameters left to stream, as much is used.
_AVAILABLE = "On-chip memory available for caching model parameters"
_STREAMED = "Off-chip memory used for streaming uncached model parameters"
_SUBGRAPHS = "Number of Edge TPU subgraphs"
_TOTAL = "Total number of operations"
_MAPPED = "Number of operations that will run on Edge TPU"
_FIELDS = frozenset({
    "Input model", "Input size", "Output model", "Output size", "Operation log",
    _USED, _REMAINING, _AVAILABLE, _STREAMED, _SUBGRAPHS, _TOTAL, _MAPPED,
    "Number of operations that will run on CPU",
})  # fmt: skip

# Lines that hold nothing of the result. A failure before a success is an attempt of a search.
_PASSING = (
    "Edge TPU Compiler version", "Model compiled successfully", "Models compiled successfully",
    "Started a compilation timeout timer of", "Searching for valid delegate with step",
    "Model successfully compiled but not all operations are supported by the Edge TPU",
    "See the operation log file", "Compilation child process completed within timeout period",
    "Compilation succeeded", "Compilation failed", "Compilation timeout",
)  # fmt: skip


@dataclass
class _Block:
    """The lines of one model during parsing."""

    attempts: int
    cut_at: tuple[str, ...]
    fields: dict[str, str] = field(default_factory=dict)
    rows: list[OperatorCount] = field(default_factory=list)


def parse_output(stdout: str) -> CompilerOutput:
    """Read the standard output of a compilation that succeeded, with line ends of any kind.

    Raises:
        CompilerError: It has no version or no compiled model, or a model lacks a line
            that every version prints, or a number cannot be read.
    """
    blocks: list[_Block] = []
    unknown: list[str] = []
    attempts, cut_at, in_table = 0, tuple[str, ...](), False
    for line in _lines(stdout):
        key, _, value = line.partition(": ")
        row = _row(line) if in_table else None
        in_table = row is not None or _TABLE.fullmatch(line) is not None
        if key == "Input model":
            blocks.append(_Block(attempts, cut_at))
            attempts, cut_at = 0, ()
        if blocks and key in _FIELDS:
            blocks[-1].fields[key] = value.strip()
        elif blocks and row is not None:
            blocks[-1].rows.append(row)
        elif line.startswith(_ATTEMPT):
            attempts, cut_at = attempts + 1, ()
        elif line.startswith(_CUT):
            cut_at = tuple(value.split(","))
        elif not (in_table or line.startswith(_PASSING)):
            unknown.append(line)
    version = VERSION.search(stdout)
    if version is None or not blocks:
        raise unknown_format(stdout, "the compiler's version and a line 'Input model: ...'")
    return CompilerOutput(
        version=version[1],
        duration_ms=sum(int(duration) for duration in COMPILED.findall(stdout)),
        models=tuple(_record(block, stdout) for block in blocks),
        unknown=tuple(unknown),
    )


def parse_log(text: str) -> tuple[OperatorCount, ...]:
    """Return the operator table of a ``.log`` file, with line ends of any kind.

    Raises:
        CompilerError: It has no version or no operator table.
    """
    lines = _lines(text)
    start = next((index for index, line in enumerate(lines) if _TABLE.fullmatch(line)), None)
    if VERSION.search(text) is None or start is None:
        raise unknown_format(text, "the compiler's version and a table 'Operator Count Status'")
    rows = map(_row, lines[start + 1 :])
    return tuple(row for row in rows if row is not None)


def last_words(text: str, limit: int = 5) -> str:
    """Return the last lines of a text as one line, for an error."""
    return " / ".join(_lines(text)[-limit:]) or "nothing"


def unknown_format(text: str, expected: str) -> CompilerError:
    """Return the error of an output that lacks what is expected in it; it is quoted."""
    return CompilerError(
        "What edgetpu_compiler printed is not in a known format",
        found=f"'{last_words(text, limit=20)}'",
        expected=expected,
        remedy="Use version 16.0 of the compiler, whose format is known, and give its whole output "
        "unchanged",
    )


def _record(block: _Block, stdout: str) -> ModelRecord:
    fields = block.fields
    subgraphs, total = (_number(fields, key, stdout) for key in (_SUBGRAPHS, _TOTAL))
    if "Output model" not in fields:
        raise unknown_format(stdout, "a line 'Output model: ...' for each model")
    if _MAPPED in fields:
        mapped = _number(fields, _MAPPED, stdout)
    elif block.rows:
        mapped = sum(row.count for row in block.rows if row.is_mapped)
    else:
        # Without the table, the two counts are left out only where everything is mapped.
        mapped = total if subgraphs else 0
    used, remaining = _size(fields, _USED, stdout), _size(fields, _REMAINING, stdout)
    available = _size(fields, _AVAILABLE, stdout)
    if remaining is None and available is not None and used is not None:
        remaining = available.minus(used)
    return ModelRecord(
        input_model=fields["Input model"],
        output_model=fields["Output model"],
        input_size=_size(fields, "Input size", stdout),
        output_size=_size(fields, "Output size", stdout),
        cached=used,
        remaining=remaining,
        streamed=_size(fields, _STREAMED, stdout),
        subgraphs=subgraphs,
        operators_total=total,
        mapped_operators=mapped,
        operators=tuple(block.rows),
        attempts=block.attempts,
        cut_at=block.cut_at,
    )


def _row(line: str) -> OperatorCount | None:
    found = _ROW.fullmatch(line)
    return OperatorCount(found[1], int(found[2]), found[3]) if found else None


def _number(fields: dict[str, str], key: str, stdout: str) -> int:
    if not fields.get(key, "").isdecimal():
        raise unknown_format(stdout, f"a line '{key}: N' with a whole number for each model")
    return int(fields[key])


def _size(fields: dict[str, str], key: str, stdout: str) -> PrintedSize | None:
    if key not in fields:
        return None
    found = _SIZE.fullmatch(fields[key])
    if found is None:
        raise unknown_format(stdout, f"'{key}:' with a size in B, KiB, MiB or GiB, such as 4.21MiB")
    unit = _UNITS[found[2]]
    rounding = 0 if unit == 1 else math.ceil(unit / 100)
    return PrintedSize(round(float(found[1]) * unit), rounding)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
