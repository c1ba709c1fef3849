"""A training by a function of the user's; this runs in a child process."""

from __future__ import annotations

import inspect
import math
import os
import random
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.child import stage
from quantline.errors import ConversionError, ParameterError, first_line
from quantline.quiet import tensorflow
from quantline.training.model_files import Content, read_model
from quantline.training.own_split import OwnSplit
from quantline.training.train import save
from quantline.user_code import load_function, place_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantline import recipe

_COLORS = re.compile(r"\x1b\[[0-9;]*m")
History = dict[str, list[float | None]]
_RETURNS = (
    "a Keras model; the path of a .keras file, of a SavedModel folder or of a float .tflite file; "
    "or one of these with its history, the numbers of each epoch by name"
)


@dataclass(frozen=True)
class Made:
    """The result of a training.

    Attributes:
        content: The model.
        history: The numbers of each epoch by name; None for one that is not finite.
    """

    content: Content
    history: History


def find_function(training: recipe.Training) -> Callable[..., Any]:
    """Import the function and check that it can be called.

    Raises:
        ParameterError: There is none, or it takes other arguments.
    """
    assert training.function is not None  # noqa: S101 - asked for by those who have one
    stage("importing the function")
    function = load_function(training.function, "training_function")
    try:
        inspect.signature(function).bind(None, **_given(training, None))
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"The function '{training.function}' does not take what it is given",
            found=f"{first_line(error)}, of {training.function}{_written(function)}",
            expected="a function (dataset, *, arguments, seed) and, for `start='champion'`, start",
            remedy="Correct the function",
        ) from error
    return function


def check_function(training: recipe.Training) -> None:
    """Check that the function can be called, as :func:`find_function` does."""
    find_function(training)


def call_function(dataset: recipe.Dataset, training: recipe.Training, start: str | None) -> Made:
    """Call the function and return its model.

    Raises:
        QuantlineError: An example cannot be read.
        ParameterError: The function cannot be imported, or takes other arguments.
        ConversionError: It raises, or returns something else than a model that can be read.
    """
    tensorflow()
    import keras

    function = find_function(training)
    split = OwnSplit.open(dataset, training.split)
    examples = split.as_dataset()
    keras.utils.set_random_seed(training.seed)
    random.seed(training.seed)
    stage("training")
    try:
        returned = function(examples, **_given(training, start))
    except MemoryError:
        raise
    # A user's function may raise anything, and may try to end the process.
    except (Exception, SystemExit) as error:
        if split.failures:
            raise split.failures[0] from error
        traceback.print_exc()
        raise ConversionError(
            f"The training by '{training.function}' failed",
            found=f"{first_line(error, _said(error))}{place_of(error)}",
            expected="a function that returns a trained model",
            remedy="Correct the function, or `training_arguments`",
        ) from error
    finally:
        sys.stdout.flush()
    stage("saving the model")
    return _made(returned, training)


def history_of(values: Any) -> History:
    """Return the numbers of each epoch by name.

    Args:
        values: A mapping of names to numbers, or a Keras ``History``.

    Raises:
        ValueError: It is something else.
    """
    values = getattr(values, "history", values)
    if not isinstance(values, Mapping):
        raise ValueError(f"a history of type {type(values).__name__}")
    found: History = {}
    for name, numbers in values.items():
        if isinstance(numbers, str) or not isinstance(numbers, Sequence | np.ndarray):
            raise ValueError(f"'{name}' in its history is of type {type(numbers).__name__}")
        try:
            given = [float(number) for number in numbers]
        except (TypeError, ValueError) as error:
            raise ValueError(f"'{name}' in its history holds no numbers") from error
        found[str(name)] = [number if math.isfinite(number) else None for number in given]
    return found


def _said(error: BaseException) -> str:
    """Return all that an error says in one line: what Keras says first is often only where."""
    return " ".join(_COLORS.sub("", str(error)).split())


def _given(training: recipe.Training, start: str | None) -> dict[str, Any]:
    given = {"arguments": dict(training.arguments), "seed": training.seed}
    return {**given, "start": start} if training.start == "champion" else given


def _written(function: Callable[..., Any]) -> str:
    try:
        return str(inspect.signature(function))
    except (TypeError, ValueError):
        return ""


def _made(returned: Any, training: recipe.Training) -> Made:
    def refused(found: str) -> ConversionError:
        return ConversionError(
            f"The function '{training.function}' returned no model",
            found=found,
            expected=_RETURNS,
            remedy="Correct the function",
        )

    model, history = returned, None
    if isinstance(returned, tuple):
        if len(returned) != 2:
            raise refused(f"a tuple of {len(returned)}")
        model, history = returned
    else:
        history = getattr(model, "history", None)
        history = history if hasattr(history, "history") else {}
    try:
        numbers = history_of(history)
    except ValueError as error:
        raise refused(str(error)) from error
    if isinstance(model, str | os.PathLike):
        path = Path(os.fspath(model))
        if not path.exists():
            raise refused(f"the path '{path}', where nothing is")
        return Made(read_model(path), numbers)
    if not _is_keras(model):
        raise refused(f"a result of type {type(model).__name__}")
    try:
        return Made(save(model), numbers)
    except Exception as error:  # a user's own layers may raise anything
        traceback.print_exc()
        raise ConversionError(
            f"The model that '{training.function}' returned cannot be saved",
            found=f"{first_line(error)}{place_of(error)}",
            expected="a Keras model that model.save('name.keras') can save",
            remedy="Give layers of your own a get_config(), or return the path of a SavedModel",
        ) from error


def _is_keras(model: Any) -> bool:
    return any(
        base.__name__ == "Model" and base.__module__.split(".")[0] in ("keras", "tf_keras")
        for base in type(model).__mro__
    )
