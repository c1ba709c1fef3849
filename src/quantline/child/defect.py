"""Tracing an exception to its cause: the input, the machine, or a defect."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from quantline.error_output import place_of
from quantline.errors import OutputNotWritten, QuantlineError, first_line
from quantline.temporary import is_out_of_space

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Defect:
    """An exception in a child that is no error of ours.

    Attributes:
        kind: ``memory`` or ``space`` where the machine ran out of it, else ``defect``.
        said: The exception's type and message.
        place: Where it was raised, and from where in Quantline: files, lines and functions.
        trace: Its traceback.
    """

    kind: Literal["memory", "space", "defect"]
    said: str
    place: str
    trace: str = ""


def judged(error: Exception) -> QuantlineError | Defect:
    """Return an error of ours as it is, unless the machine is behind it; else what it was.

    Code that reads foreign files takes any exception for a sign of a damaged file. Where one of
    them says that memory or disk space ran out, it is the machine that failed.
    """
    if not isinstance(error, OutputNotWritten):
        for cause in _causes(error):
            kind = _machine(cause)
            if kind is not None:
                return Defect(kind, first_line(cause), place_of(cause))
    if isinstance(error, QuantlineError):
        return error
    trace = "".join(traceback.format_exception(error))
    return Defect("defect", first_line(error), place_of(error), trace)


def _machine(error: BaseException) -> Literal["memory", "space"] | None:
    exhausted = type(error).__name__ == "ResourceExhaustedError"  # TensorFlow's
    if is_out_of_space(error) or (exhausted and "No space left" in str(error)):
        return "space"
    return "memory" if exhausted or isinstance(error, MemoryError) else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
