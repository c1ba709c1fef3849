"""The way in which a model is read: arguments that all functions which take one have."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypedDict

from quantline import recipe
from quantline.api.given import as_file
from quantline.errors import ParameterError, suggest
from quantline.recipe.check import check_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quantline.api.given import ModelLike


class Reading(TypedDict, total=False):
    """Keyword arguments that say how a model is read.

    Attributes:
        signature: The signature of a SavedModel or ``.tflite``; None for the only one, or
            ``serving_default``.
        allow_lambda: Whether a Keras file may hold or name code; False by default.
        allow_unsafe: Whether a SavedModel may do more than compute; False by default.
        custom_objects: The path of a ``.py`` file, or the name of a module, with the user's own
            layers that a Keras file names; it is imported, and so runs. None by default.
        load_s: After how many seconds loading is ended; 300 by default.
        memory_gib: Beyond how much memory, in GiB, loading and running the model is ended; 16 by
            default, None for no limit.
    """

    signature: str | None
    allow_lambda: bool
    allow_unsafe: bool
    custom_objects: str | None
    load_s: int
    memory_gib: float | None


_LIMITS = ("load_s", "memory_gib")
# That a misspelt one may be meant to be.
_ARGUMENTS = [
    *Reading.__annotations__,
    *recipe.Conversion.model_fields,
    *recipe.Ranges.model_fields,
]


@contextmanager
def opened(model: ModelLike, reading: Reading) -> Iterator[tuple[recipe.Model, recipe.Limits]]:
    """Give a model as a file, with the parameters of how it is read.

    Raises:
        ParameterError: An argument is unknown or has a bad value.
    """
    blocks("", reading)  # before a model is written to a file
    with as_file(model) as path:
        yield blocks(str(path), reading)


def blocks(path: str, reading: Reading) -> tuple[recipe.Model, recipe.Limits]:
    """Return the parameters of how a model is read."""
    for name in reading:
        if name not in Reading.__annotations__:
            raise ParameterError(
                f"There is no argument `{name}`",
                found=f"`{name}`",
                expected="an argument that the function's documentation names",
                remedy=suggest(name, _ARGUMENTS) or "Leave it out",
            )
    values: dict[str, Any] = dict(reading)
    limits = {name: values.pop(name) for name in _LIMITS if name in values}
    return (
        check_arguments(recipe.Model, {"path": path, **values}),
        check_arguments(recipe.Limits, limits),
    )
