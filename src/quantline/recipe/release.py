"""The parameters of the release and of the training."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from quantline.recipe.parameters import Parameters, Positive, Seed

if TYPE_CHECKING:
    from quantline.recipe.data import Model


# As MLflow takes them: a name must not be another one when it is read as a path.
_TAG_NAME = re.compile(r"\w[\w .:-]*(/\w[\w .:-]*)*")
_TAG_LIMIT, _NAME_LIMIT, _VALUE_LIMIT = 50, 250, 5000


def _tags(tags: dict[str, str]) -> dict[str, str]:
    for name, value in tags.items():
        if not _TAG_NAME.fullmatch(name) or len(name) > _NAME_LIMIT:
            raise ValueError(
                f"a name of letters, digits, '_', '-', '.', ':', '/' and spaces, up to "
                f"{_NAME_LIMIT}, that begins with a letter or a digit, unlike {name!r:.60}"
            )
        if name.startswith(("mlflow.", "quantline.")):
            raise ValueError(f"names that begin with neither 'mlflow.' nor 'quantline.': '{name}'")
        if not value.strip() or len(value) > _VALUE_LIMIT:
            raise ValueError(f"a text of 1 to {_VALUE_LIMIT:,} characters as '{name}'")
    if len(tags) > _TAG_LIMIT:
        raise ValueError(f"no more than {_TAG_LIMIT} tags")
    return tags


class Release(Parameters):
    """The release of a candidate that passed its gate.

    Attributes:
        model: The registered model's name; if None, that of the model's file.
        promotion: ``at_once`` makes it champion; ``after_approval`` registers it as challenger, and
            ``quantline promote`` approves it.
        labels: A text file with the classes' names, one a line, that goes with the model; or None.
        tags: Tags of the user's own, on the run, the logged model and the version.
        notify: A command that gets the verdict as JSON on its standard input; or None.
        notify_timeout_s: After how many seconds that command is ended.
    """

    model: Annotated[str, Field(pattern=r"^[^/:.%\"'`]+$")] | None = None
    promotion: Literal["at_once", "after_approval"] = "at_once"
    labels: str | None = None
    tags: Annotated[dict[str, str], AfterValidator(_tags)] = {}
    notify: str | None = None
    notify_timeout_s: Positive = 60

    def name(self, model: Model) -> str:
        """Return the registered model's name.

        Args:
            model: The model that is released.
        """
        return self.model or model.name


class Mlflow(Parameters):
    """The file ``mlflow.yml``, which says where runs are recorded; no parameter of a stage.

    Attributes:
        tracking_uri: The tracking store; if None, ``mlflow.db`` in the project folder. The variable
            MLFLOW_TRACKING_URI comes before it.
        experiment: The experiment's name.
    """

    tracking_uri: str | None = None
    experiment: Annotated[str, Field(min_length=1)]


def _named(function: str) -> str:
    if not re.fullmatch(r"[\w.]+:\w+", function):
        raise ValueError("a function 'module:function'")
    return function


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(arguments, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"values that JSON can hold, and finite numbers ({error})") from error
    return arguments


class Training(Parameters):
    """The training: by a function or a command of the user's, or of the embedded model.

    Attributes:
        function: A function ``module:name`` of the user's that trains; or None.
        command: A shell command of the user's that trains; or None. With neither, the embedded
            model is trained.
        arguments: What the function or the command is given.
        timeout_s: After how many seconds the function or the command is ended.
        start: With what ``retrain`` begins: ``anew``, or with the weights of the ``champion``.
        seed: The seed of weights, shuffling and augmentation.
        split: The split that is trained on.
        epochs: Of the embedded model: passes over the split.
        batch_size: Of the embedded model: examples a step.
        learning_rate: Of the embedded model: its peak; it falls to zero along a cosine.
        flip: Of the embedded model: whether images are mirrored left to right at random: right for
            clothes, wrong for digits and text.
        label_smoothing: Of the embedded model: the share of each label that all classes get. Logits
            stay closer together, so that fewer of them are equal in 8 bits.
        shift: Of the embedded model: by how many pixels images are moved at random, at most, in
            either direction.
    """

    function: Annotated[str, AfterValidator(_named)] | None = None
    command: Annotated[str, Field(pattern=r"\S")] | None = None
    arguments: Annotated[dict[str, Any], AfterValidator(_plain)] = {}
    timeout_s: Positive = 86_400
    start: Literal["anew", "champion"] = "anew"
    seed: Seed
    split: str
    epochs: Positive
    batch_size: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    flip: bool = True
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    shift: Annotated[int, Field(ge=0)] = 1

    @property
    def trainer(self) -> str | None:
        """The user's function or command, for messages; None for the embedded model."""
        if self.function is not None:
            return f"'{self.function}'"
        return None if self.command is None else "the command `training_command`"

    @property
    def used(self) -> dict[str, Any]:
        """The parameters that this training uses, as plain values."""
        own = {"function", "command", "arguments", "timeout_s"}
        embedded = {"epochs", "batch_size", "learning_rate", "flip", "label_smoothing", "shift"}
        return self.model_dump(exclude=own if self.trainer is None else embedded)

    @model_validator(mode="after")
    def _one_way(self) -> Training:
        if self.function is not None and self.command is not None:
            raise ValueError("a function or a command, and not both")
        if self.arguments and self.trainer is None:
            raise ValueError("a function or a command that the arguments are for")
        return self
