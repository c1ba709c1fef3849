"""The inputs of a run on a device, checked before any device is opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from quantline.edgetpu.mapping.requirements import COMPILED_OPERATOR, has_compiled
from quantline.edgetpu.vocabulary import extent
from quantline.errors import (
    DataError,
    MismatchError,
    ModelUnsupported,
)
from quantline.ranges import Sample, SampleAdapter
from quantline.tflite import Graph, Tensor, read
from quantline.tflite.tensor_io import TensorIO


@dataclass(frozen=True, eq=False)
class Job:
    """A compiled model and its samples."""

    model: bytes  # the compiled model's file
    graph: Graph
    # for each input, array of shape (n_samples, ...), as the model stores it
    inputs: list[np.ndarray]
    outputs: tuple[TensorIO, ...]  # its outputs: names, shapes, scales


def prepare(compiled: bytes, samples: Iterable[Sample], int8_model: bytes | None) -> Job:
    """Check the models against each other and the samples against them.

    Args:
        compiled: The compiled model's file.
        samples: Real values; an array of an input's own integer type is taken as it is stored.
        int8_model: The model that was compiled, if the two are to be compared.

    Raises:
        ModelUnreadable: A file is no whole ``.tflite`` file.
        ModelUnsupported: Nothing in ``compiled`` was compiled, or something in ``int8_model`` was.
        MismatchError: The two models do not have the same inputs and outputs.
        DataError: There are no samples, they do not fit the model, or one holds NaN or infinity.
    """
    graph = read(compiled, "the compiled model")
    require_compiled(graph)
    named = graph
    if int8_model is not None:
        # The compiler drops the signatures, and with them the names that samples go by.
        named = read(int8_model, "the model for the CPU")
        _check_related(graph, named)
    inputs, outputs = _inputs_and_outputs(graph)
    feed = SampleAdapter(named, [_StoredOrReal(**vars(tensor_io)) for tensor_io in inputs])
    rows = list(feed.prepare(_finite(samples)))
    if not rows:
        raise DataError(
            "There are no samples to run",
            found="0 samples",
            expected="at least 1",
            remedy="Give some of the evaluation set",
        )
    stacked = [np.stack(group) for group in zip(*rows, strict=True)]
    return Job(compiled, graph, stacked, outputs)


def require_compiled(graph: Graph) -> None:
    """Refuse a model that holds nothing for the Edge TPU.

    Raises:
        ModelUnsupported: None of its operators was compiled.
    """
    if not has_compiled(graph):
        raise ModelUnsupported(
            "The model was not compiled for the Edge TPU",
            found=f"{len(graph.main.operators)} operators, none of them '{COMPILED_OPERATOR}'",
            expected="what edgetpu_compiler wrote, usually a file that ends in _edgetpu.tflite",
            remedy="Compile it with edgetpu_compiler; as it is, it would run on the CPU alone",
        )


class _StoredOrReal(TensorIO):
    def quantize(self, real: np.ndarray) -> np.ndarray:
        return real if self.scale and real.dtype == self.dtype else super().quantize(real)


def _check_related(compiled: Graph, int8: Graph) -> None:
    if has_compiled(int8):
        raise ModelUnsupported(
            "The model for the CPU was compiled for the Edge TPU",
            found=f"an operator '{COMPILED_OPERATOR}', which no CPU can run",
            expected="the int8 model that was given to edgetpu_compiler",
            remedy="Give the file without _edgetpu in its name",
        )
    ours, theirs = _interface(compiled), _interface(int8)
    if ours != theirs:
        raise MismatchError(
            "The compiled model was not made from the int8 model that it is compared with",
            found=f"inputs and outputs {', '.join(theirs)}",
            expected=f"those of the compiled model: {', '.join(ours)}",
            remedy="Give the very file that was compiled",
        )


def _interface(graph: Graph) -> list[str]:
    return [
        f"{port.dtype}{list(port.shape)} * {port.scale:g} + {port.zero_point}"
        for ports in _inputs_and_outputs(graph)
        for port in ports
    ]


def _inputs_and_outputs(graph: Graph) -> tuple[tuple[TensorIO, ...], tuple[TensorIO, ...]]:
    main = graph.main
    inputs, outputs = (
        tuple(_tensor_io(main.tensors[index]) for index in indices)
        for indices in (main.inputs, main.outputs)
    )
    return inputs, outputs


def _tensor_io(tensor: Tensor) -> TensorIO:
    dtype, stored = np.dtype(tensor.dtype), tensor.quantization
    scale, zero_point = 0.0, 0
    if stored is not None and dtype.kind in "iu":
        scale, zero_point = stored.scales[0], stored.zero_points[0]
    return TensorIO(tensor.index, tensor.name, extent(tensor), dtype, scale, zero_point)


def _finite(samples: Iterable[Sample]) -> Iterator[Sample]:
    for index, sample in enumerate(samples):
        for value in sample.values() if isinstance(sample, Mapping) else (sample,):
            bad = np.size(value) - np.count_nonzero(np.isfinite(value))
            if bad:
                raise DataError(
                    f"Sample {index} holds values that are not finite",
                    found=f"{bad} of {np.size(value)} values are NaN or infinite",
                    expected="finite numbers",
                    remedy="Correct what prepares the samples",
                )
        yield sample
