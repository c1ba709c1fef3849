"""Tables as plain text, whole where they go to a file or to another program, and as HTML."""

from __future__ import annotations

import html
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NARROWEST = 20


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table: numbers to the right, the last column to the left.

    On a terminal the last column, a name, is shortened where a line would not fit.

    Args:
        headings: One a column.
        rows: Texts, as many as headings.
    """
    lines = [tuple(headings), *map(tuple, rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(headings) - 1)]
    room = _room(sum(widths) + 2 * len(widths))
    return "\n".join(
        "  ".join(
            [*(text.rjust(width) for text, width in zip(line[:-1], widths, strict=True)),
             shortened(line[-1], room)]
        ).rstrip()
        for line in lines
    )  # fmt: skip


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Return names and values, one pair a line."""
    lines = list(rows)
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name.ljust(width)}  {text}" for name, text in lines)


def html_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as HTML, for notebooks: texts to the left, numbers to the right."""
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def html_pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Return names and their values as an HTML table, a name and its value a row."""
    body = "".join(
        f'<tr><th style="text-align: left">{html.escape(name)}</th>{_cell(text, left=True)}</tr>'
        for name, text in rows
    )
    return f"<table><tbody>{body}</tbody></table>"


def _cell(text: str, *, left: bool = False) -> str:
    is_number = not left and text[:1] in "-+0123456789" and text != ""
    side = "right" if is_number else "left"
    return f'<td style="text-align: {side}">{html.escape(text)}</td>'


def shortened(text: str, room: int | None) -> str:
    """Cut the middle out of a text that is too long; None: nothing is.

    Of a list of names, such as a fused operator has, only the first is kept then.
    """
    if room is None or len(text) <= room:
        return text
    first = text.split(";", maxsplit=1)[0]
    if len(first) < room:
        return first if first == text else f"{first};…"[:room]
    head = (room - 1) // 3
    return f"{first[:head]}…{first[len(first) - (room - 1 - head) :]}"


def size(size_bytes: int) -> str:
    """Return a number of bytes for people."""
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if size_bytes >= unit:
            return f"{size_bytes / unit:.3g} {name}" if size_bytes < 1000 * unit else (
                f"{size_bytes / unit:.0f} {name}")  # fmt: skip
    return f"{size_bytes} bytes"


def _room(taken: int) -> int | None:
    if not sys.stdout.isatty():
        return None
    return max(shutil.get_terminal_size().columns - taken, _NARROWEST)
