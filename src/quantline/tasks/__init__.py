"""Tasks: what the outputs of a model mean, one a module."""

from quantline.registry import Parameter, declared
from quantline.tasks._task import ChosenTask, Output, Scorer, Seen, Task

TASKS: dict[str, Task] = declared("quantline.tasks.*", __path__, Task)
"""Every task by its name."""

DEFAULT = TASKS["classification"]
"""The task that is taken where none is named."""

PARAMETERS: dict[str, Parameter] = {
    parameter.name: parameter for task in TASKS.values() for parameter in task.parameters
}
"""The parameters of all tasks, by their names."""

__all__ = ["DEFAULT", "PARAMETERS", "TASKS", "ChosenTask", "Output", "Scorer", "Seen", "Task"]
