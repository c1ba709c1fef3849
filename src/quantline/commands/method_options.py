"""The options by which a method of choosing ranges is given, with all methods' parameters."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from quantline.range_methods import DEFAULT, METHODS, PARAMETERS

if TYPE_CHECKING:
    from quantline.registry import Parameter


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def method_options(text: str, *others: str) -> Decorator:
    """Add ``--method`` and an option a parameter; give the command both as ``method``, a mapping.

    Args:
        text: The help of ``--method``.
        others: What ``--method`` takes besides the methods of the registry.
    """

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
