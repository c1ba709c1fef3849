"""Making a new project: the whole folder, or nothing."""

from __future__ import annotations

import keyword
import os
import re
import shutil
import sys
import time
import uuid
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from quantline.errors import ParameterError
from quantline.files import not_written
from quantline.starter.content import project_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.starter.content import File

_PREFIX = ".quantline-new-"
_ABANDONED_S = 3600.0


@dataclass(frozen=True)
class NewProject:
    """A project that was made.

    Attributes:
        folder: Where it is.
        package: The name of its own Python package, in ``src/``.
        files: How many files it has.
        size_bytes: How large they are together.
    """

    folder: Path
    package: str
    files: int
    size_bytes: int


def create_project(folder: str | Path, package: str | None = None) -> NewProject:
    """Make a project folder with configuration, stages, schedules and the embedded example.

    Args:
        folder: The folder to make; an empty one may be there. Folders above it are made too.
        package: The name of the project's own Python package; by default the folder's name, with
            underscores for hyphens, dots and spaces.

    Raises:
        ParameterError: The folder has files in it, or the name cannot be a package's.
        OutputNotWritten: The folder cannot be written; nothing of it is left behind.
    """
    target = Path(folder).absolute()
    package = package or re.sub(r"[-. ]+", "_", target.name)
    _check_name(package)
    _check_free(target)
    files = project_files(package)
    size = sum(len(file.content) for file in files.values())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target.parent)
        partial = target.with_name(f"{_PREFIX}{uuid.uuid4().hex}")
        partial.mkdir()
        try:
            _write(partial, files)
            partial.replace(target)  # of an empty folder too
        finally:  # also where Ctrl-C ends it
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise not_written(target, error, f"a writable folder with {size:,} bytes free") from error
    return NewProject(target, package, len(files), size)


def _check_name(package: str) -> None:
    """Check that a name can be a package's, and is no other package's."""
    if not package.isascii() or not package.isidentifier() or keyword.iskeyword(package):
        problem = "letters, digits and underscores, not beginning with a digit"
    elif package in sys.stdlib_module_names or _is_installed(package):
        problem = "a name that no installed package has"
    else:
        return
    raise ParameterError(
        "The project's Python package cannot have this name",
        found=f"'{package}'",
        expected=problem,
        remedy="Choose another folder, or give the name with `package`",
    )


def _is_installed(package: str) -> bool:
    spec = find_spec(package)
    return spec is not None and spec.origin is not None  # a mere folder has no origin


def _check_free(target: Path) -> None:
    """Check that nothing would be overwritten."""
    if target == Path.cwd():
        found = "the current folder"
    elif target.is_dir() and not target.is_symlink():
        names = sorted(path.name for path in target.iterdir())
        if not names:
            return
        found = f"{len(names)} entries in it, such as '{names[0]}'"
    elif os.path.lexists(target):
        found = "a link of that name" if target.is_symlink() else "a file of that name"
    else:
        return
    raise ParameterError(
        f"The project '{target}' cannot be made",
        found=found,
        expected="a folder that is not there yet, or is empty",
        remedy="Choose another folder",
    )


def _write(folder: Path, files: Mapping[str, File]) -> None:
    for name, file in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        if file.is_executable:
            mode = path.stat().st_mode
            path.chmod(mode | (mode & 0o444) >> 2)  # for all who may read it


def _remove_abandoned(parent: Path) -> None:
    """Remove what a killed process left half-made."""
    for folder in parent.glob(f"{_PREFIX}*"):
        if time.time() - folder.stat().st_mtime > _ABANDONED_S:
            shutil.rmtree(folder, ignore_errors=True)
