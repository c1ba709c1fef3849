"""The options of a conversion, checked like the pipeline's parameters."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, get_args

import click

from quantline import recipe
from quantline.commands.options import method_options
from quantline.errors import ParameterError
from quantline.range_methods import METHODS
from quantline.recipe.check import check_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_IO_TYPES = click.Choice(get_args(recipe.IoType))
_BACKENDS = click.Choice(get_args(recipe.Conversion.model_fields["backend"].annotation))
_AS_THEY_ARE = ("scheme", "backend", "bias_correction", "input_type", "output_type", "lost_outputs")
_OVERRIDE = "TENSOR=METHOD, TENSOR=percentile,99.9 or TENSOR=MIN,MAX"
_PIN = "NAME=SCALE,ZERO_POINT, such as image=0.0078125,0"


def conversion_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a conversion, and give the command one as ``conversion``."""

    @click.option(
        "--scheme", type=click.Choice(get_args(recipe.SchemeName)), default="int8",
        show_default=True, help="What becomes an integer, or a half, and how wide.",
    )  # fmt: skip
    @method_options(
        "How a range is chosen from what was recorded of a tensor; 'auto' tries all, and bias "
        "correction, on samples that it holds back.",
        "auto",
    )
    @click.option(
        "--override", "overrides", multiple=True, metavar="TENSOR=RANGE",
        help=f"The range of some tensors, by name or regular expression: {_OVERRIDE}. May be "
        "given several times; of several that fit, the last holds.",
    )  # fmt: skip
    @click.option(
        "--bias-correction", is_flag=True,
        help="Correct biases for what rounding the weights adds, where samples that are held back "
        "show less error.",
    )  # fmt: skip
    @click.option(
        "--pin", "pinned", multiple=True, metavar="NAME=SCALE,ZERO_POINT",
        help="An input or output that keeps this scale and zero point. May be given several times.",
    )  # fmt: skip
    @click.option(
        "--keep-float", multiple=True, metavar="OPERATORS",
        help="With int8_float_fallback: operators that stay float, by type such as SOFTMAX, or by "
        "the name, or a regular expression for it, of what they write. May be given several times.",
    )  # fmt: skip
    @click.option("--backend", type=_BACKENDS, default="tensorflow", show_default=True,
                  help="Who quantizes.")  # fmt: skip
    @click.option("--input-type", type=_IO_TYPES, help="Of the model's inputs; by default the "
                  "scheme's own: int8, int16 or float32.")  # fmt: skip
    @click.option("--output-type", type=_IO_TYPES, help="Likewise, of its outputs.")
    @click.option(
        "--lost-outputs", type=click.Choice(["error", "warn"]), default="error", show_default=True,
        help="Whether an output that is constant, where the float model's varies, ends the command "
        "with 1. The files are written either way.",
    )  # fmt: skip
    @functools.wraps(function)
    def with_conversion(
        *, method: dict[str, Any], overrides: Sequence[str], pinned: Sequence[str],
        keep_float: Sequence[str], **given: Any,
    ) -> Any:  # fmt: skip
        values = {name: given.pop(name) for name in _AS_THEY_ARE} | {
            "ranges": {**method, "overrides": [_override(override) for override in overrides]},
            "pinned": _pins(pinned),
            "keep_float": list(keep_float),
        }
        return function(conversion=check_arguments(recipe.Conversion, values), **given)

    return with_conversion


def _override(given: str) -> dict[str, Any]:
    tensor, value = _split("--override", given, _OVERRIDE)
    first, _, second = value.partition(",")
    method = METHODS.get(first.strip())
    if method is not None:
        numbers = second.split(",") if second else []
        if len(numbers) > len(method.parameters):
            raise _unreadable("--override", given, f"'{second}' after '{method.name}'", _OVERRIDE)
        values: dict[str, Any] = {"method": method.name} | {
            parameter.name: _number("--override", given, number)
            for parameter, number in zip(method.parameters, numbers, strict=False)
        }
    else:
        low, high = (_number("--override", given, end, _OVERRIDE) for end in (first, second))
        values = {"min": low, "max": high}
    return _checked("--override", given, recipe.Override, {"tensor": tensor, **values})


def _pins(options: Sequence[str]) -> dict[str, Any]:
    pinned: dict[str, Any] = {}
    for given in options:
        name, value = _split("--pin", given, _PIN)
        if name in pinned:
            raise _unreadable("--pin", given, f"'{name}' pinned twice", "one pin a name")
        scale, _, zero = value.partition(",")
        try:
            zero_point = int(zero) if zero else 0
        except ValueError:
            raise _unreadable("--pin", given, f"'{zero}'", "a whole zero point") from None
        values = {"scale": _number("--pin", given, scale, _PIN), "zero_point": zero_point}
        pinned[name] = _checked("--pin", given, recipe.Pin, values)
    return pinned


def _split(option: str, given: str, expected: str) -> tuple[str, str]:
    """Return what stands before and after the last '=': names may have one, values do not."""
    name, sign, value = given.rpartition("=")
    if not (name and sign and value):
        raise _unreadable(option, given, "no name and value with '=' between them", expected)
    return name, value


def _number(option: str, given: str, text: str, expected: str = "a number") -> float:
    try:
        return float(text)
    except ValueError:
        raise _unreadable(option, given, f"'{text}'", expected) from None


def _checked(
    option: str, given: str, block: type[recipe.Override | recipe.Pin], values: dict[str, Any]
) -> dict[str, Any]:
    """Return the values if they are valid; errors name the option."""
    try:
        recipe.check(block, values, option)
    except ParameterError as error:
        raise _unreadable(option, given, error.found, error.expected) from error
    return values


def _unreadable(option: str, given: str, found: str, expected: str) -> ParameterError:
    return ParameterError(
        f"'{option} {given}' has a bad value",
        found=found,
        expected=expected,
        remedy=f"Correct it; 'quantline quantize --help' shows how '{option}' is written",
    )
