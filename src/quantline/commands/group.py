"""``quantline``: the commands of this package, each loaded when it is called, and Kedro's."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quantline import __version__
from quantline.error_output import as_error, write_line
from quantline.errors import QuantlineError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTED = 130  # what shells report for SIGINT

OURS = {
    "new": "Make a project, with an example that runs.",
    "quantize": "Quantize a trained float model to a .tflite file.",
    "record": "Record what every activation of a float model is on samples.",
    "merge": "Merge recorded ranges of one model.",
    "layers": "Compare a float and a quantized model layer by layer.",
    "evaluate": "Score a classifier on labelled examples, with intervals.",
    "compare": "Compare two classifiers on the same labelled examples.",
    "ranges": "Show recorded ranges: a table, a plot, the drift against others.",
    "validate": "Hold a .tflite file to the integer specification, a target, golden vectors.",
    "champion": "Show the champion, its lineage, and the challenger.",
    "promote": "Approve the challenger: it becomes the champion.",
    "rollback": "Make the previous champion champion again.",
    "edgetpu": "Say what the Edge TPU does with a .tflite file: operators, memory, latency.",
    "edgetpu-score": "Score the Edge TPU predictions on models that were compiled.",
}
# The modules of commands that share one; any other command has a module of its own.
_MODULES = {
    "merge": "record",
    "compare": "evaluate",
    "champion": "registered",
    "promote": "registered",
    "rollback": "registered",
}
# Named here for the help alone, which must not wait for Kedro; plugins may add others.
KEDROS = {
    "run": "Run the pipeline, or stages of it.",
    "registry": "List and describe the pipelines.",
    "catalog": "List and describe the datasets.",
    "info": "Show the versions of Kedro and its plugins.",
    "...": "ipython, jupyter, package, pipeline, server, starter: see 'kedro --help'.",
}

# Kedro has these inside of a project alone, and elsewhere says that there is no such command.
_OF_A_PROJECT = {"run", "registry", "catalog"}


class Commands(click.Group):
    """Quantline's commands by name; any other name is passed on to Kedro."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return our commands' names."""
        del ctx
        return list(OURS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one of our commands; for another name, return one that hands over to Kedro."""
        if cmd_name in OURS:
            name = cmd_name.replace("-", "_")
            module = importlib.import_module(f"quantline.commands.{_MODULES.get(name, name)}")
            command: click.Command = getattr(module, name)
            return command
        near = "" if cmd_name in KEDROS else suggest(cmd_name, list(OURS))
        if near:
            ctx.fail(f"No such command '{cmd_name}'. {near}")
        return _Kedros(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both lists of commands without loading any of them."""
        del ctx
        for heading, commands in (
            ("Commands", OURS),
            ("Kedro's commands, in the folder of a project", KEDROS),
        ):
            with formatter.section(heading):
                formatter.write_dl(list(commands.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; end an interruption or a defect with an exit status."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise  # what click itself makes of them is right
        except Exception as error:
            # Output that takes nothing is an OSError of no file, which is left to the caller.
            if isinstance(error, OSError) and error.filename is None:
                raise
            ours = as_error(error)
            write_line(f"Error: {ours}", sys.stderr)
            ctx.exit(ours.exit_status)
        except KeyboardInterrupt:
            write_line(
                "\nInterrupted. Nothing was half-written; the same command runs again.", sys.stderr
            )
            ctx.exit(INTERRUPTED)


class _Kedros(click.Command):
    """A command that passes the command line on to Kedro."""

    def __init__(self, name: str) -> None:
        settings: dict[str, Any] = {
            "ignore_unknown_options": True,
            "allow_interspersed_args": False,
            "help_option_names": [],
        }
        rest = click.Argument(["rest"], nargs=-1, type=click.UNPROCESSED)
        super().__init__(name, params=[rest], add_help_option=False, context_settings=settings)

    def invoke(self, ctx: click.Context) -> Any:
        from kedro.utils import find_kedro_project

        project = find_kedro_project(Path.cwd())
        if self.name in _OF_A_PROJECT and project is None:
            ctx.fail(f"'{self.name}' runs in a project's folder, and there is none around here.")
        try:
            main = _start_kedro(project)
        except QuantlineError as error:
            write_line(f"Error: {error}", sys.stderr)
            ctx.exit(error.exit_status)
        main()


def _start_kedro(project: Path | None) -> Callable[[], None]:
    """Import Kedro, which sets up logging by the project's file at once."""
    from quantline.packaged import choose_logging
    from quantline.project_files import bad_logging, check_logging

    choose_logging(project or Path.cwd())
    if project is not None:
        check_logging(project)
    try:
        from kedro.framework.cli.cli import main
    except (ValueError, TypeError, AttributeError) as error:
        raise bad_logging(error) from error
    return main  # type: ignore[no-any-return]


@click.group(
    "quantline", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
@click.version_option(__version__, "-V", "--version", message="quantline %(version)s")
def quantline() -> None:
    """Quantline: trained float models in, verified 8-bit integer models out.

    \b
        quantline quantize model.keras --calibration samples.npz -o model_int8.tflite

    Exit status: 0 if all went well; 1 if the model fails what was asked of it, such as integers
    only; 2 for bad input; 130 if interrupted.
    """  # noqa: D301 - click's mark for lines that stay as they are
