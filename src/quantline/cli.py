"""The project's commands: ``kedro run``, with errors as one paragraph and an exit status."""

from __future__ import annotations

import signal
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run

from quantline.errors import QuantlineError
from quantline.hooks import TrackRun

INTERRUPTED = 130  # what shells report for SIGINT


@click.group(name="quantline")
def cli() -> None:
    """Quantline: trained float models in, verified 8-bit integer models out."""


@cli.command(name="run", params=kedro_run.params, help=kedro_run.help)
def run(**arguments: Any) -> None:
    """Run a pipeline; a user's mistake ends it with one paragraph and its exit status."""
    # A scheduler's SIGTERM ends a run as Ctrl-C does: children stopped, the record closed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        assert kedro_run.callback is not None  # noqa: S101 - a command has one
        kedro_run.callback(**arguments)
    except KeyboardInterrupt as interrupt:
        _abandon("KILLED", interrupt)
        click.echo("Interrupted. Finished results are kept; the same command runs again.", err=True)
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        ours = _find(error)
        if ours is None:
            raise
        _abandon("FAILED", ours)
        click.echo(f"\n{ours}", err=True)
        raise SystemExit(ours.exit_status) from error


def _find(error: BaseException | None) -> QuantlineError | None:
    """Find our error below what Kedro wrapped around it."""
    while error is not None and not isinstance(error, QuantlineError):
        error = error.__cause__ or error.__context__
    return error


def _abandon(status: str, error: BaseException) -> None:
    from kedro.framework.project import settings

    for hook in settings.HOOKS:
        if isinstance(hook, TrackRun):
            hook.abandon(status, error)
