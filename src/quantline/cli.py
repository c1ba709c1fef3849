"""The project's command ``kedro run``, with errors as one paragraph and an exit status."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from copy import copy
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.project import configure_logging, pipelines, settings
from kedro.io import DatasetError
from kedro.pipeline import Pipeline
from kedro.utils import find_kedro_project

from quantline.arguments import as_parameter, as_run, either, front_end, translated
from quantline.error_output import as_error, discard_output, write_line
from quantline.errors import ParameterError, QuantlineError, suggest
from quantline.hooks import LockDataFolder, Release
from quantline.project_files import bad_logging, read_mapping
from quantline.recipe import parameter_keys
from quantline.redaction import redact_logs

INTERRUPTED = 130  # what shells report for SIGINT
# Python and Kedro end with 1 themselves, which here says that a candidate is refused.
COULD_NOT_RUN = 2
_KEDROS = {str(option.name): option for option in kedro_run.params}


@click.group(name="quantline")
def cli() -> None:
    """Quantline: trained float models in, verified 8-bit integer models out."""


def _read_config(context: click.Context, option: click.Parameter, value: Any) -> Any:
    """Check the file of ``--config`` before Kedro reads it."""
    if value:
        try:
            section = read_mapping(Path(value)).get(str(context.info_name))
        except QuantlineError as error:
            raise click.BadParameter(str(error)) from error
        if not isinstance(section, dict):
            raise click.BadParameter(f"'{value}' has no mapping '{context.info_name}'")
    read = _KEDROS["config"].callback
    given = value if read is None else read(context, option, value)
    # Kedro splits texts at commas, as they stand on the command line; in YAML there are lists too.
    context.default_map = {
        name: ",".join(map(str, item)) if isinstance(item, list) else item
        for name, item in (context.default_map or {}).items()
    }
    return given


def _options() -> list[click.Parameter]:
    config = copy(_KEDROS["config"])
    config.callback = _read_config
    return [config if option.name == "config" else option for option in kedro_run.params]


@cli.command(name="run", params=_options(), help=kedro_run.help)
def run(**arguments: Any) -> None:
    """Run a pipeline; a user's mistake ends it with one paragraph and its exit status."""
    # A scheduler's SIGTERM ends a run as Ctrl-C does: children stopped, the record closed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    redact_logs()
    env = arguments["env"] or os.environ.get("KEDRO_ENV")
    words = either(as_parameter(parameter_keys()), as_run(env))
    try:
        _use_project_logging()
        _check_selection(arguments)
        assert kedro_run.callback is not None  # noqa: S101 - a command has one
        with front_end(words):
            kedro_run.callback(**arguments)
    except KeyboardInterrupt as interrupt:
        _abandon("KILLED", interrupt)
        write_line(
            "Interrupted. Finished results are kept; the same command runs again.", sys.stderr
        )
        raise SystemExit(INTERRUPTED) from None
    except click.ClickException as error:
        try:
            error.show()
        except OSError:
            discard_output(sys.stderr)
        raise SystemExit(COULD_NOT_RUN) from error
    except Exception as error:
        ours = translated(_find(error) or _of_catalog(error) or as_error(error), words)
        _abandon("FAILED", ours)
        write_line(f"\n{ours}", sys.stderr)
        raise SystemExit(ours.exit_status) from error
    finally:
        for hook in settings.HOOKS:
            if isinstance(hook, LockDataFolder):
                hook.release()  # Kedro tells hooks of no interruption


def _use_project_logging() -> None:
    """Configure logging by the project's file in its subfolders too: Kedro looks in its root."""
    project = find_kedro_project(Path.cwd())
    if project is None or project == Path.cwd() or os.environ.get("KEDRO_LOGGING_CONFIG"):
        return
    path = project / "conf" / "logging.yml"
    if not path.exists():
        return
    values = read_mapping(path)
    try:
        configure_logging(values)
    except (ValueError, TypeError, AttributeError) as error:
        raise bad_logging(error) from error


def _check_selection(arguments: dict[str, Any]) -> None:
    """Check the selection of nodes before Kedro does, whose refusals are tracebacks.

    Raises:
        ParameterError: A pipeline, node, tag or dataset that was named does not exist.
    """
    single, several = arguments["pipeline"], arguments["pipelines"]
    names = [single] if single else several or ["__default__"]
    known = sorted(name for name in pipelines.keys() if name != "__default__")
    for name in names:
        if name not in pipelines.keys():
            raise ParameterError(
                f"There is no pipeline '{name}'",
                found=f"'{name}'",
                expected=f"one of {', '.join(known)}, or none for the whole chain",
                remedy=suggest(name, known) or "Correct '--pipelines'",
            )
    try:
        sum((pipelines[name] for name in names), Pipeline([])).filter(
            tags=arguments["tags"],
            from_nodes=arguments["from_nodes"],
            to_nodes=arguments["to_nodes"],
            node_names=arguments["node_names"],
            from_inputs=arguments["from_inputs"],
            to_outputs=arguments["to_outputs"],
            node_namespaces=arguments["namespaces"],
        )
    except ValueError as error:
        raise ParameterError(
            "The options select nothing that can be run",
            found=str(error),
            expected="nodes, tags and datasets of the chosen pipelines",
            remedy=f"'kedro registry describe {names[0]}' lists its nodes",
        ) from error


def _find(error: BaseException | None) -> QuantlineError | None:
    """Return the QuantlineError in the chain of causes; None if there is none."""
    while error is not None and not isinstance(error, QuantlineError):
        error = error.__cause__ or error.__context__
    return error


def _of_catalog(error: Exception) -> ParameterError | None:
    """Return the error for a catalog entry that is not a dataset; None for another error."""
    frames = traceback.extract_tb(error.__traceback__)
    if not isinstance(error, DatasetError) or "from_config" not in {frame.name for frame in frames}:
        return None
    return ParameterError(
        "catalog.yml describes a dataset that cannot be made",
        found=" ".join(str(error).split())[:300],
        expected="the types and paths of conf/base/catalog.yml",
        remedy="Correct the entry, or restore the file from the repository",
    )


def _abandon(status: str, error: BaseException) -> None:
    for hook in settings.HOOKS:
        if isinstance(hook, Release):
            hook.abandon(status, error)
