"""The origin of each result, and the check that results belong together.

A result names, by hash, the results that it was made from, and the parameters. The statement lies
in the result itself, so that it goes where the file goes: into DVC's cache and back, into MLflow. A
file that has no room for it, such as a model, is named by a result that was written with it.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from quantline.errors import MismatchError, first_few
from quantline.files import canonical_json, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")
KEY = "made_from"


@dataclass(frozen=True)
class MadeFrom:
    """The statement of origin of one result: the hashes of its inputs, and its parameters.

    Attributes:
        inputs: The SHA-256 of each result that went in, by its name in the catalog.
        outputs: The SHA-256 of each file that was written with this one and has no room for such a
            statement, likewise.
        parameters: The parameters, by their top-level key.
        content: The SHA-256 of the result's own content, without this statement; None but in JSON,
            which people edit.
    """

    inputs: Mapping[str, str]
    outputs: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    content: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {key: value for key, value in vars(self).items() if value is not None}

    def brief(self) -> bytes:
        """Return the statement as JSON without the parameters.

        Tables and arrays that come out equal from other parameters are then equal files.
        """
        return canonical_json(replace(self, parameters={}).to_dict())

    @classmethod
    def from_dict(cls, values: Any) -> MadeFrom:
        """Build the statement from what :meth:`to_dict` gave.

        Raises:
            ValueError: The values are something else.
        """
        if not isinstance(values, dict) or not values.keys() <= cls.__dataclass_fields__.keys():
            raise ValueError(f"'{KEY}' does not name inputs, outputs and parameters")
        made = cls(**{"inputs": None, **values})
        for hashes in (made.inputs, made.outputs):
            if not isinstance(hashes, dict) or not all(
                isinstance(value, str) for value in hashes.values()
            ):
                raise ValueError(f"'{KEY}' does not name hashes")
        if not isinstance(made.parameters, dict) or not isinstance(made.content, str | None):
            raise ValueError(f"'{KEY}' does not name parameters")
        return made


class Result(Protocol):
    """A file or folder that a stage wrote."""

    @property
    def filepath(self) -> Path: ...  # noqa: D102
    @property
    def has_statement(self) -> bool: ...  # noqa: D102
    def sha256(self) -> str | None:
        """Return the SHA-256 of what is there now, without the statement; None without a file."""
        ...

    def read_made_from(self) -> MadeFrom | None:
        """Return the statement in the file; None where it has none."""
        ...


@dataclass(frozen=True)
class Maker:
    """A step of the pipelines that writes results.

    Attributes:
        name: Its name in the pipeline.
        inputs: The names of the results that it takes.
        outputs: The names of the results that it writes.
    """

    name: str
    inputs: frozenset[str]
    outputs: tuple[str, ...]


def sealed(value: Mapping[str, Any], made: MadeFrom) -> dict[str, Any]:
    """Return a JSON result with its statement, and the hash of the rest in it."""
    # As it will be read: JSON has no keys but text, which sorts otherwise than numbers.
    content = json.loads(json.dumps({key: item for key, item in value.items() if key != KEY}))
    return {**content, KEY: {**made.to_dict(), "content": content_sha256(content)}}


def content_sha256(content: Any) -> str:
    """Return the SHA-256 of a JSON value, however it is laid out in its file."""
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def check(
    names: Iterable[str],
    find: Callable[[str], Result | None],
    makers: Mapping[str, Sequence[Maker]],
) -> None:
    """Check that results, and all that they were made from, belong together.

    Args:
        names: The results that are to be used together.
        find: Returns the result of a name; None for what is no file of a stage.
        makers: The steps that write each result, by its name; usually one.

    Raises:
        MismatchError: A result was made from others than those that are there now, was changed
            after it was written, or does not say what it was made from.
    """
    walk = _Walk(find, makers)
    for name in names:
        walk.visit(name)
    # What follows from another problem goes away with it.
    roots = {
        name: problem
        for name, problem in walk.problems.items()
        if not walk.upstream[name] & walk.problems.keys()
    }
    if not roots:
        return
    nodes = sorted({makers[name][0].name for name in roots})
    raise MismatchError(
        "The results on disk do not belong together",
        found="; ".join(_sentences(roots)),
        expected="results that were made from each other",
        remedy=f"Run the pipeline with `from_nodes={','.join(nodes)}`: it makes them again, and "
        "all that follows",
    )


@dataclass(frozen=True)
class _Problem:
    """A problem with one result: a phrase about its file, or the inputs that changed."""

    file: str
    phrase: str = ""
    changed: tuple[str, ...] = ()


class _Walk:
    """A walk from results to all results that they were made from.

    Attributes:
        problems: What is wrong with each result, by its name.
        upstream: The names of all that each result was made from, directly or not.
    """

    def __init__(
        self, find: Callable[[str], Result | None], makers: Mapping[str, Sequence[Maker]]
    ) -> None:
        self.problems: dict[str, _Problem] = {}
        self.upstream: dict[str, set[str]] = {}
        self._find = find
        self._makers = makers

    def visit(self, name: str) -> set[str]:
        """Examine a result and what it was made from; return the names of the latter."""
        if name in self.upstream:
            return self.upstream[name]
        seen = self.upstream[name] = set()
        result = self._find(name)
        # What no stage writes is nobody's result; of a missing file its reader says so.
        if result is None or name not in self._makers or not result.filepath.exists():
            return seen
        stating = self._stating(name, result)
        if stating is None:
            return seen
        made = _read(stating.read_made_from)
        if made is None or _read(result.sha256) is None:
            phrase = "is damaged, or does not say what it was made from"
            self.problems[name] = _Problem(_name(stating), phrase)
            return seen
        for source in made.inputs:
            seen |= {source} | self.visit(source)
        problem = self._examine(name, result, stating, made)
        if problem is not None:
            self.problems[name] = problem
        return seen

    def _stating(self, name: str, result: Result) -> Result | None:
        """Return the result that says what one was made from: itself, or one written with it."""
        written = map(self._find, self._makers[name][0].outputs)
        stating = (output for output in written if output is not None and output.has_statement)
        return result if result.has_statement else next(stating, None)

    def _examine(
        self, name: str, result: Result, stating: Result, made: MadeFrom
    ) -> _Problem | None:
        if stating is not result and made.outputs.get(name) != result.sha256():
            return _Problem(_name(result), f"is not the one that {_name(stating)} was written with")
        if made.content is not None and made.content != stating.sha256():
            return _Problem(_name(stating), "was changed after it was written")
        if all(made.inputs.keys() != maker.inputs for maker in self._makers[name]):
            return _Problem(_name(stating), "was written by another version of this step")
        sources = {source: self._find(source) for source in made.inputs}
        changed = [
            source if found is None else _name(found)
            for source, found in sources.items()
            if found is None or _read(found.sha256) != made.inputs[source]
        ]
        return _Problem(_name(result), changed=tuple(changed)) if changed else None


def _read(read: Callable[[], T | None]) -> T | None:
    """Return what is read from a file; None also where the file is damaged."""
    try:
        return read()
    except Exception:
        return None


def _name(result: Result) -> str:
    """Return a result's path as one would type it."""
    path = os.path.relpath(result.filepath)
    return f"'{result.filepath if path.startswith('..') else path}'"


def _sentences(problems: Mapping[str, _Problem]) -> Iterator[str]:
    yield from dict.fromkeys(
        f"{problem.file} {problem.phrase}" for problem in problems.values() if problem.phrase
    )
    stale: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for problem in problems.values():
        if problem.changed:
            stale[problem.changed].append(problem.file)
    for changed, files in stale.items():
        verb = "was" if len(files) == 1 else "were"
        sources = f"{first_few(changed, 3)} as {'it is' if len(changed) == 1 else 'they are'} now"
        yield f"{first_few(files, 3)} {verb} not made from {sources}"
