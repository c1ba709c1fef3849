"""Options that several commands share: reading a model and its samples, and choosing ranges."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from quantline.range_methods import DEFAULT, METHODS, PARAMETERS

if TYPE_CHECKING:
    from quantline.api.given import Reading
    from quantline.registry import Parameter


SAMPLES = (
    "One array for each model input, by its name, samples along the first axis; for a model of one "
    "input, a single array of any name, or the array 'x'."
)

lint_option = click.option(
    "--lint", type=click.Choice(["error", "warn"]), default="error", show_default=True,
    help="Whether calibration data that would give a wrong model stops the command.",
)  # fmt: skip


def reading_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add how a model is read, and give the command that as ``reading``, arguments by name."""

    @click.option("--signature", metavar="KEY", help="Which signature of a SavedModel or .tflite.")
    @click.option(
        "--allow-lambda", is_flag=True,
        help="Run code that a Keras file holds or names: only for files you trust.",
    )  # fmt: skip
    @click.option(
        "--allow-unsafe", is_flag=True,
        help="Let a SavedModel use files, the network and Python: only where you trust it.",
    )  # fmt: skip
    @click.option(
        "--custom-objects", metavar="MODULE",
        help="A .py file or module with layers of your own that a Keras file names; it is run.",
    )  # fmt: skip
    @click.option(
        "--load-s", type=click.IntRange(min=1), default=300, show_default=True, metavar="SECONDS",
        help="After how many seconds the loading of the model is ended.",
    )  # fmt: skip
    @click.option(
        "--memory-gib", type=click.FloatRange(min=0), default=16, show_default=True, metavar="GIB",
        help="Beyond how much memory loading and running the model is ended; 0: no limit.",
    )  # fmt: skip
    @functools.wraps(function)
    def with_reading(*, memory_gib: float, **given: Any) -> Any:
        names = ("signature", "allow_lambda", "allow_unsafe", "custom_objects", "load_s")
        reading = {name: given.pop(name) for name in names} | {"memory_gib": memory_gib or None}
        return function(reading=reading, **given)

    return with_reading


def model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add how a model is read, and give the command two blocks, ``source`` and ``limits``."""

    @reading_options
    @functools.wraps(function)
    def with_blocks(*, model: str, reading: Reading, **others: Any) -> Any:
        from quantline.api.given import blocks

        source, limits = blocks(model, reading)
        return function(source=source, limits=limits, **others)

    return with_blocks


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def method_options(text: str, *others: str) -> Decorator:
    """Add ``--method`` and an option a parameter; give the command all as ``method``."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def with_method(*, method: str, **given: Any) -> Any:
            values = {name: given.pop(name) for name in PARAMETERS}
            return function(method={"method": method, **values}, **given)

        decorated: Callable[..., Any] = with_method
        for method in reversed(METHODS.values()):
            for parameter in reversed(method.parameters):
                decorated = _option(method.name, parameter)(decorated)
        return click.option(
            "--method", type=click.Choice([*METHODS, *others]), default=DEFAULT.name,
            show_default=True, help=text,
        )(decorated)  # fmt: skip

    return decorate


def _option(method: str, parameter: Parameter) -> Decorator:
    least = parameter.at_least if parameter.above is None else parameter.above
    kind: Any = click.IntRange if parameter.type is int else click.FloatRange
    return click.option(
        f"--{parameter.name.replace('_', '-')}", parameter.name,
        type=kind(least, parameter.at_most, min_open=parameter.above is not None),
        default=parameter.default, show_default=True,
        help=f"For the method '{method}': {parameter.meaning}.",
    )  # fmt: skip
