"""Functions of the user's own, named ``module:name``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.errors import ParameterError, first_line

if TYPE_CHECKING:
    from collections.abc import Callable

_PACKAGE = Path(__file__).parent  # which may lie in the project folder


def load_function(spec: str, argument: str) -> Callable[..., Any]:
    """Import a function.

    Args:
        spec: ``module:name``; modules are looked for in the project folder too.
        argument: The argument that names it, for messages.

    Raises:
        ParameterError: There is none.
    """
    module_name, _, name = spec.partition(":")
    # The project folder is not on the path of every command.
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        function = getattr(importlib.import_module(module_name), name)
        if not callable(function):
            raise TypeError(f"'{name}' is no function, but of type {type(function).__name__}")
    # A user's module may raise anything, and may try to end the process.
    except (Exception, SystemExit) as error:
        raise ParameterError(
            f"The function '{spec}' cannot be imported",
            found=f"{first_line(error)}{place_of(error)}",
            expected="'module:name', importable from the project folder",
            remedy=f"Correct `{argument}`",
        ) from error
    return function  # type: ignore[no-any-return]


def place_of(error: BaseException) -> str:
    """Return the line of the user's file that raised an error, if it did."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        is_own = path.is_relative_to(Path.cwd()) and not path.is_relative_to(_PACKAGE)
        if is_own and path.suffix == ".py":
            place = f" ({path.name}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return place
