"""A function of the user's as a source: it yields ids, inputs and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import DataError, first_line
from quantline.files import sha256
from quantline.sampling.sources import Entry, Example
from quantline.user_code import load_function, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from quantline import recipe


class FunctionSource:
    """Examples of a function ``module:name`` that takes a split and yields (id, inputs, label)."""

    version = None

    def __init__(self, dataset: recipe.Dataset) -> None:
        """Import the function.

        Raises:
            ParameterError: It cannot be imported.
        """
        self.name = str(dataset.function)
        self._function = load_function(self.name, "function")

    def entries(self, split: str) -> Iterator[Entry]:
        """Yield each example's id, and its label if it is a class index.

        Raises:
            DataError: The function raises, or yields something else.
        """
        for name, _, label in self._yielded(split):
            yield Entry(name, label if isinstance(label, int) else None)

    def examples(self, split: str, ids: Set[str]) -> Iterator[Example]:
        """Yield the chosen examples; the function is run anew.

        Raises:
            DataError: As :meth:`entries` lists them.
        """
        for name, value, label in self._yielded(split):
            if name in ids:
                parts = value.values() if isinstance(value, Mapping) else [value]
                content = b"".join(part.tobytes() for part in parts)
                if isinstance(label, np.ndarray):
                    content += label.tobytes()
                yield Example(name, label, value, sha256(content))

    def _yielded(self, split: str) -> Iterator[tuple[str, Any, int | np.ndarray | None]]:
        count = 0
        try:
            for count, item in enumerate(self._function(split), start=1):
                yield self._checked(item, count)
        except DataError:
            raise
        except Exception as error:  # a user's function may raise anything
            raise self._refused(f"{first_line(error)}{place_of(error)}", count + 1) from error

    def _checked(self, item: Any, count: int) -> tuple[str, Any, int | np.ndarray | None]:
        if not isinstance(item, tuple) or len(item) != 3 or not isinstance(item[0], str):
            raise self._refused(f"{type(item).__name__} {item!r:.80}", count)
        name, inputs, label = item
        if isinstance(inputs, Mapping):
            value: Any = {str(key): np.asarray(part) for key, part in inputs.items()}
        else:
            value = np.asarray(inputs)
        if label is not None:
            array = np.asarray(label)
            label = int(array) if not array.ndim and array.dtype.kind in "iu" else array
        kinds = {
            part.dtype.kind for part in (value.values() if isinstance(value, dict) else [value])
        }
        if not kinds <= set("biuf") or (
            isinstance(label, np.ndarray) and label.dtype.kind not in "biuf"
        ):
            raise self._refused(f"inputs or a label of '{name}' that are not numbers", count)
        return name, value, label

    def _refused(self, found: str, count: int) -> DataError:
        return DataError(
            f"The function '{self.name}' does not yield examples",
            found=f"at example {count}: {found}",
            expected="tuples of an id, which is text, an array of numbers (or a mapping of them by "
            "input), and a label or None",
            remedy="Correct the function",
        )
