"""``quantline champion``, ``promote`` and ``rollback``: the registered model's versions."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quantline import recipe
from quantline.commands.command import Command, Result
from quantline.errors import ParameterError
from quantline.project_files import bad_logging, check_logging
from quantline.redaction import redacted
from quantline.tables import pairs, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quantline.release.registry import Registry


def _registry_options(function: Any) -> Any:
    """Add ``--model`` and ``--env``."""
    model = click.option(
        "--model", metavar="NAME", help="The registered model; by default the project's."
    )
    env = click.option(
        "--env", metavar="ENV", help="The environment of the project, a folder of conf/."
    )
    return model(env(function))


@click.command("champion", cls=Command)
@_registry_options
def champion(model: str | None, env: str | None) -> Result:
    """Show the champion with its lineage: what it was made from, and the champions before it.

    \b
        quantline champion
        quantline champion --json | jq .lineage

    Exit status: 2 if there is none.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from quantline.release.registry import CHALLENGER, PREVIOUS, PROMOTED
    from quantline.release.store_errors import tracking_errors

    registry = _open_registry(model, env)
    with tracking_errors(f"read the registered model '{registry.name}'"):
        lineage = registry.lineage()
        challenger = registry.version_of(CHALLENGER)
    rows = [("champion", f"{registry.name}, version {lineage[0].version}"), *_rows(lineage[0])]
    if challenger is not None:
        rows.append(
            ("challenger", f"version {challenger.version}; 'quantline promote' approves it")
        )
    text = pairs(rows)
    if len(lineage) > 1:
        headings = ("version", "promoted", "after", "run")
        past = [
            (str(version.version), version.tags.get(PROMOTED, ""), version.tags.get(PREVIOUS, ""),
             version.run_id or "")
            for version in lineage
        ]  # fmt: skip
        text += f"\n\n{table(headings, past)}"
    values = {
        "model": registry.name,
        "champion": _describe(lineage[0]),
        "challenger": None if challenger is None else _describe(challenger),
        "lineage": [_describe(version) for version in lineage],
    }
    return Result(text, values)


@click.command("promote", cls=Command)
@_registry_options
def promote(model: str | None, env: str | None) -> Result:
    """Approve the challenger: it becomes the champion.

    It passed its gate when it was registered. If the champion changed since, it is not promoted,
    for it was compared with another one.

    \b
        quantline promote --model fashion_mnist
    """  # noqa: D301 - click's mark for lines that stay as they are
    from quantline.release import promotion
    from quantline.release.store_errors import tracking_errors

    registry = _open_registry(model, env)
    with tracking_errors(f"promote the challenger of '{registry.name}'"):
        version = promotion.promote(registry)
    text = f"{registry.name}: version {version.version} is the champion"
    return Result(text, {"model": registry.name, "champion": _describe(version)})


@click.command("rollback", cls=Command)
@click.option(
    "--reason", required=True,
    help="The reason, which is kept with the version that is rolled back.",
)  # fmt: skip
@_registry_options
def rollback(reason: str, model: str | None, env: str | None) -> Result:
    """Make the previous champion champion again.

    The version that is rolled back stays registered, with the reason, and is not promoted again by
    itself.

    \b
        quantline rollback --reason 'too slow on the phone'
    """  # noqa: D301 - click's mark for lines that stay as they are
    from quantline.release.promotion import roll_back
    from quantline.release.store_errors import tracking_errors

    if not reason.strip():
        raise click.UsageError("'--reason' is empty: say why, for whoever looks at it later.")
    registry = _open_registry(model, env)
    with tracking_errors(f"roll '{registry.name}' back"):
        before, now = roll_back(registry, reason)
    text = (
        f"{registry.name}: version {now.version} is the champion again; version {before.version} "
        f"was rolled back: {reason}"
    )
    values = {"model": registry.name, "champion": _describe(now), "rolled_back": _describe(before)}
    return Result(text, values)


def _open_registry(model: str | None, env: str | None) -> Registry:
    """Reach the registry that the project's parameters name."""
    from kedro.utils import find_kedro_project

    from quantline.configuration import read_mlflow, read_parameters
    from quantline.release.registry import Registry
    from quantline.release.tracking import Project, connect

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


def _describe(version: Any) -> dict[str, Any]:
    """Return a model version as plain JSON values."""
    return {
        "version": int(version.version),
        "run_id": version.run_id,
        "source": redacted(version.source),
        "aliases": sorted(version.aliases),
        "tags": dict(sorted(version.tags.items())),
    }


def _rows(version: Any) -> Iterator[tuple[str, str]]:
    """Yield a model version as pairs of a name and a text."""
    from quantline.release.registry import ARTIFACTS

    yield "aliases", ", ".join(sorted(version.aliases))
    yield "run", version.run_id or "none"
    yield "files", redacted(version.source)
    for key, value in sorted(version.tags.items()):
        # A line of hashes is for machines, which find them with --json.
        yield key, f"those of {value.count(':')} files" if key == ARTIFACTS else value
