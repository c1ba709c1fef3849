"""The choice of outputs by a task, and the refusal of labels and outputs that it cannot use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.errors import DataError, ModelUnsupported, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from quantline.tasks._task import Output, Seen


def choose_output(outputs: Sequence[Output], name: str | None) -> int:
    """Return the index of the output of this name, or that of the only one.

    Raises:
        ModelUnsupported: There is none of that name, or several and none was named.
    """
    names = [output.name for output in outputs]
    if name is None and len(outputs) == 1:
        return 0
    if name is None:
        raise ModelUnsupported(
            "The model has several outputs and the task does not say which one to score",
            found=f"the outputs {', '.join(map(repr, names)) or 'none'}",
            expected="the name of one of them",
            remedy=f"Set `output`, such as `output='{names[0]}'`" if names else "Export it anew",
        )
    if name not in names:
        raise ModelUnsupported(
            f"The model has no output '{name}'",
            found=f"the outputs {', '.join(map(repr, names))}",
            expected="the name of one of them as `output`",
            remedy=suggest(name, names) or "Correct `output`",
        )
    return names.index(name)


def refuse_output(task: str, output: Output, expected: str) -> ModelUnsupported:
    """Return the error for an output that a task cannot use."""
    return ModelUnsupported(
        f"The output '{output.name}' cannot be scored as '{task}'",
        found=f"the shape {output.shape}",
        expected=expected,
        remedy="Name another output with `output`, or another task; 'fidelity' compares any output "
        "with the float model's, and 'module:function' scores it by a function of your own",
    )


def refuse_label(seen: Seen, expected: str, found: str | None = None) -> DataError:
    """Return the error for a label that a task cannot use."""
    return DataError(
        f"The label of the example '{seen.id}' is none that the task can use",
        found=found or describe(seen.label),
        expected=expected,
        remedy="Correct the labels of the dataset, or name the task that they are for",
    )


def describe(label: Any) -> str:
    """Return what a label is, in a few words."""
    import numpy as np

    if isinstance(label, np.ndarray) and label.ndim:
        return f"an array of shape {label.shape} and dtype {label.dtype}"
    return f"{label!r}" if len(repr(label)) < 60 else f"a value of type {type(label).__name__}"


def zero_or_one(seen: Seen) -> int:
    """Return a label that is 0 or 1.

    Raises:
        DataError: It is something else.
    """
    import numpy as np

    value = np.asarray(seen.label)
    if value.size != 1 or value.dtype.kind not in "biuf" or value.ravel()[0] not in (0, 1):
        raise refuse_label(seen, "0 or 1")
    return int(value.ravel()[0])


def numbers(seen: Seen, count: int) -> np.ndarray:
    """Return a label of so many finite numbers as an array of shape (count,), float64.

    Raises:
        DataError: It is something else.
    """
    import numpy as np

    value = np.asarray(seen.label)
    if value.size != count or value.dtype.kind not in "biuf":
        raise refuse_label(seen, f"{count} numbers, as the model gives")
    value = value.astype(float).ravel()
    if not np.isfinite(value).all():
        raise refuse_label(seen, "finite numbers", "NaN or an infinite number")
    return value


def probabilities(values: np.ndarray, meaning: str) -> np.ndarray:
    """Return scores as probabilities, each by itself: what LOGISTIC gives, or the logistic of it.

    NaN counts as 0.
    """
    import numpy as np

    values = values.astype(float)
    if meaning == "log":
        values = np.exp(values)
    elif meaning == "logits":
        values = np.exp(-np.logaddexp(0, -values))
    return np.asarray(np.nan_to_num(values, nan=0.0))
