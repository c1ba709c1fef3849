"""Printing tables on the standard output, whatever it is: a terminal, a pipe, a full disk."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from quantline.error_output import discard_output, output_not_printed

if TYPE_CHECKING:
    from rich.console import RenderableType


def print_results(table: RenderableType, *texts: str, width: int) -> None:
    """Print a table, and texts as they are below it.

    A reader that has seen enough, such as ``head``, stops nothing: results are still to be written.

    Args:
        table: The table.
        texts: Lines that are neither coloured nor broken.
        width: In characters, where the output is no terminal, which has a width of its own.

    Raises:
        OutputNotWritten: The output takes nothing, as on a full disk.
    """
    from rich.console import Console

    terminal, printed = Console(), io.StringIO()
    is_terminal = terminal.is_terminal
    # Rich ends the process with 1 where a pipe is closed, which says that a model is refused.
    console = Console(
        file=printed, force_terminal=is_terminal, width=terminal.width if is_terminal else width
    )
    console.print(table)
    for text in texts:
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    try:
        sys.stdout.write(printed.getvalue())
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output(sys.stdout)
    except OSError as error:
        discard_output(sys.stdout)
        raise output_not_printed(error) from error
