"""A project's parameters, as Kedro's configuration loader finds them; what cannot be is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline import recipe
from quantline.errors import ParameterError, suggest
from quantline.project_files import check_catalog, check_files

if TYPE_CHECKING:
    from collections.abc import Callable


def read_parameters(loader: Any, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the parameters.

    Args:
        loader: Kedro's configuration loader, which knows the environment.
        read: What reads them.

    Raises:
        ParameterError: There is no such environment, or a file of configuration cannot be read.
    """
    _check_environment(loader)
    folder = Path(loader.conf_source)
    check_files(
        *(folder / name for name in (loader.base_env, loader.env or loader.default_run_env))
    )
    try:
        return read()
    except Exception as error:  # the YAML reader's errors have no common base
        raise ParameterError(
            "The parameters cannot be read",
            found=f"{type(error).__name__}: {' '.join(str(error).split())}",
            expected="YAML files in conf/base, and in conf/ENV with --env=ENV",
            remedy="Correct the file it names",
        ) from error


def read_mlflow(loader: Any) -> recipe.Mlflow:
    """Return where runs are recorded, as ``mlflow.yml`` says.

    Raises:
        ParameterError: There is no such file, or it holds something else.
    """
    values = _read(loader, "mlflow")
    try:
        return recipe.check(recipe.Mlflow, values, "mlflow.yml")
    except ParameterError as error:
        raise ParameterError(
            error.what.replace("Parameter '", "The key '").replace("parameter '", "key '"),
            found=error.found,
            expected=error.expected,
            remedy=suggest(error.found.strip("'"), list(recipe.Mlflow.model_fields))
            or "Correct conf/base/mlflow.yml, or restore it from the repository",
        ) from error


def check_datasets_of(loader: Any) -> None:
    """Check the entries of ``catalog.yml``.

    Raises:
        ParameterError: There is no such file, or an entry is no dataset.
    """
    check_catalog(_read(loader, "catalog"))


def _read(loader: Any, name: str) -> dict[str, Any]:
    try:
        values: dict[str, Any] = loader[name]
    except Exception as error:  # the YAML reader's errors have no common base
        raise ParameterError(
            f"The file {name}.yml cannot be used",
            found=f"{type(error).__name__}: {' '.join(str(error).split())}"[:300],
            expected=f"a file conf/base/{name}.yml as it comes with the project",
            remedy="Correct the file, or restore it from the repository",
        ) from error
    return values


def _check_environment(loader: Any) -> None:
    """Refuse an environment without a folder: Kedro would go on without any parameters."""
    folder = Path(loader.conf_source)
    name = loader.env or loader.default_run_env
    if folder.is_dir() and not (folder / name).is_dir():
        known = sorted(each.name for each in folder.iterdir() if each.is_dir())
        raise ParameterError(
            f"There is no environment '{name}'",
            found=f"in '{folder}': {', '.join(known) or 'no folder'}",
            expected=f"a folder '{folder / name}', which may be empty",
            remedy=suggest(name, known) or "Correct '--env' or KEDRO_ENV, or make the folder",
        )
