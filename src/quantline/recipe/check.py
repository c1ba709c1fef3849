"""The check of plain values against the parameters' types, with one error for every mistake."""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from quantline.errors import ParameterError, suggest
from quantline.recipe.parameters import Inner, Parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

_LONGEST = 300
# Names that parameters had before; the error for an old one gives the new one.
_RENAMED = {"fallen_classes": "regressed_classes"}

B = TypeVar("B", bound=Parameters)


def check(block: type[B], values: Any, key: str | None = None) -> B:
    """Turn one block's plain values into its type.

    Args:
        block: One of the classes above.
        values: A mapping as YAML gives it.
        key: The block's key, for messages; by default its name, as in ``BLOCKS``.

    Raises:
        ParameterError: A value is unknown, missing or of the wrong type.
    """
    key = key or block.__name__.lower()
    try:
        return block.model_validate(values)
    except ValidationError as error:
        raise _explain(key, block, error) from error


def check_arguments(block: type[B], values: Mapping[str, Any]) -> B:
    """Turn the arguments of a function into a block; a mistake is named by the argument.

    Args:
        block: The block.
        values: Its values, those of an inner block as a mapping.

    Raises:
        ParameterError: An argument is unknown or has a bad value.
    """
    try:
        return block.model_validate(values)
    except ValidationError as error:
        problems = error.errors()
        problem = problems[0]
        name = _argument(block, problem["loc"])
        if problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1:
            known = list(block.model_fields)
            raise ParameterError(
                f"There is no argument `{name}`",
                found=f"`{name}`",
                expected=f"one of {', '.join(known)}",
                remedy=suggest(name, known) or "Leave it out",
            ) from error
        raise ParameterError(
            f"The argument `{name}` has a bad value",
            found=_shown(problem["input"]),
            # Of an argument that may be of several types, each says what it wants.
            expected=" or ".join(
                dict.fromkeys(
                    _expected(item) for item in problems if _argument(block, item["loc"]) == name
                )
            ),
            remedy=f"Correct `{name}`",
        ) from error


def _argument(block: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """Return the argument that a place in a block belongs to: those of inner blocks are flat."""
    name = str(loc[0])
    field = block.model_fields.get(name)
    inner = None if field is None else field.annotation
    if isinstance(inner, type) and issubclass(inner, BaseModel) and len(loc) > 1:
        return _argument(inner, loc[1:])
    return name


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def _expected(problem: Mapping[str, Any] | ErrorDetails) -> str:
    message: str = problem["msg"]
    return message.removeprefix("Value error, ").removeprefix("Input should be ")


def _explain(key: str, block: type[Parameters], error: ValidationError) -> ParameterError:
    problems = error.errors()
    # A misspelt name is often why another is missing.
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    first = (unknown or problems)[0]
    path = ".".join([key, *(str(part) for part in first["loc"])])
    others = len(problems) - 1
    more = f" ({others} more mistake{'s' * (others > 1)} in '{key}')" if others else ""
    if first["type"] == "extra_forbidden":
        known = _fields_at(block, first["loc"][:-1])
        name = str(first["loc"][-1])
        renamed = _RENAMED.get(name)
        return ParameterError(
            f"Unknown parameter '{path}'{more}",
            found=f"'{first['loc'][-1]}'",
            expected=f"one of {', '.join(known)}",
            remedy=f"'{name}' is called '{renamed}' now"
            if renamed in known
            else suggest(name, known) or "Remove it",
        )
    if first["type"] == "missing":
        return ParameterError(
            f"Parameter '{path}' is missing{more}",
            found="no value",
            expected="a value, as in conf/base",
            remedy=f"Set '{path}' in conf/base, in your environment, or with --params",
        )
    return ParameterError(
        f"Parameter '{path}' has a bad value{more}",
        found=_shown(first["input"]),
        expected=_expected(first),
        remedy=f"Correct '{path}' and run again",
    )


def _fields_at(block: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    parts = iter(loc)
    for part in parts:
        field = block.model_fields[str(part)]
        annotation = without_none(field.annotation)
        inner = [mark.block for mark in field.metadata if isinstance(mark, Inner)]
        if inner or get_origin(annotation) in {dict, tuple}:
            next(parts, None)  # a key of the user's own, or a position
            annotation = inner[0] if inner else get_args(annotation)[get_origin(annotation) is dict]
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        block = annotation
    return list(block.model_fields)


def without_none(annotation: Any) -> Any:
    """Return the one type that a field may have besides None."""
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    is_optional = get_origin(annotation) is UnionType and len(kinds) == 1
    return kinds[0] if is_optional else annotation
