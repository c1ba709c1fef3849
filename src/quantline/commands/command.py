"""The base of all commands: results for people and machines, errors, exit statuses."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from quantline.arguments import as_option, as_run, either, front_end, translate, translated
from quantline.error_output import (
    BROKEN_PIPE,
    as_error,
    discard_output,
    output_not_printed,
    write_line,
)
from quantline.errors import QuantlineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import NoReturn

    from quantline.arguments import Words

# What the library calls otherwise than the commands do, by the names of their parameters.
_ALIASES = {
    "path": ("model", "float_model"),
    "pinned": ("pins",),
    "min_runtime_version": ("runtime_version",),
    "calibration_examples": ("calibration", "data"),
    "samples": ("calibration", "data"),
}


@dataclass(frozen=True)
class Result:
    """The result of a command.

    Attributes:
        text: For people.
        values: The same and more for machines: plain JSON values.
        exit_status: 1 where a model fails what was asked of it, and the result says in what.
    """

    text: str
    values: dict[str, Any]
    exit_status: int = 0


class Command(click.Command):
    """A command whose callback returns a :class:`Result`, and whose errors are one paragraph.

    With ``--json`` exactly one JSON object goes to stdout, also for a mistake: then its only keys
    are ``error`` and ``exit_status``. The paragraph is on stderr either way.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params.append(
            click.Option(["--json", "as_json"], is_flag=True,
                         help="Print one JSON object for machines, also for a mistake.")
        )  # fmt: skip

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; report mistakes as JSON too, where it was asked for."""
        as_json = "--json" in args
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if as_json:
                _tell({"kind": "UsageError", "what": error.format_message()}, error.exit_code)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and print its result or its error."""
        with front_end(self._words()):
            self._run(ctx, as_json=ctx.params.pop("as_json"))

    def _words(self) -> Words:
        """Return what this command calls the library's arguments."""
        names = {str(param.name): _name(param) for param in self.params}
        for alias, meant in _ALIASES.items():
            known = [names[name] for name in meant if name in names]
            if known:
                names.setdefault(alias, known[0])
        flags = frozenset(
            names[str(param.name)]
            for param in self.params
            if isinstance(param, click.Option) and param.is_flag
        )
        return either(either(as_option(names, flags), as_run()), _describe)

    def _run(self, ctx: click.Context, *, as_json: bool) -> None:
        try:
            with _shown_messages():
                result: Result = super().invoke(ctx)
            text = to_json(result.values) if as_json else result.text
        except QuantlineError as error:
            _stop(ctx, translated(error), as_json=as_json)
        except click.UsageError as error:
            if as_json:
                _tell({"kind": "UsageError", "what": error.format_message()}, error.exit_code)
            raise
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise  # what click itself makes of them is right
        except Exception as error:
            _stop(ctx, as_error(error), as_json=as_json)
        _print(ctx, text)
        if result.exit_status:
            ctx.exit(result.exit_status)


def _print(ctx: click.Context, text: str) -> None:
    try:
        click.echo(text)
    except BrokenPipeError:
        discard_output(sys.stdout)
        ctx.exit(BROKEN_PIPE)  # as a program ends that does not catch the signal
    except OSError as error:
        discard_output(sys.stdout)
        _stop(ctx, output_not_printed(error), as_json=False)


def to_json(values: Any) -> str:
    """Return values as JSON with sorted keys; NaN is refused."""
    return json.dumps(values, sort_keys=True, indent=1, allow_nan=False)


def _name(param: click.Parameter) -> str:
    """Return how a command line has a parameter: ``--option``, or ``ARGUMENT``."""
    return param.opts[-1] if isinstance(param, click.Option) else param.human_readable_name


def _describe(name: str, value: str | None) -> str | None:
    """Return a phrase for what no command has as an option: samples are given as they are."""
    return "the preparation of the samples" if name == "transform" and value is None else None


@contextmanager
def deferred_warnings() -> Iterator[None]:
    """Delay the library's log until the work is done; drop it where the work fails."""
    texts: list[str] = []
    with _handled("quantline", logging.WARNING, texts.append):
        yield
    for text in texts:
        write_line(text, sys.stderr)


def _shown_messages() -> AbstractContextManager[None]:
    """Print the log of the library's functions on stderr at once."""
    return _handled("quantline.api", logging.INFO, lambda text: write_line(text, sys.stderr))


@contextmanager
def _handled(name: str, level: int, take: Callable[[str], None]) -> Iterator[None]:
    """Pass the messages of a logger and of those below it to a function only."""
    handler = _Messages(take)
    logger = logging.getLogger(name)
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before


class _Messages(logging.Handler):
    """A handler that passes messages to a function, with their severity and options' names."""

    def __init__(self, take: Callable[[str], None]) -> None:
        super().__init__()
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        kinds = {logging.INFO: "", logging.WARNING: "warning: "}
        self._take(f"{kinds.get(record.levelno, 'Error: ')}{translate(record.getMessage())}")


def error_values(error: QuantlineError) -> dict[str, str]:
    """Return an error as plain JSON values."""
    parts = ("what", "found", "expected", "remedy")
    return {"kind": type(error).__name__, **{name: getattr(error, name) for name in parts}}


def _stop(ctx: click.Context, error: QuantlineError, *, as_json: bool) -> NoReturn:
    if as_json:
        _tell(error_values(error), error.exit_status)
    write_line(f"Error: {error}", sys.stderr)
    ctx.exit(error.exit_status)


def _tell(error: dict[str, Any], status: int) -> None:
    write_line(to_json({"error": error, "exit_status": status}), sys.stdout)


def output_option(what: str) -> Callable[[Any], Any]:
    """Return the option ``-o OUT`` together with ``--force``."""

    def both(function: Any) -> Any:
        force = click.option("--force", "overwrite", is_flag=True, help="Replace a different file.")
        out = click.option("-o", "--out", required=True, metavar="OUT", help=what)
        return out(force(function))

    return both
