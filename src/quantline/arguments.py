"""Arguments in messages: the library names its own, a front end translates them into its words.

The library's messages write an argument as Python does, in backquotes: ```allow_unsafe=True```, or
the bare name ```signature```. The command line has an option for it, the pipeline a parameter.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quantline.errors import QuantlineError

_ARGUMENT = re.compile(r"`(?P<name>[a-z_][a-z0-9_]*)(?:=(?P<value>[^`]*))?`")


def translate(text: str, name_of: Callable[[str, str | None], str | None]) -> str:
    """Return a message in the words of a front end.

    Args:
        text: The message, with arguments in backquotes.
        name_of: Gives what the front end calls an argument, by its name and its value as Python
            writes it (None without one); None where it has no word of its own for it.
    """

    def replace(match: re.Match[str]) -> str:
        return name_of(match["name"], match["value"]) or match[0]

    return _ARGUMENT.sub(replace, text)


def translated(
    error: QuantlineError, name_of: Callable[[str, str | None], str | None]
) -> QuantlineError:
    """Return an error in the words of a front end; see :func:`translate`."""
    what, found, expected, remedy = (
        translate(text, name_of) for text in (error.what, error.found, error.expected, error.remedy)
    )
    return type(error)(what, found=found, expected=expected, remedy=remedy, details=error.details)


def as_parameter(keys: Mapping[str, str]) -> Callable[[str, str | None], str | None]:
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


def as_option(
    options: Mapping[str, str], flags: frozenset[str] = frozenset()
) -> Callable[[str, str | None], str | None]:
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
        return f"'{option} {_word(value)}'"

    return name_of


def _word(value: str) -> str:
    """Return a Python literal as a word of a command line: lists and strings lose their marks."""
    return ", ".join(part.strip().strip("'\"") for part in value.strip("[]()").split(","))


def _yaml(value: str) -> str:
    words = {"True": "true", "False": "false", "None": "null"}
    return words.get(value, value.strip("'\""))
