"""Labelled examples as callers give them: an archive that is streamed, or arrays in memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from quantline import recipe
from quantline.api.files import list_files
from quantline.arguments import translated
from quantline.errors import DataError, ParameterError, first_few
from quantline.recipe.check import check_arguments
from quantline.sampling.calibration_set import CalibrationSet
from quantline.sampling.npz_source import NpzSource
from quantline.sampling.sources import FileSplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

DataLike: TypeAlias = "str | os.PathLike[str] | Mapping[str, npt.ArrayLike]"
"""Labelled examples: the path of a ``.npz`` file with an array of examples and one of labels, or a
mapping of such arrays."""


# The arguments of a source of examples, and those of the functions here.
_NAMES = {"npz_x": "`x`", "npz_y": "`y`", "data_dir": "`data`"}


@dataclass(frozen=True)
class Labelled:
    """One example.

    Attributes:
        id: Its row.
        label: Its class index in the model, a label of another kind, or None without labels.
        x: The model's input, real values; of several inputs one for each, by name.
    """

    id: str
    label: int | np.ndarray | None
    x: Any


@dataclass(frozen=True)
class LabelledData:
    """Examples that can be gone through more than once.

    Attributes:
        source: The path of a ``.npz`` file, with an optional slice such as ``[:1000]``; or the
            arrays.
        x: The name of the array of examples, shape (n_examples, ...); a list of such names, which
            are those of the model's inputs, for a model of several.
        y: The name of the array of labels.
        label_offset: The number that is added to every label.
    """

    source: str | Mapping[str, np.ndarray]
    x: str | list[str] = "x"
    y: str = "y"
    label_offset: int = 0

    @classmethod
    def of(cls, data: DataLike, x: str | Sequence[str], y: str, label_offset: int) -> LabelledData:
        """Take data as a caller gives it."""
        x = x if isinstance(x, str) else list(x)
        check_arguments(recipe.Npz, {"x": x, "y": y})
        check_arguments(recipe.Dataset, {"source": "npz", "label_offset": label_offset})
        if isinstance(data, str | os.PathLike):
            return cls(os.fspath(data), x, y, label_offset)
        if not isinstance(data, Mapping):
            raise ParameterError(
                "The argument `data` is nothing that can be read as labelled examples",
                found=f"a value of the type {type(data).__name__}",
                expected="the path of a .npz file, or a mapping of arrays",
                remedy="Pass {'x': examples, 'y': labels}",
            )
        arrays = {name: np.asarray(values) for name, values in data.items()}
        names = [x] if isinstance(x, str) else x
        for name in names:
            if name not in arrays:
                raise DataError(
                    f"`data` has no array '{name}'",
                    found=f"the arrays {first_few(sorted(arrays)) or 'none'}",
                    expected=f"an array '{name}' of examples and, if labelled, '{y}'",
                    remedy="Name the arrays with `x` and `y`",
                )
        counts = {name: len(arrays[name]) for name in (*names, y) if name in arrays}
        if len(set(counts.values())) > 1:
            raise DataError(
                "The arrays of `data` have different numbers of examples",
                found=", ".join(f"{count} in '{name}'" for name, count in counts.items()),
                expected="as many in one as in another",
                remedy="Pass each example once in every array",
            )
        return cls({name: arrays[name] for name in counts}, x, y, label_offset)

    def __iter__(self) -> Iterator[Labelled]:
        """Yield the examples; those of a file one at a time."""
        is_empty = True
        for name, label, x in self._rows():
            is_empty = False
            yield Labelled(name, label + self.label_offset if isinstance(label, int) else label, x)
        if is_empty:
            raise DataError(
                "There are no examples to evaluate on",
                found="0 examples",
                expected="at least one",
                remedy="Check the slice of `data`, and how the file was written",
            )

    def first(self, count: int) -> Any:
        """Return the first examples as one array of shape (n_examples, ...), or one an input."""
        return CalibrationSet.stack([example.x for example in islice(self, count)], ()).x

    def _rows(self) -> Iterator[tuple[str, int | np.ndarray | None, Any]]:
        if not isinstance(self.source, str):
            labels, names = self.source.get(self.y), self.x
            for row in range(len(next(iter(self.source.values())))):
                stored = None if labels is None else np.asarray(labels[row])
                is_class = stored is not None and stored.size == 1 and stored.dtype.kind in "iu"
                yield (
                    f"[{row}]",
                    int(stored.ravel()[0]) if is_class and stored is not None else stored,
                    self.source[names][row]
                    if isinstance(names, str)
                    else {name: self.source[name][row] for name in names},
                )
            return
        path = Path(self.source)
        file = path.with_name(FileSplit.parse(path.name).file)
        if not file.exists():
            raise DataError(
                f"There are no examples at '{file}'",
                found=list_files(file.parent, ".npz"),
                expected="a .npz file of numpy",
                remedy="Check the path",
            )
        dataset = recipe.Dataset(
            source="npz", data_dir=str(path.parent), npz=recipe.Npz(x=self.x, y=self.y)
        )
        source = NpzSource(dataset)
        try:
            ids = {entry.id for entry in source.entries(path.name)}
            for example in source.examples(path.name, ids):
                yield example.id, example.label, example.value
        except DataError as error:
            raise translated(error, lambda name, _: _NAMES.get(name)) from error
