"""Keras layers and functions of the user's own, from a module that the user names."""

from __future__ import annotations

import inspect
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from quantline.errors import DependencyError, ModelUnsupported, first_line


def module_file(module: str) -> str:
    """Return the absolute path of a module's file, which is found without importing anything.

    A child process imports nothing from the working folder, so its parent has to look there.

    Args:
        module: The path of a ``.py`` file, or the name of a module that Python finds, in the
            working folder first.
    """
    if module.endswith(".py") and Path(module).is_file():
        return str(Path(module).resolve())
    places: list[str] | None = [str(Path.cwd()), *sys.path]
    spec = None
    for part in module.split("."):
        spec = PathFinder.find_spec(part, places) if places else None
        places = list(spec.submodule_search_locations or ()) if spec is not None else None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise DependencyError(
            f"There is no module '{module}' with custom layers",
            found=f"neither a file of that name nor a module in '{Path.cwd()}' or on Python's path",
            expected="the path of a .py file, or the name of a module",
            remedy="Correct `custom_objects`",
        )
    return str(Path(spec.origin).resolve())


def custom_objects(file: str, library: Any) -> dict[str, Any]:
    """Import a module and return its classes and functions by the names that a Keras file uses.

    Args:
        file: The absolute path of its file; its folder, or the one above its package, becomes the
            last place where Python looks for modules.
        library: The module ``keras`` or ``tf_keras``, where the module may register its own.
    """
    path = Path(file)
    package = path.parent
    while (package / "__init__.py").is_file():
        package = package.parent
    inner = path.relative_to(package).with_suffix("").parts
    name = ".".join(inner[:-1] if inner[-1] == "__init__" else inner)
    sys.path.append(str(package))
    try:
        spec = spec_from_file_location(name, path)
        assert spec is not None  # noqa: S101 - of a .py file there always is one
        assert spec.loader is not None  # noqa: S101
        module = module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    except Exception as error:  # a user's module raises anything
        raise ModelUnsupported(
            f"The module '{file}' with custom layers cannot be imported",
            found=first_line(error),
            expected="a module that imports and defines what the model's file names",
            remedy="Correct it, and install what it imports",
        ) from error
    # A file may not call objects that the module imports from elsewhere.
    own = {
        key: value
        for key, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__.partition(".")[0] == name.partition(".")[0]
    }
    return {**own, **library.saving.get_custom_objects()}
