"""A function of the user's own that gives numbers for each example."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import DataError, first_line
from quantline.metrics._statistic import estimated, mean_of
from quantline.registry import Parameter
from quantline.tasks._task import Task
from quantline.user_code import load_function, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.metrics import Metric
    from quantline.tasks._task import Output, Seen

LOWER = Parameter(
    "lower_is_better", default=None, type=str, meaning="the names of the numbers of which a lower "
    "one is the better one, separated by commas",
)  # fmt: skip


class FunctionScorer:
    """Rows of the numbers that the function gives.

    Attributes:
        about: The function.
    """

    def __init__(self, spec: str, outputs: Sequence[Output]) -> None:
        self.about: Mapping[str, Any] = {"function": spec}
        self._spec, self._names = spec, [output.name for output in outputs]
        self._function = load_function(spec, "task_kind")
        self._columns: dict[str, str] | None = None

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns of a row: the names that the function gave for the first example."""
        return self._columns or {}

    def row(self, seen: Seen) -> dict[str, Any]:
        """Return the row of one example.

        Raises:
            DataError: The function raises, or gives something else than before.
        """
        outputs = dict(zip(self._names, seen.outputs, strict=True))
        try:
            found = self._function(outputs, seen.label)
        except Exception as error:  # a user's function may raise anything
            raise self._refused(seen, f"{first_line(error)}{place_of(error)}") from error
        if not isinstance(found, Mapping) or not found:
            raise self._refused(seen, f"a result of type {type(found).__name__}")
        for name, value in found.items():
            if not isinstance(name, str) or not name.isidentifier() or name in ("id", "label"):
                raise self._refused(seen, f"a number called {name!r}")
            if not isinstance(value, numbers.Real | np.bool_) or not math.isfinite(value):
                raise self._refused(seen, f"{value!r} as '{name}'")
        if self._columns is None:
            self._columns = dict.fromkeys(found, "float")
        if found.keys() != self._columns.keys():
            raise self._refused(
                seen, f"the numbers {', '.join(found)}, and before {', '.join(self._columns)}"
            )
        return {name: float(found[name]) for name in self._columns}

    def _refused(self, seen: Seen, found: str) -> DataError:
        return DataError(
            f"The function '{self._spec}' cannot score the example '{seen.id}'",
            found=found,
            expected="a mapping of finite numbers, with the same names for every example",
            remedy="Correct the function; it gets the outputs by name, with the batch of 1, and "
            "the label",
        )


def _bind(values: Mapping[str, Any], outputs: Sequence[Output]) -> FunctionScorer:
    return FunctionScorer(values["function"], outputs)


def _metrics(values: Mapping[str, Any], columns: Sequence[str]) -> tuple[Metric, ...]:
    lower = {name.strip() for name in (values["lower_is_better"] or "").split(",")}
    return tuple(
        estimated(
            name, name, "a number of the user's function", mean_of(name),
            lower_is_better=name in lower, is_share=False,
        )
        for name in columns
        if name != "id"
    )  # fmt: skip


TASK = Task(
    name="function",
    summary="anything, by a function of your own",
    outputs="any, all of them, by name",
    labels="any, or none",
    bind=_bind,
    metrics=_metrics,
    parameters=(LOWER,),
    needs_labels=False,
    order=99,
)
