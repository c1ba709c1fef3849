"""The check of plain values against the parameters' types, with one error for every mistake."""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from quantline.errors import ParameterError, suggest
from quantline.recipe.conversion import Baseline, Calibration, Conversion, Validation
from quantline.recipe.data import Dataset, Model, Sampling
from quantline.recipe.evaluation import Evaluation
from quantline.recipe.gate import Gate
from quantline.recipe.limits import Limits
from quantline.recipe.parameters import Inner, Parameters
from quantline.recipe.release import Release, Training

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BLOCKS: dict[str, type[Parameters]] = {
    "model": Model,
    "dataset": Dataset,
    "sampling": Sampling,
    "baseline": Baseline,
    "calibration": Calibration,
    "conversion": Conversion,
    "validation": Validation,
    "evaluation": Evaluation,
    "gate": Gate,
    "release": Release,
    "training": Training,
    "limits": Limits,
}

_LONGEST = 300
# Names that parameters had before; the error for an old one gives the new one.
_RENAMED = {"fallen_classes": "regressed_classes"}

B = TypeVar("B", bound=Parameters)


def check(block: type[B], values: Any, key: str | None = None) -> B:
    """Turn one block's plain values into its type.

    Args:
        block: One of the classes above.
        values: A mapping as YAML gives it.
        key: The block's key, for messages; by default the one it has in ``BLOCKS``.

    Raises:
        ParameterError: A value is unknown, missing or of the wrong type.
    """
    key = key or next(name for name, value in BLOCKS.items() if value is block)
    try:
        return block.model_validate(values)
    except ValidationError as error:
        raise _explain(key, block, error) from error


def check_all(parameters: Mapping[str, Any]) -> None:
    """Check every top-level parameter, and that none is unknown or missing.

    Raises:
        ParameterError: The first mistake, with the number of others.
    """
    for key in parameters:
        if key not in BLOCKS:
            raise ParameterError(
                f"Unknown parameter '{key}'",
                found=f"'{key}'",
                expected=f"one of {', '.join(BLOCKS)}",
                remedy=suggest(str(key), list(BLOCKS)) or "Remove it",
            )
    for key, block in BLOCKS.items():
        check(block, parameters.get(key, {}), key)


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
    found = repr(first["input"])
    return ParameterError(
        f"Parameter '{path}' has a bad value{more}",
        found=found if len(found) <= _LONGEST else f"{found[:_LONGEST]} ...",
        expected=first["msg"].removeprefix("Value error, ").removeprefix("Input should be "),
        remedy=f"Correct '{path}' and run again",
    )


def parameter_keys() -> dict[str, str]:
    """Return the dotted key of each parameter by the name of the argument that the library has.

    An argument is called as the last part of the key, or as the last two joined by an underscore
    where several keys end alike: ``calibration_split`` is ``sampling.calibration.split``.
    """
    keys: dict[str, list[str]] = {}
    for key, block in BLOCKS.items():
        for name in (key, *_nested_keys(key, block)):
            keys.setdefault(name.rpartition(".")[2], []).append(name)
            keys.setdefault("_".join(name.split(".")[-2:]), []).append(name)
    return {name: found[0] for name, found in keys.items() if len(set(found)) == 1}


def _nested_keys(prefix: str, block: type[BaseModel]) -> Iterator[str]:
    for name, field in block.model_fields.items():
        yield f"{prefix}.{name}"
        annotation = _without_none(field.annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _nested_keys(f"{prefix}.{name}", annotation)


def _fields_at(block: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    parts = iter(loc)
    for part in parts:
        field = block.model_fields[str(part)]
        annotation = _without_none(field.annotation)
        inner = [mark.block for mark in field.metadata if isinstance(mark, Inner)]
        if inner or get_origin(annotation) in {dict, tuple}:
            next(parts, None)  # a key of the user's own, or a position
            annotation = inner[0] if inner else get_args(annotation)[get_origin(annotation) is dict]
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        block = annotation
    return list(block.model_fields)


def _without_none(annotation: Any) -> Any:
    """Return the one type that a field may have besides None."""
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    is_optional = get_origin(annotation) is UnionType and len(kinds) == 1
    return kinds[0] if is_optional else annotation
