"""Parsing YAML text, whose events are checked before any value is built.

A few lines of aliases that name aliases stand for billions of values ("a billion laughs"), and
a reader that recurses dies of deep nesting. The parser's events are neither: they are counted here,
an alias as all that it stands for, and only what is small goes on to a loader.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import yaml

LARGEST_BYTES = 1 << 20
MOST_NODES = 20_000
DEEPEST = 50

# The parser in C reads a file of the largest size in a second; the one in Python takes a minute.
_SAFE: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class _Loader(_SAFE):  # type: ignore[misc]
    """A safe loader for which a date is a text, as it is for Kedro's."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        start: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for start, resolvers in _SAFE.yaml_implicit_resolvers.items()
    }


class YamlUnreadable(ValueError):
    """A text is not YAML within the limits; the message says what was found, and where."""


@dataclass
class _Open:
    """A list or mapping that the parser has not yet left."""

    anchor: str | None
    is_mapping: bool
    nodes: int = 1
    children: int = 0
    keys: set[str] = field(default_factory=set)


def check_yaml(text: str) -> None:
    """Refuse text that is not YAML, or that expands to too many values."""
    sizes: dict[str, int | None] = {}  # None: not complete yet, so an alias to it is a loop
    # What is outside of every list and mapping: the whole text.
    stack = [_Open(None, is_mapping=False)]
    try:
        for event in yaml.parse(text, _Loader):
            _take(event, stack, sizes)
    except yaml.YAMLError as error:
        raise YamlUnreadable(_said(error)) from error


def load_yaml(text: str) -> Any:
    """Return the plain values of a YAML text."""
    check_yaml(text)
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise YamlUnreadable(_said(error)) from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise YamlUnreadable(f"a value that is none of YAML's ({said[:200]})") from error


def _take(event: Any, stack: list[_Open], sizes: dict[str, int | None]) -> None:
    if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
        if len(stack) > DEEPEST:
            raise YamlUnreadable(
                f"{_place(event)}: lists and mappings nested too deeply to be meant"
            )
        if event.anchor is not None:
            sizes[event.anchor] = None
        stack.append(_Open(event.anchor, isinstance(event, yaml.MappingStartEvent)))
    elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
        ended = stack.pop()
        if ended.anchor is not None:
            sizes[ended.anchor] = ended.nodes
        _add(stack[-1], ended.nodes, event)
    elif isinstance(event, yaml.AliasEvent):
        size = sizes.get(event.anchor, 1)  # of one that is not known the loader says it
        if size is None:
            raise YamlUnreadable(f"{_place(event)}: '*{event.anchor}' inside of what it names")
        _add(stack[-1], size, event)
    elif isinstance(event, yaml.ScalarEvent):
        _check_key(event, stack[-1])
        if event.anchor is not None:
            sizes[event.anchor] = 1
        _add(stack[-1], 1, event)


def _check_key(event: Any, inside: _Open) -> None:
    if not inside.is_mapping or inside.children % 2:
        return
    if event.value in inside.keys and event.value != "<<":
        raise YamlUnreadable(f"{_place(event)}: the key '{event.value[:60]}' a second time")
    inside.keys.add(event.value)


def _add(inside: _Open, nodes: int, event: Any) -> None:
    inside.nodes += nodes
    inside.children += 1
    if inside.nodes > MOST_NODES:
        raise YamlUnreadable(
            f"{_place(event)}: what stands for more than {MOST_NODES:,} values, aliases counted as "
            "all that they name"
        )


def _place(event: Any) -> str:
    return f"line {event.start_mark.line + 1}"


def _said(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return " ".join(str(error).split())[:200]
    return f"line {mark.line + 1}, column {mark.column + 1}: {' '.join(str(problem).split())[:200]}"
