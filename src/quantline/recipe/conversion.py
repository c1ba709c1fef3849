"""The parameters of the stages from the float model to the proof that it is integer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import Field, create_model, field_validator, model_validator

from quantline.range_methods import DEFAULT, METHODS, PARAMETERS
from quantline.recipe.evaluation import Latency
from quantline.recipe.parameters import IoType, Parameters, Positive, SchemeName

if TYPE_CHECKING:
    from quantline.range_methods import ChosenMethod


class Parity(Parameters):
    """The comparison of the imported float model with the original.

    Attributes:
        examples: How many calibration examples both run.
        tolerance: The largest difference allowed, as a share of the largest output magnitude.
    """

    examples: Positive = 16
    tolerance: Annotated[float, Field(gt=0)] = 1e-3


class Baseline(Parameters):
    """The float baseline."""

    parity: Parity = Parity()
    latency: Latency = Latency()


class Calibration(Parameters):
    """The recording of ranges.

    Attributes:
        lint: Whether an error that the lint finds in the calibration set stops the run, or is only
            a warning. What no range can be recorded from, such as NaN, stops it anyway.
        timeout_s: After how many seconds the child process that records is ended.
    """

    lint: Literal["error", "warn"] = "error"
    timeout_s: Positive = 1800


if TYPE_CHECKING:
    Method = str
    MethodParameters: TypeAlias = Parameters
    OverriddenParameters: TypeAlias = Parameters
else:
    Method = Literal[tuple(METHODS)]
    MethodParameters = create_model(
        "MethodParameters",
        __base__=Parameters,
        **{name: (item.annotation(), item.default) for name, item in PARAMETERS.items()},
    )
    OverriddenParameters = create_model(
        "OverriddenParameters",
        __base__=Parameters,
        **{name: (item.annotation(optional=True), None) for name, item in PARAMETERS.items()},
    )


class Override(OverriddenParameters):
    """The choice of the range of some tensors, with a field for each parameter of a method.

    Attributes:
        tensor: A tensor's name, or a regular expression that fits the whole of it.
        method: The method for it; that of all tensors if None.
        min: The range's lower end, given; with ``max``.
        max: The range's upper end, given.
    """

    if TYPE_CHECKING:

        def __init__(self, **values: Any) -> None:
            """Take values by the names of the fields."""

    tensor: str
    method: Method | None = None
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _sound(self) -> Override:
        try:
            re.compile(self.tensor)
        except re.error as error:
            raise ValueError(f"a regular expression ({error})") from error
        given = (self.min, self.max)
        if given != (None, None) and (None in given or not given[0] < given[1]):  # type: ignore[operator]
            raise ValueError("both 'min' and 'max', with min below max")
        if not {"method", *PARAMETERS, "min"} & self.model_fields_set:
            raise ValueError(f"a method, a {', a '.join(PARAMETERS)}, or min and max")
        return self


class Ranges(MethodParameters):
    """The choice of ranges, with a field for each parameter of a method in ``range_methods``.

    Attributes:
        method: The method for every tensor; ``auto`` picks it, and bias correction, where samples
            that are held back show it to be better than ``minmax``.
        overrides: For single tensors; of several that fit, the last holds.
    """

    if TYPE_CHECKING:

        def __init__(self, **values: Any) -> None:
            """Take values by the names of the fields."""

    method: Method | Literal["auto"] = DEFAULT.name
    overrides: tuple[Override, ...] = ()

    @field_validator("overrides", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    def chosen_method(self, override: Override | None = None) -> ChosenMethod:
        """Return the method with its parameters, those of an override where it gives them."""
        name, values = self.method, self.model_dump(include={*PARAMETERS})
        if override is not None:
            name = override.method or name
            values |= override.model_dump(include={*PARAMETERS}, exclude_none=True)
        return METHODS[name].with_values(values)

    def with_method(self, chosen: ChosenMethod) -> Ranges:
        """Return the same with another method; parameters of others stay for the overrides."""
        values: Ranges = self.model_copy(update={"method": chosen.name, **dict(chosen.values)})
        return values


class Pin(Parameters):
    """A scale and a zero point that an input or output keeps, as firmware has them compiled in.

    Attributes:
        scale: The real value of one step.
        zero_point: The integer that stands for 0, in the type that the input or output has.
    """

    scale: Annotated[float, Field(gt=0)]
    zero_point: int = 0


class Conversion(Parameters):
    """The conversion of the float model.

    Attributes:
        scheme: What becomes an integer, or a half, and how wide.
        backend: Who quantizes.
        ranges: How the ranges of activations are chosen.
        bias_correction: Whether biases are corrected for what rounding the weights adds, where
            calibration samples that are held back show less loss by more than the noise.
        pinned: Inputs and outputs, by name, that keep a given scale and zero point.
        keep_float: Operator types such as ``SOFTMAX``, names of tensors that operators write, or
            regular expressions that fit the whole of such names; these operators stay float.
        input_type: The dtype of the converted model's inputs; the scheme's own if None.
        output_type: The dtype of the converted model's outputs; likewise.
        lost_outputs: Whether an output that is constant in the converted model, and not in the
            float model, stops the run, or is a warning.
        timeout_s: After how many seconds the child process is ended.
    """

    scheme: SchemeName = "int8"
    backend: Literal["tensorflow", "litert"] = "tensorflow"
    ranges: Ranges = Ranges()
    bias_correction: bool = False
    pinned: dict[str, Pin] = {}
    keep_float: list[str] = []
    input_type: IoType | None = None
    output_type: IoType | None = None
    lost_outputs: Literal["error", "warn"] = "error"
    timeout_s: Positive = 1800

    @field_validator("keep_float")
    @classmethod
    def _sound(cls, value: list[str]) -> list[str]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"regular expressions; '{pattern}' is none ({error})") from error
        return value


class Validation(Parameters):
    """The check of the converted model.

    Attributes:
        integer_only: Whether a tensor that is not an integer stops the run; if None, where the
            scheme promises integers only.
        target: The target whose contract the model must keep: a built-in one's name, or the path
            of a YAML file; none if None.
    """

    integer_only: bool | None = None
    target: str | None = "cpu"
