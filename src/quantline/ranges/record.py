"""Recording: run the float model over samples and keep each activation's extremes."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from quantline.errors import (
    InputMismatch,
    ModelUnsupported,
    NotRecordable,
    SamplesNotFinite,
    TooFewExamples,
)
from quantline.files import sha256
from quantline.ranges.range_set import RangeSet, TensorRange
from quantline.tflite import Graph, Runtime, Tensor, read, with_outputs

if TYPE_CHECKING:
    from collections.abc import Iterable

# Subgraphs of their own run while the main one waits; their tensors cannot become its outputs.
_CONTROL_FLOW = {"IF", "WHILE", "CALL", "CALL_ONCE", "STABLEHLO_COMPOSITE", "STABLEHLO_WHILE"}


def record(
    model: bytes,
    samples: Iterable[np.ndarray],
    *,
    samples_sha256: str | None = None,
    threads: int | None = None,
) -> RangeSet:
    """Record the minimum and maximum of every float activation.

    Every activation is made an output of the model, so that XNNPACK runs it at full speed while
    all of them can be read. Memory does not grow with the number of samples.

    Args:
        model: A float ``.tflite`` file's bytes, with one input.
        samples: Arrays of the input's shape, with or without the batch of 1; real values.
        samples_sha256: The hash of the samples' content, kept with the ranges.
        threads: CPU threads; all cores by default.

    Raises:
        NotRecordable: The model has control flow, several inputs or no float activation.
        TooFewExamples: There are no samples.
        InputMismatch: A sample has another shape than the input.
        SamplesNotFinite: A tensor became NaN or infinite.
    """
    graph = read(model)
    tensors = _activations(graph)
    runtime = Runtime(with_outputs(model, [tensor.index for tensor in tensors]), threads)
    port = runtime.inputs[0]
    low = np.full(len(tensors), np.inf, np.float32)
    high = np.full(len(tensors), -np.inf, np.float32)
    count = 0
    for sample in samples:
        if sample.shape not in (port.shape, port.shape[1:]):
            raise InputMismatch(
                f"Sample {count} has another shape than the model's input",
                found=f"{sample.shape}",
                expected=f"{port.shape[1:]}",
                remedy="Correct 'dataset.transform'",
            )
        runtime.set(port.quantize(sample.reshape(port.shape)))
        runtime.invoke()
        for position, value in enumerate(runtime.get()):
            # A NaN survives min and max, so that one check at the end finds every kind.
            if value.size:
                low[position] = np.minimum(low[position], value.min())
                high[position] = np.maximum(high[position], value.max())
        count += 1
    if not count:
        raise TooFewExamples(
            "There is nothing to record ranges from",
            found="0 samples",
            expected="at least one; about 100 suffice",
            remedy="Set 'sampling.calibration.examples'",
        )
    _refuse_not_finite(tensors, low, high)
    ranges = tuple(
        TensorRange(tensor.index, tensor.name, float(low[i]), float(high[i]))
        for i, tensor in enumerate(tensors)
    )
    versions = {name: version(name) for name in ("ai-edge-litert", "numpy", "quantline")}
    return RangeSet(ranges, count, sha256(model), samples_sha256, versions)


def _activations(graph: Graph) -> list[Tensor]:
    main = graph.main
    kinds = {operator.type for operator in main.operators}
    if len(graph.subgraphs) > 1 or kinds & _CONTROL_FLOW:
        raise NotRecordable(
            "The ranges of a model with control flow cannot be recorded",
            found=f"{len(graph.subgraphs)} subgraphs; "
            f"{', '.join(sorted(kinds & _CONTROL_FLOW)) or 'no control flow operator'}",
            expected="a single subgraph without IF, WHILE or CALL",
            remedy="Export the model without loops and conditions, for instance with unrolled RNNs",
        )
    if len(main.inputs) != 1:
        raise ModelUnsupported(
            "The model does not have exactly one input",
            found=f"{len(main.inputs)} inputs",
            expected="one input",
            remedy="Export a signature with a single input",
        )
    written = [index for operator in main.operators for index in operator.outputs]
    indices = sorted({*main.inputs, *written})
    found = [main.tensors[index] for index in indices if main.tensors[index].dtype == "float32"]
    if not found:
        raise NotRecordable(
            "The model has no float activation to record",
            found=f"{len(indices)} activations, none float32",
            expected="a float model",
            remedy="Give the float model, not a quantized one",
        )
    return found


def _refuse_not_finite(tensors: list[Tensor], low: np.ndarray, high: np.ndarray) -> None:
    broken = [
        tensor for i, tensor in enumerate(tensors) if not np.isfinite([low[i], high[i]]).all()
    ]
    if broken:
        first = broken[0]
        raise SamplesNotFinite(
            "The model gives NaN or infinite values on the calibration set",
            found=f"{len(broken)} tensors, the first is {first.index} '{first.name}'",
            expected="finite activations",
            remedy="Check the samples' scale in 'dataset.transform', and the model's weights",
        )
