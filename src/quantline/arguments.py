"""Translation of the arguments in the library's messages into options or parameters.

The library's messages write an argument as Python does, in backquotes: ```allow_unsafe=True```, or
the bare name ```signature```. The command line has an option for it, the pipeline a parameter.
"""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from quantline.errors import QuantlineError

    Words = Callable[[str, str | None], str | None]

_ARGUMENT = re.compile(r"`(?P<name>[a-z_][a-z0-9_]*)(?:=(?P<value>[^`]*))?`")


# The words of the front end that is at work; without one, messages stay as they are.
_front_ends: list[Words] = []


def translate(text: str, words: Words | None = None) -> str:
    """Return a message with the front end's names for arguments.

    Args:
        text: The message, with arguments in backquotes.
        words: Returns what the front end calls an argument, by its name and its value as Python
            writes it (None without one); None where it has no word of its own for it. By default
            those of the :func:`front_end` that is at work.
    """
    if words is None:
        if not _front_ends:
            return text
        words = _front_ends[-1]

    def replace(match: re.Match[str]) -> str:
        return words(match["name"], match["value"]) or match[0]

    return _ARGUMENT.sub(replace, text)


def translated(error: QuantlineError, words: Words | None = None) -> QuantlineError:
    """Return an error in the words of a front end; see :func:`translate`."""
    what, found, expected, remedy = (
        translate(text, words) for text in (error.what, error.found, error.expected, error.remedy)
    )
    return type(error)(what, found=found, expected=expected, remedy=remedy, details=error.details)


@contextmanager
def front_end(words: Words) -> Iterator[None]:
    """Use the words of a front end meanwhile, also in what Quantline logs."""
    make = logging.getLogRecordFactory()

    @wraps(make)
    def translating(*arguments: Any, **named: Any) -> logging.LogRecord:
        record = make(*arguments, **named)
        if record.name.partition(".")[0] == "quantline":
            record.msg, record.args = translate(record.getMessage(), words), ()
        return record

    logging.setLogRecordFactory(translating)
    _front_ends.append(words)
    try:
        yield
    finally:
        _front_ends.pop()
        logging.setLogRecordFactory(make)


def either(first: Words, second: Words) -> Words:
    """Return the first front end's word for an argument, or else the second one's."""
    return lambda name, value: first(name, value) or second(name, value)


def as_run(env: str | None = None) -> Words:
    """Return the words for a part of the pipeline: the options of ``kedro run``.

    Args:
        env: The environment that the pipeline runs in; None for the project's own.
    """
    command = f"kedro run --env {env}" if env else "kedro run"
    options = {"from_nodes": f"{command} --from-nodes", "pipelines": f"{command} --pipelines"}
    return as_option({**options, "env": "--env"})


def as_parameter(keys: Mapping[str, str]) -> Words:
    """Return the words of the pipeline: an argument is a parameter in YAML.

    Args:
        keys: The dotted key of each argument's parameter, such as ``model.allow_unsafe``.
    """

    def name_of(name: str, value: str | None) -> str | None:
        key = keys.get(name)
        if key is None or value is None:
            return key and f"'{key}'"
        return f"'{key}: {_yaml(value)}'"

    return name_of


def as_option(options: Mapping[str, str], flags: frozenset[str] = frozenset()) -> Words:
    """Return the words of the command line: an argument is an option.

    Args:
        options: Each argument's option, such as ``--allow-unsafe``.
        flags: The options that take no value.
    """

    def name_of(name: str, value: str | None) -> str | None:
        option = options.get(name)
        if option is None or value is None or (option in flags and value == "True"):
            return option and f"'{option}'"
        if value in {"False", "None", "[]"}:
            return f"no '{option}'"
        if value.startswith("["):
            return f"'{' '.join(f'{option} {_word(part)}' for part in value[1:-1].split(','))}'"
        return f"'{option} {_word(value)}'"

    return name_of


def _word(value: str) -> str:
    """Return a Python literal as a word of a command line: a text loses its quotes."""
    return value.strip().strip("'\"")


def _yaml(value: str) -> str:
    words = {"True": "true", "False": "false", "None": "null"}
    return words.get(value, value.strip("'\""))
