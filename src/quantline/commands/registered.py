"""The registered model that a command is about: the project's, or the one that is named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quantline import recipe
from quantline.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quantline.release.registry import Registry


def registry_options(function: Any) -> Any:
    """Add ``--model`` and ``--env``."""
    model = click.option(
        "--model", metavar="NAME", help="The registered model; by default the project's."
    )
    env = click.option(
        "--env", metavar="ENV", help="The environment of the project, a folder of conf/."
    )
    return model(env(function))


def open_registry(model: str | None, env: str | None) -> Registry:
    """Reach the registry that the project's parameters name.

    Args:
        model: The registered model's name; if None, ``release.model``.
        env: The project's environment; Kedro's default if None.

    Raises:
        ParameterError: There is no project around the current folder, or its parameters are wrong.
        TrackingFailed: The registry cannot be used.
    """
    from kedro.utils import find_kedro_project

    from quantline.release import Project, Registry, connect

    project = find_kedro_project(Path.cwd())
    if project is None:
        raise ParameterError(
            "The command needs a project's settings",
            found=f"no project in '{Path.cwd()}' or above it",
            expected="a folder with pyproject.toml and conf/",
            remedy="Run it in the project's folder",
        )
    config = _config(project, env)
    settings = recipe.check(recipe.Release, config["parameters"].get("release", {}))
    store = connect(Project(project, config["mlflow"]))
    return Registry(store.client, model or settings.model)


def _config(project: Path, env: str | None) -> Any:
    from kedro.framework.project import settings
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    arguments = {**settings.CONFIG_LOADER_ARGS, "env": env}
    return settings.CONFIG_LOADER_CLASS(str(project / settings.CONF_SOURCE), **arguments)


def told(version: Any) -> dict[str, Any]:
    """Return what is known of a model version, as plain values."""
    return {
        "version": int(version.version),
        "run_id": version.run_id,
        "source": version.source,
        "aliases": sorted(version.aliases),
        **{key.removeprefix("quantline."): value for key, value in sorted(version.tags.items())},
    }


def lines(version: Any) -> Iterator[tuple[str, str]]:
    """Yield what is known of a model version, a name and its value each."""
    for name, value in told(version).items():
        text = ", ".join(value) if isinstance(value, list) else str(value)
        if text and name != "version":
            yield name.replace("_", " "), text
