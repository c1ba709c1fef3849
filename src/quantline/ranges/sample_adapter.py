"""Conversion of a user's samples to the arrays that a model takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from quantline.errors import DataError, first_few

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from quantline.tflite import Graph
    from quantline.tflite.tensor_io import TensorIO

Sample = np.ndarray | Mapping[str, np.ndarray]
"""A sample as a user gives it: an array, or one for each input by its name."""

Values = tuple[np.ndarray, ...]
"""A sample as a model takes it: arrays with a batch of 1, in the order of its inputs. An input
whose first dimension is another, or that has none, takes its whole shape as it is."""


class SampleAdapter:
    """Checks samples and puts them into the order and the dtypes of a model's inputs.

    Attributes:
        names: The inputs' names in the model's order: those of its signature, else of its tensors.
        count: The number of samples prepared.
    """

    def __init__(self, graph: Graph, ports: Sequence[TensorIO]) -> None:
        inputs = [graph.main.tensors[index] for index in graph.main.inputs]
        named = {
            index: name
            for signature in graph.signatures
            for name, index in signature.inputs.items()
        }
        self.names = [named.get(tensor.index, tensor.name) for tensor in inputs]
        shapes = (tensor.shape for tensor in inputs)
        # A batch of any size is one of 1.
        self._shapes = [(1, *shape[1:]) if shape[:1] == (-1,) else shape for shape in shapes]
        self._ports = ports
        self.count = 0

    def prepare(self, samples: Iterable[Sample]) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield each sample as arrays with a batch of 1, one an input."""
        for sample in samples:
            values = self._by_name(sample)
            yield tuple(
                port.quantize(self._with_batch(np.asarray(values[name]), name, shape))
                for name, shape, port in zip(self.names, self._shapes, self._ports, strict=True)
            )
            self.count += 1

    def _by_name(self, sample: Sample) -> Mapping[str, np.ndarray]:
        if not isinstance(sample, Mapping) and len(self.names) == 1:
            return {self.names[0]: sample}
        given = list(sample) if isinstance(sample, Mapping) else ["one unnamed array"]
        if set(given) != set(self.names):
            raise DataError(
                f"Sample {self.count} does not hold the model's inputs",
                found=first_few(given),
                expected=f"one array each for {', '.join(self.names)}",
                remedy="Name the arrays as the model's inputs",
            )
        return sample  # type: ignore[return-value]

    def _with_batch(self, value: np.ndarray, name: str, shape: tuple[int, ...]) -> np.ndarray:
        has_batch = shape[:1] == (1,)
        for candidate in (value, value[np.newaxis]) if has_batch else (value,):
            if len(candidate.shape) == len(shape) and all(
                size == wanted or wanted < 0
                for size, wanted in zip(candidate.shape, shape, strict=True)
            ):
                return candidate
        several = f" ('{name}')" if len(self.names) > 1 else ""
        raise DataError(
            f"Sample {self.count}{several} has another shape than the model's input",
            found=f"{value.shape}",
            expected=f"{shape[1:] if has_batch else shape}",
            remedy="Bring the samples to this shape: correct `transform`",
        )
