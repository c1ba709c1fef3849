"""The training split as a function or a command of the user's gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import DataError, QuantlineError
from quantline.progress import track
from quantline.quantization.interface import check_samples
from quantline.quiet import tensorflow
from quantline.sampling import (
    Source,
    Transform,
    build_transform,
    open_source,
    refuse_other_shape,
    to_input,
)
from quantline.training.examples import read_entries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from quantline import recipe
    from quantline.sampling import Example

_LOOKED_AT = 8  # examples; labels of other shapes among them have a size that is open
Pair = tuple[Any, Any]


@dataclass(frozen=True)
class OwnSplit:
    """A split of which the first examples were read.

    Attributes:
        name: The split expression.
        ids: The examples: those with class indices, or all where there is none.
        first: The first of them, each as model input and label; None for the label without one.
        failures: The error that ended a reading of them: TensorFlow raises one of its own.
    """

    name: str
    ids: frozenset[str]
    first: tuple[Pair, ...]
    _source: Source
    _transform: Transform
    _offset: int
    failures: list[QuantlineError] = field(default_factory=list)

    @classmethod
    def open(cls, dataset: recipe.Dataset, name: str) -> OwnSplit:
        """Look at a split.

        Args:
            dataset: Where examples come from and how they become model input.
            name: The split expression.

        Raises:
            DataError: The dataset does not exist, or is not on disk.
            DataError: The split does not exist or is empty.
            DataError: The transform cannot be applied to the first examples.
            DataError: They hold NaN or infinite values, or have different shapes.
        """
        source, transform = open_source(dataset), build_transform(dataset.steps)
        entries = read_entries(source, name)
        labelled = frozenset(entry.id for entry in entries if entry.label is not None)
        ids = labelled or frozenset(entry.id for entry in entries)
        if not ids:
            raise DataError(
                f"The split '{name}' of {source.name} is empty",
                found="0 examples",
                expected="at least one example to train on",
                remedy="Correct `training_split`",
            )
        split = cls(name, ids, (), source, transform, dataset.label_offset)
        first = tuple(islice(split.read(), _LOOKED_AT))
        return cls(name, ids, first, source, transform, dataset.label_offset)

    @property
    def has_labels(self) -> bool:
        """True if examples have labels; an example without any is its model input alone."""
        return self.first[0][1] is not None

    def read(self) -> Iterator[Pair]:
        """Yield each example as model input and label, in the order of the source.

        Raises:
            QuantlineError: An example cannot be read, or has another shape than the first one; or
                its label is missing, or of another kind than the first one's.
        """
        first: Pair | None = None
        for example in self._source.examples(self.name, self.ids):
            x, label = to_input(self._transform, example), self._label(example)
            first = first or (x, label)
            refuse_other_shape([first[0], x], example)
            if _kind(label) != _kind(first[1]):
                raise DataError(
                    f"The label of the example '{example.id}' is of another kind than the first",
                    found=f"{_kind(label)} after {_kind(first[1])}",
                    expected="labels of one kind for all examples",
                    remedy="Correct the labels, or set `training_split` to another split",
                )
            yield x, label

    def refuse_other_inputs(self, inputs: Mapping[str, tuple[int, ...]], model: str) -> None:
        """Refuse examples that do not fit the inputs of a model.

        Args:
            inputs: The shape of each, by name.
            model: The path of the model.

        Raises:
            QuantlineError: They do not.
        """
        stacked = _stacked([x for x, _ in self.first])
        try:
            check_samples(stacked, inputs, model)
        except QuantlineError as error:
            raise type(error)(
                f"The examples of '{self.name}', to train on, do not fit the model that is "
                f"retrained. {error.what}",
                found=error.found, expected=error.expected, remedy=error.remedy,
            ) from error  # fmt: skip

    def as_dataset(self) -> Any:
        """Return a ``tf.data.Dataset`` of (model input, label), or of model input without labels.

        It reads the source anew each time that it is iterated over.
        """
        tf = tensorflow()

        def examples() -> Iterator[Any]:
            try:
                for x, label in self.read():
                    yield (x, label) if self.has_labels else x
            except QuantlineError as error:
                self.failures.append(error)
                raise

        signature = _signature([x for x, _ in self.first])
        if self.has_labels:
            signature = (signature, _signature([label for _, label in self.first]))
        found = tf.data.Dataset.from_generator(examples, output_signature=signature)
        return found.apply(tf.data.experimental.assert_cardinality(len(self.ids)))

    def write(self, folder: Path) -> None:
        """Write all examples into a folder: ``x.npy``, or one ``x.NAME.npy`` an input; ``y.npy``.

        Raises:
            QuantlineError: An example cannot be read.
            DataError: The labels have different shapes.
        """
        arrays: dict[str, np.ndarray] = {}
        pairs = track(self.read(), "training examples", total=len(self.ids))
        for row, (x, label) in enumerate(pairs):
            for name, value in (*_named("x", x), *_named("y", label)):
                if name not in arrays:
                    arrays[name] = np.lib.format.open_memmap(
                        folder / f"{name}.npy", "w+", value.dtype, (len(self.ids), *value.shape)
                    )
                if arrays[name].shape[1:] != value.shape:
                    raise DataError(
                        f"The labels of '{self.name}' cannot be handed to a command",
                        found=f"shapes {arrays[name].shape[1:]} and {value.shape}",
                        expected="labels of one shape",
                        remedy="Train with `training_function`, which gets them one by one",
                    )
                arrays[name][row] = value

    def _label(self, example: Example) -> Any:
        label = example.label
        if isinstance(label, np.ndarray):  # a mask follows its image
            return self._transform.on_label(label, example.value)
        return np.asarray(label + self._offset, np.int64) if isinstance(label, int) else label


def _named(name: str, value: Any) -> list[tuple[str, np.ndarray]]:
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [(f"{name}.{part}", np.asarray(inner)) for part, inner in value.items()]
    return [(name, np.asarray(value))]


def _kind(label: Any) -> str:
    if label is None:
        return "none"
    if isinstance(label, Mapping):
        return f"the parts {', '.join(label)}"
    return f"{np.asarray(label).dtype} with {np.ndim(label)} axes"


def _stacked(values: list[Any]) -> Any:
    if isinstance(values[0], Mapping):
        return {name: np.stack([value[name] for value in values]) for name in values[0]}
    return np.stack(values)


def _signature(values: list[Any]) -> Any:
    """Return the ``tf.TensorSpec`` of values, or one for each of their parts."""
    if isinstance(values[0], Mapping):
        return {name: _signature([value[name] for value in values]) for name in values[0]}
    shapes = {np.shape(value) for value in values}
    sizes = [sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*shapes, strict=True)]
    return tensorflow().TensorSpec(sizes, np.asarray(values[0]).dtype)
