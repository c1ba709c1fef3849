"""The registered model that a command is about: the project's, or the one that is named."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quantline import recipe
from quantline.errors import ParameterError
from quantline.project_files import bad_logging, check_logging
from quantline.redaction import redacted

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
        model: The registered model's name; if None, the project's.
        env: The project's environment; Kedro's default if None.

    Raises:
        ParameterError: There is no project around the current folder, or its parameters are wrong.
        TrackingFailed: The registry cannot be used.
    """
    from kedro.utils import find_kedro_project

    from quantline.configuration import read_mlflow, read_parameters
    from quantline.release.project import Project
    from quantline.release.registry import Registry
    from quantline.release.tracking import connect

    project = find_kedro_project(Path.cwd())
    if project is None:
        raise ParameterError(
            "The command needs a project's settings",
            found=f"no project in '{Path.cwd()}' or above it",
            expected="a folder with pyproject.toml and conf/",
            remedy="Run it in the project's folder",
        )
    config = _config(project, env)
    parameters = read_parameters(config, lambda: config["parameters"])
    settings = recipe.check(recipe.Release, parameters.get("release", {}))
    name = model or settings.name(recipe.check(recipe.Model, parameters["model"]))
    store = connect(Project(project, read_mlflow(config).model_dump()))
    return Registry(store.client, name)


def _config(project: Path, env: str | None) -> Any:
    check_logging(project)
    # Kedro logs to stdout, and says so; the result goes there.
    logging.disable(logging.INFO)
    try:
        from kedro.framework.project import settings
        from kedro.framework.startup import bootstrap_project
        from kedro.logging import RichHandler
    except (ValueError, TypeError, AttributeError) as error:
        raise bad_logging(error) from error
    finally:
        logging.disable(logging.NOTSET)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, RichHandler)]:
        root.removeHandler(handler)
    bootstrap_project(project)
    arguments = {**settings.CONFIG_LOADER_ARGS, "env": env}
    return settings.CONFIG_LOADER_CLASS(str(project / settings.CONF_SOURCE), **arguments)


def told(version: Any) -> dict[str, Any]:
    """Return what is known of a model version, as plain values."""
    return {
        "version": int(version.version),
        "run_id": version.run_id,
        "source": redacted(version.source),
        "aliases": sorted(version.aliases),
        "tags": dict(sorted(version.tags.items())),
    }


def lines(version: Any) -> Iterator[tuple[str, str]]:
    """Yield what is known of a model version, a name and its value each."""
    from quantline.release.registry import ARTIFACTS

    yield "aliases", ", ".join(sorted(version.aliases))
    yield "run", version.run_id or "none"
    yield "files", redacted(version.source)
    for key, value in sorted(version.tags.items()):
        # A line of hashes is for machines, which find them with --json.
        yield key, f"those of {value.count(':')} files" if key == ARTIFACTS else value
