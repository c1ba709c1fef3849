"""The rules that a candidate is held to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import Field, create_model, field_validator, model_validator

from quantline.metrics import RULES
from quantline.recipe.parameters import Parameters, Seed

if TYPE_CHECKING:
    from collections.abc import Iterator


class Limit(Parameters):
    """The limits of one metric of a report.

    Attributes:
        min: The least that passes.
        max: The most that passes.
    """

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _given(self) -> Limit:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("a 'min' that is not above 'max'")
        return self


if TYPE_CHECKING:
    AllowedChanges: TypeAlias = Parameters
else:
    AllowedChanges = create_model(
        "AllowedChanges",
        __base__=Parameters,
        **{
            name: (rule.parameter.annotation(optional=True), rule.parameter.default)
            for name, rule in RULES.items()
        },
    )


class Change(AllowedChanges):
    """The allowed change from another model; None: no limit.

    It has a field for the rule of each metric in ``quantline.metrics``, which are about
    classifiers.

    Attributes:
        margins: By how much each metric of another task may be worse, by the metric's name and in
            its own unit; null: that metric is not judged.
    """

    margins: dict[str, Annotated[float, Field(gt=0)] | None] = {}


class ChampionChange(Change):
    """The allowed change from the champion; None: no limit.

    Attributes:
        size_growth: By which share the file may be larger.
        latency_growth: By which share the latency may be higher, both timed by turns.
    """

    size_growth: Annotated[float, Field(ge=0)] | None = 0.1
    latency_growth: Annotated[float, Field(ge=0)] | None = 0.25


class Gate(Parameters):
    """The rules that a model must keep to be released.

    Attributes:
        confidence: The confidence of each comparison, one-sided.
        seed: The seed of the bootstrap.
        resamples: How many times the bootstrap draws the examples again.
        absolute: Limits of metrics, by report and name such as ``int8_metrics.top1``; in YAML a
            dot may be a level of its own. A limit whose ``min`` and ``max`` are null is none.
        absolute_by_model: Such limits for one model, by the name that it is registered under; for
            that model they replace those of ``absolute`` of the same metric.
        against_float: What the change from the float model may cost.
        against_champion: What the change from the champion may cost.
    """

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    seed: Seed = 0
    resamples: Annotated[int, Field(ge=100, le=1_000_000)] = 2000
    absolute: dict[str, Limit] = {}
    absolute_by_model: dict[str, dict[str, Limit]] = {}
    against_float: Change = Change()
    against_champion: ChampionChange = ChampionChange()

    @field_validator("absolute_by_model", mode="before")
    @classmethod
    def _flat_by_model(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {model: cls._flat(limits) for model, limits in value.items()}

    @field_validator("absolute", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        limits = list(_limits(value, ""))
        names = [name for name, _ in limits]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"each limit once, with dots or as levels; not {', '.join(twice)}")
        return dict(limits)

    def limits_of(self, model: str) -> dict[str, Limit]:
        """Return the absolute limits of the model of this name."""
        return {**self.absolute, **self.absolute_by_model.get(model, {})}


def _limits(values: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield nested limits by their dotted names; levels, unlike dots, are merged and overridden."""
    for key, value in values.items():
        is_nested = isinstance(value, dict) and value and not value.keys() & {"min", "max"}
        if is_nested:
            yield from _limits(value, f"{prefix}{key}.")
        elif value is not None and not isinstance(value, dict):
            raise ValueError(f"'min', 'max' or both of '{prefix}{key}'")
        elif value and any(item is not None for item in value.values()):
            yield f"{prefix}{key}", value
