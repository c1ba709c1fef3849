"""The declaration of a method, what a method is given, and a method with its parameters set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from quantline.registry import Parameter

Bounds = tuple[float, float]
"""The lower and the upper end of a range."""


class Distribution(Protocol):
    """A histogram of a tensor's values: :class:`quantline.ranges.sketch.Sketch`."""

    @property
    def counts(self) -> np.ndarray:
        """Return the number of values in each bin, int64 array of shape (n_bins,)."""

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Return each bin's lower and upper edge, two float64 arrays of shape (n_bins,)."""

    def quantile(self, p: float) -> float:
        """Return the value below which a share ``p`` of the values lies."""


class Recorded(Protocol):
    """Recorded statistics of a tensor: :class:`quantline.ranges.TensorRange`."""

    @property
    def min(self) -> float:
        """The smallest value."""

    @property
    def max(self) -> float:
        """The largest value."""

    @property
    def average_min(self) -> float:
        """The mean of each sample's smallest value."""

    @property
    def average_max(self) -> float:
        """The mean of each sample's largest value."""

    @property
    def sketch(self) -> Distribution:
        """The histogram of the values."""


@dataclass(frozen=True, eq=False)
class Method:
    """A method of choosing ranges.

    Attributes:
        name: Its name.
        summary: The range that it chooses, for the documentation: a phrase.
        source: The publication that describes it.
        choose: Takes what was recorded, and the parameters by name; returns both ends.
        parameters: The parameters that users can set.
        candidates: The values of the parameters that ``auto`` tries, by name; one mapping a trial.
        needs_sketch: True if it reads the histogram, which some recorded ranges lack. Its range
            is then cut to the smallest and largest value, as a bin reaches a little past them.
        order: Its place in lists and among the candidates, lowest first.
    """

    name: str
    summary: str
    source: str
    choose: Callable[..., Bounds]
    parameters: tuple[Parameter, ...] = ()
    candidates: tuple[Mapping[str, float], ...] = ({},)
    needs_sketch: bool = True
    order: int = 100

    def with_values(self, values: Mapping[str, float | None]) -> ChosenMethod:
        """Return the method with its parameters set, to their defaults where no value is given.

        Args:
            values: By name; those of other methods' parameters are left aside.
        """
        given = {name: value for name, value in values.items() if value is not None}
        own = {item.name: given.get(item.name, item.default) for item in self.parameters}
        return ChosenMethod(self.name, _set(own))


@dataclass(frozen=True)
class ChosenMethod:
    """A method with its parameters set.

    Attributes:
        name: The method's name.
        values: Each of its parameters: name and value.
    """

    name: str
    values: tuple[tuple[str, float], ...] = ()

    def to_dict(self) -> dict[str, str | float | None]:
        """Return ``method`` and every method's parameters, None where it is another method's."""
        from quantline.range_methods import PARAMETERS

        return {"method": self.name, **dict.fromkeys(PARAMETERS), **dict(self.values)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ChosenMethod:
        """Return the method that :meth:`to_dict` described; other keys are left aside."""
        from quantline.range_methods import PARAMETERS

        return cls(values["method"], _set({name: values.get(name) for name in PARAMETERS}))

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{value:g}" for _, value in self.values)])


def _set(values: Mapping[str, float | None]) -> tuple[tuple[str, float], ...]:
    return tuple((name, value) for name, value in values.items() if value is not None)
