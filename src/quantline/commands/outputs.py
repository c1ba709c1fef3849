"""Where results go: looked at before the work begins, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from quantline.errors import OutputNotWritten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def check_outputs(outputs: Iterable[Path], inputs: Iterable[str | None], *, suffix: str) -> None:
    """Refuse what could not be written anyway, before anything is computed.

    Args:
        outputs: What will be written; the first one's ending is checked.
        inputs: The files and folders that the command reads; None for one that was not given.
        suffix: How the first output must end.

    Raises:
        OutputNotWritten: A file of the wrong ending, a folder, an input, or an unwritable place.
    """
    outputs = list(outputs)
    given = [Path(each) for each in inputs if each is not None]
    if outputs[0].suffix != suffix:
        raise OutputNotWritten(
            f"The result cannot be called '{outputs[0]}'",
            found=f"a name that ends in '{outputs[0].suffix}'",
            expected=f"a name that ends in '{suffix}'",
            remedy=f"Give '{outputs[0].with_suffix(suffix)}'",
        )
    for path in outputs:
        for each in given:
            if _is_same(path, each):
                raise OutputNotWritten(
                    f"The result '{path}' would replace what it is made from",
                    found=f"'{each}' as an input",
                    expected="another file than the inputs",
                    remedy="Give another name",
                )
        if path.is_dir():
            raise OutputNotWritten(
                f"The result '{path}' cannot be written",
                found="a folder of that name",
                expected="a file, or nothing there yet",
                remedy="Give a file's name",
            )
        _check_folder(path)


def write_together(contents: Mapping[Path, bytes], *, force: bool) -> None:
    """Write files so that all of them appear, or none; what is there already and equal stays.

    Args:
        contents: What goes where.
        force: Whether a different file is replaced.

    Raises:
        OutputNotWritten: A different file is there, or a file cannot be written.
    """
    if not force:
        for path, content in contents.items():
            if path.exists() and path.read_bytes() != content:
                raise OutputNotWritten(
                    f"'{path}' is there already and holds something else",
                    found=f"a different file of {path.stat().st_size:,} bytes",
                    expected="no file, or one of the same content",
                    remedy="Give another name, or '--force' to replace it",
                )
    partials = {path: path.with_name(f".{path.name}.partial") for path in contents}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with partials[path].open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        for path, partial in partials.items():
            partial.replace(path)
    except OSError as error:
        raise _unwritable(next(iter(contents)), error) from error
    finally:  # after Ctrl-C too
        for partial in partials.values():
            try:
                partial.unlink(missing_ok=True)
            except OSError:
                pass  # the reason that matters is the first one


def _check_folder(path: Path) -> None:
    """Try to make a file where the result will be, or in what will hold its folder."""
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OutputNotWritten:
    return OutputNotWritten(
        f"The result '{path}' cannot be written",
        found=f"{error.strerror or error} ({type(error).__name__})",
        expected="a folder that can be written to, with space left",
        remedy="Give another folder, or free space; nothing was half-written",
    )


def _is_same(path: Path, other: Path) -> bool:
    return path.resolve() == other.resolve() or (
        path.exists() and other.exists() and path.samefile(other)
    )
