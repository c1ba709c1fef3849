"""The task: what the model's outputs mean and what labels are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import AfterValidator, create_model, model_validator

from quantline.errors import suggest
from quantline.recipe.parameters import Parameters
from quantline.tasks import DEFAULT, PARAMETERS, TASKS, ChosenTask

_FUNCTION = "function"
_SPEC = re.compile(r"[\w.]+:\w+")
KINDS = [name for name in TASKS if name != _FUNCTION]


def _known(kind: str) -> str:
    if kind in KINDS or _SPEC.fullmatch(kind):
        return kind
    known = f"one of {', '.join(KINDS)}, or a function 'module:name'"
    raise ValueError(f"{known}. {suggest(kind, KINDS)}".removesuffix(". "))


if TYPE_CHECKING:
    TaskParameters: TypeAlias = Parameters
else:
    TaskParameters = create_model(
        "TaskParameters",
        __base__=Parameters,
        **{name: (item.annotation(optional=True), None) for name, item in PARAMETERS.items()},
    )


class Task(TaskParameters):
    """The task, with a field for each parameter that a task has; None: the task's default.

    Attributes:
        kind: A task of ``quantline.tasks``, or a function ``module:name`` of the user's that scores
            an example.
    """

    kind: Annotated[str, AfterValidator(_known)] = DEFAULT.name

    @model_validator(mode="after")
    def _own(self) -> Task:
        own = {item.name for item in self._task().parameters}
        for name in PARAMETERS:
            if getattr(self, name) is not None and name not in own:
                known = ", ".join(f"'{item}'" for item in sorted(own)) or "none"
                raise ValueError(f"no '{name}' for the task '{self.kind}', which has {known}")
        return self

    def _task(self) -> Any:
        return TASKS[self.kind if self.kind in TASKS else _FUNCTION]

    def chosen(self) -> ChosenTask:
        """Return the task with the values of its parameters."""
        task = self._task()
        values = {
            item.name: item.default if (given := getattr(self, item.name)) is None else given
            for item in task.parameters
        }
        return ChosenTask(
            task.name, values if self.kind in TASKS else {**values, _FUNCTION: self.kind}
        )
