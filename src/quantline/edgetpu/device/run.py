"""The inputs of a run on an Edge TPU, checked before any device is opened, and its results.

The Edge TPU computes with integers too, but need not round as the CPU's kernels do; these differ
among themselves too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.edgetpu.mapping.requirements import COMPILED_OPERATOR, has_compiled
from quantline.edgetpu.vocabulary import Evidence, extent
from quantline.errors import DataError, MismatchError, ModelUnsupported
from quantline.files import plain
from quantline.ranges import Sample, SampleAdapter
from quantline.tflite import Graph, Tensor, read
from quantline.tflite.tensor_io import TensorIO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.tflite import Subgraph
    from quantline.tflite.runtime import Kernels


@dataclass(frozen=True, eq=False)
class Job:
    """A compiled model and its samples."""

    model: bytes  # the compiled model's file
    graph: Graph
    inputs: list[np.ndarray]  # of each input, shape (n_samples, ...), as the model stores it
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
    ports = chain(*_inputs_and_outputs(graph))
    return [f"{io.dtype}{list(io.shape)} * {io.scale:g} + {io.zero_point}" for io in ports]


def _inputs_and_outputs(graph: Graph) -> tuple[tuple[TensorIO, ...], tuple[TensorIO, ...]]:
    main = graph.main
    inputs, outputs = map(main.tensors_at, (main.inputs, main.outputs))
    return tuple(map(_tensor_io, inputs)), tuple(map(_tensor_io, outputs))


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


_PERCENTILES = (10, 50, 90)


@dataclass(frozen=True)
class Agreement:
    """The difference between two runs at one output."""

    output: str
    step: float | None  # in real numbers; None for plain integers, such as the numbers of classes
    equal_share: float  # the share of values that are equal, from 0 to 1
    steps_mean: float  # the mean difference, steps
    steps_max: int  # the largest difference, steps
    histogram: Mapping[int, int]  # the number of values by the steps they differ by
    # the share of samples whose largest value is at the same place, the first of equals; None for
    # an output that is no row of scores
    top1_agreement: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the agreement as plain JSON values."""
        histogram = {str(steps): count for steps, count in self.histogram.items()}
        return plain(self, evidence=Evidence.MEASURED, histogram=histogram)


@dataclass(frozen=True)
class DeviceLatency:
    """The duration of single invocations, ms, with the operators on the CPU and all transfers."""

    first: float  # the very first, which loads the parameters onto the chip
    p10: float  # of the timed ones after it, the 10th percentile
    p50: float  # their median
    p90: float  # their 90th percentile
    minimum: float
    runs: int

    @classmethod
    def of(cls, first_ms: float, times_ms: Sequence[float]) -> DeviceLatency:
        """Return the percentiles of at least one time, ms."""
        p10, p50, p90 = (float(value) for value in np.percentile(times_ms, _PERCENTILES))
        return cls(first_ms, p10, p50, p90, min(times_ms), len(times_ms))

    def to_dict(self) -> dict[str, Any]:
        """Return the latency as plain JSON values."""
        return {
            "evidence": Evidence.MEASURED.value,
            "latency_ms_first": self.first,
            "latency_ms_p10": self.p10,
            "latency_ms_p50": self.p50,
            "latency_ms_p90": self.p90,
            "latency_ms_min": self.minimum,
            "runs": self.runs,
        }


@dataclass(frozen=True, eq=False)
class DeviceRun:
    """The results of a run on one device."""

    device: str  # the device that was asked for
    library: str  # the runtime library
    library_version: str | None  # its own words about its version; None without any
    kernels: Kernels  # the kernels that ran what was not compiled
    cpu_kernels: Kernels | None  # of the model that the outputs are compared with
    outputs_io: tuple[TensorIO, ...]  # the model's outputs: names, scales and zero points
    outputs: tuple[np.ndarray, ...]  # each of shape (n_samples, 1, ...), as the model stores it
    latency: DeviceLatency
    # for each output, how far it is from the CPU's; None where there is nothing to compare with, or
    # it is of real numbers of which no step is known
    agreements: tuple[Agreement | None, ...]

    def real_outputs(self) -> tuple[np.ndarray, ...]:
        """Return the outputs as the real numbers they stand for, float32."""
        both = zip(self.outputs_io, self.outputs, strict=True)
        return tuple(output.dequantize(values) for output, values in both)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the outputs as plain JSON values."""
        return {
            "evidence": Evidence.MEASURED.value,
            "device": self.device,
            "library": self.library,
            "library_version": self.library_version,
            "kernels": self.kernels,
            "cpu_kernels": self.cpu_kernels,
            "samples": len(self.outputs[0]),
            "latency": self.latency.to_dict(),
            "agreements": [
                agreement.to_dict() for agreement in self.agreements if agreement is not None
            ],
        }


def step_of(subgraph: Subgraph, index: int) -> float | None:
    """Return one quantization step of an output in real numbers; None where it is not quantized.

    Of a float output that a DEQUANTIZE gives it is the step of what that reads.
    """
    producer = subgraph.producers.get(index)
    if producer is not None and producer.type == "DEQUANTIZE":
        index = producer.inputs[0]
    quantization = subgraph.tensors[index].quantization
    return quantization.scales[0] if quantization is not None else None


def compare_outputs(
    output: str, step: float | None, device: np.ndarray, cpu: np.ndarray
) -> Agreement | None:
    """Compare two runs over the same samples at one output, arrays of shape (n_samples, 1, ...).

    The result is None for real numbers of which no step is known.
    """
    differences = np.abs(device.astype(np.float64) - cpu.astype(np.float64))
    if device.dtype.kind not in "iu":
        if step is None:
            return None
        differences /= step
    steps = np.rint(differences).astype(np.int64)
    values, counts = np.unique(steps, return_counts=True)
    is_scores = device.ndim > 2 and device.shape[-1] > 1 and device[0].size == device.shape[-1]
    return Agreement(
        output,
        step,
        float((steps == 0).mean()),
        float(steps.mean()),
        int(steps.max()),
        dict(zip(values.tolist(), counts.tolist(), strict=True)),
        float((device.argmax(-1) == cpu.argmax(-1)).mean()) if is_scores else None,
    )
