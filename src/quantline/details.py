"""A file for what a library said at length, of which a message holds three lines."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from quantline.errors import OutputNotWritten
from quantline.files import sha256, write_atomic

if TYPE_CHECKING:
    from quantline.errors import QuantlineError


def kept(error: QuantlineError) -> QuantlineError:
    """Write an error's details to a log file, and name the file in what the error says was found.

    The file lies in the folder for temporary files (TMPDIR) and stays there. Its name comes from
    its content, so that the same failure gives the same message and one file.

    Args:
        error: The error; one without details is left as it is.

    Returns:
        The same error.
    """
    if not error.details:
        return error
    content = f"{error.details.strip()}\n".encode(errors="replace")
    try:
        path = Path(tempfile.gettempdir()) / f"quantline-{sha256(content)[:12]}.log"
        write_atomic(path, content)
        error.found += f"; the whole text is in '{path}'"
    except (OSError, OutputNotWritten):
        error.found += "; the whole text could not be written to the folder for temporary files"
    error.details = ""
    return error
