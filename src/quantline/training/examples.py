"""The examples that a model is trained on; a split is checked before all of it is read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from quantline.errors import DataError, QuantlineError, first_few
from quantline.progress import track
from quantline.sampling import (
    Source,
    Transform,
    build_transform,
    open_source,
    preview,
    refuse_other_shape,
    to_input,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quantline import recipe
    from quantline.sampling.sources import Entry
    from quantline.sampling.stream import Manifest

logger = logging.getLogger(__name__)
_LOOKED_AT = 2  # examples


@dataclass(frozen=True)
class TrainingSplit:
    """A labelled split, of which the labels and the first examples were read.

    Attributes:
        name: The split expression.
        ids: The labelled examples.
        classes: The number of classes: the highest label, plus one.
        first: array of shape (1 or 2, ...), the first examples as model input.
    """

    name: str
    ids: frozenset[str]
    classes: int
    first: np.ndarray
    _source: Source
    _transform: Transform
    _label_offset: int

    @classmethod
    def open(cls, dataset: recipe.Dataset, name: str) -> TrainingSplit:
        """Look at a split.

        Args:
            dataset: Where examples come from and how they become model input.
            name: The split expression.

        Raises:
            DataError: The dataset does not exist, or is not on disk.
            DataError: The split does not exist, is empty, or has no labels.
            DataError: The labels are not class indices, or are all the same.
            DataError: The transform cannot be applied to the first examples.
            DataError: They hold NaN or infinite values.
            DataError: They have different shapes.
        """
        source, transform = open_source(dataset), build_transform(dataset.steps)
        labels = _labels(source, name, dataset.label_offset)
        ids = frozenset(labels)
        first: list[np.ndarray] = []
        for example in islice(source.examples(name, ids), _LOOKED_AT):
            x = to_input(transform, example)
            if isinstance(x, Mapping):
                raise DataError(
                    "The embedded network has one input",
                    found=f"examples of {len(x)} inputs: {', '.join(x)}",
                    expected="one array an example",
                    remedy="Have a function of your own train, with `training_function`",
                )
            first.append(x)
            refuse_other_shape(first, example)
        classes = max(labels.values()) + 1
        return cls(name, ids, classes, np.stack(first), source, transform, dataset.label_offset)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example as model input, without the batch dimension."""
        return tuple(self.first.shape[1:])

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Read all of it.

        Returns:
            Model input of shape (n_examples, ...), and labels of shape (n_examples,), int64.

        Raises:
            QuantlineError: An example cannot be read, or has another shape than the first ones.
        """
        x: list[np.ndarray] = []
        y: list[int] = []
        found = self._source.examples(self.name, self.ids)
        for example in track(found, "training examples", total=len(self.ids)):
            if isinstance(example.label, int):
                x.append(to_input(self._transform, example))
                refuse_other_shape(x, example)
                y.append(example.label + self._label_offset)
        return np.stack(x), np.array(y, np.int64)


def read_entries(source: Source, split: str) -> list[Entry]:
    """Return the entries of the split that is trained on.

    Raises:
        QuantlineError: There is no such split.
    """
    try:
        return list(track(source.entries(split), f"reading '{split}'"))
    except QuantlineError as error:
        raise type(error)(
            f"`training_split` cannot be used. {error.what}",
            found=error.found,
            expected=error.expected,
            # What reads a split does not know which parameter named it.
            remedy="Correct `training_split`" if "_split`" in error.remedy else error.remedy,
        ) from error


def _labels(source: Source, split: str, offset: int) -> dict[str, int]:
    """Return the label of each labelled example by its id."""
    entries = read_entries(source, split)
    labelled = [(entry.id, entry.label + offset) for entry in entries if entry.label is not None]
    labels = dict(labelled)
    if not labels:
        raise DataError(
            f"The split '{split}' of {source.name} cannot be trained on",
            found=f"{len(entries)} examples, none with a class index as its label",
            expected="examples with class indices",
            remedy="Set `training_split` to a labelled split; where the labels have another name, "
            "correct `dataset`",
        )
    low, high = min(labels.values()), max(labels.values())
    if low < 0 or not 1 <= high < len(labels):
        raise DataError(
            f"The labels of the split '{split}' of {source.name} are not those of classes",
            found=f"labels from {low} to {high}, of {len(labels)} examples",
            expected="class indices from 0 on: at least two classes, and no more than examples",
            remedy="Correct the labels or `label_offset`, or set `training_split` to a "
            "larger split",
        )
    if len(labelled) < len(entries):
        logger.warning(
            "of the %d examples of '%s' %d have a label; the others are not trained on",
            len(entries), split, len(labelled),
        )  # fmt: skip
    return labels


def refuse_other_examples(
    split: TrainingSplit,
    classes: int,
    dataset: recipe.Dataset,
    manifest: Manifest,
    calibration: np.ndarray,
) -> None:
    """Refuse calibration and evaluation examples that the trained model could not take.

    Args:
        split: What the model is trained on.
        classes: The number of classes that the trained model has.
        dataset: Where examples come from.
        manifest: What :func:`quantline.sampling.draw` gave.
        calibration: array of shape (n_examples, ...), the calibration set.

    Raises:
        DataError: An example is of a class that the model does not have.
        DataError: Examples have another shape than those that are trained on.
    """
    others = [
        f"{row['id']} ({row['label']})"
        for part in ("calibration", "evaluation")
        for row in manifest[part]["examples"]
        if row["label"] is not None and not 0 <= row["label"] < classes
    ]
    if others:
        raise DataError(
            f"Training on '{split.name}' gives a model that lacks classes of the other splits",
            found=f"{len(others)} examples: {first_few(others, 5)}",
            expected=f"labels from 0 to {classes - 1}",
            remedy="Set `training_split` to a split that has every class",
        )
    for part, shape in _shapes(dataset, manifest, calibration):
        if shape != split.shape:
            raise DataError(
                f"The examples of '{split.name}', to train on, and those of the {part} set differ",
                found=f"{split.shape} and {shape}",
                expected="one shape for all examples",
                remedy="Add a 'resize', or a 'resize_short_side' and a 'central_crop', to "
                "`transform`",
            )


def _shapes(
    dataset: recipe.Dataset, manifest: Manifest, calibration: np.ndarray
) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "calibration", tuple(calibration.shape[1:])
    for sample in preview(dataset, manifest, "evaluation", 1):
        yield "evaluation", tuple(sample.shape)
