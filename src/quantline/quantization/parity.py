"""Comparison of an imported model's outputs with the original's."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.child import run_in_child, stage
from quantline.errors import DataError, MismatchError
from quantline.quantization.interface import batch_of, first_of, is_row
from quantline.ranges.in_subprocess import first_not_finite
from quantline.tflite import Graph, Runtime, Tensor, read

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT_S = 1800
logger = logging.getLogger(__name__)


def inputs_of(graph: Graph) -> dict[str, Tensor]:
    """Return the inputs by the name that callers know them by."""
    return _named(graph, graph.main.inputs, graph.signatures[0].inputs if graph.signatures else {})


def outputs_of(graph: Graph) -> dict[str, Tensor]:
    """Return the outputs by the name that callers know them by."""
    return _named(
        graph, graph.main.outputs, graph.signatures[0].outputs if graph.signatures else {}
    )


def _named(graph: Graph, indices: tuple[int, ...], signature: dict[str, int]) -> dict[str, Tensor]:
    tensors = graph.main.tensors
    if set(signature.values()) == set(indices):
        return {name: tensors[index] for name, index in signature.items()}
    return {tensors[index].name: tensors[index] for index in indices}


def compare(
    content: bytes,
    samples: Mapping[str, np.ndarray],
    expected: list[dict[str, np.ndarray]] | None,
    tolerance: float,
    path: str,
    memory_gib: float | None = None,
) -> dict[str, Any]:
    """Run the imported model on the samples and compare it with the original's outputs.

    It is the first time that the model runs, so a child process does it. An output may differ by
    ``tolerance`` of its largest magnitude; without other outputs, as of a ``.tflite`` file, the
    model just runs.

    Raises:
        DataError: There are no samples.
        MismatchError: An output differs by more, or is not a number where the original's is one.
        ModelUnsupported: The runtime refuses the model.
        ProcessError: The runtime died.
    """
    found = run_in_child(
        run_imported, content, samples,
        what=f"running the imported model of '{path}'", timeout_s=_TIMEOUT_S,
        memory_gib=memory_gib, confined=True,
    )  # fmt: skip
    if expected is None:
        return {"examples": 0, "note": "the model was given as .tflite: it is its own original"}
    if not expected:
        raise DataError(
            "There is nothing to compare the imported model with the original on",
            found="0 samples",
            expected="at least one",
            remedy="Give at least one sample: see `calibration_examples`",
        )
    outputs = {}
    for name in expected[0]:
        pairs = [(got[name], want[name]) for got, want in zip(found, expected, strict=True)]
        # Unlike Python's maximum, numpy's is NaN where any of the values is.
        largest = float(np.max([_largest(want) for _, want in pairs]))
        difference = float(np.max([_difference(got, want) for got, want in pairs]))
        outputs[name] = {"max_difference": difference, "max_output": largest}
        if not difference <= tolerance * max(largest, 1e-12):
            raise MismatchError(
                "The imported float model and the original disagree",
                found=f"values of the output '{name}' that differ by up to {difference:.3g}, where "
                f"the largest is {largest:.3g}, on {len(expected)} calibration examples",
                expected=f"at most {tolerance:g} of the largest value",
                remedy="A layer behaves differently outside training or after export; check custom "
                "layers, or raise `parity_tolerance` if this difference is meant",
            )
    not_finite = [
        index
        for index, outputs_of_sample in enumerate(expected)
        if not all(np.isfinite(value).all() for value in outputs_of_sample.values())
    ]
    if not_finite:
        first = run_in_child(
            first_not_finite, content, _each(samples),
            what=f"looking for the first NaN of '{path}'", timeout_s=_TIMEOUT_S,
            memory_gib=memory_gib, confined=True,
        )  # fmt: skip
        logger.warning(
            "The original and the imported model give NaN or infinite values, and the same ones, "
            "on %s.", first or f"{len(not_finite)} of {len(expected)} samples",
        )  # fmt: skip
    return {
        "examples": len(expected),
        "not_finite": not_finite,
        "max_difference": max(output["max_difference"] for output in outputs.values()),
        "max_output": max(output["max_output"] for output in outputs.values()),
        "outputs": outputs,
        "tolerance": tolerance,
    }


def _each(samples: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    count = len(next(iter(samples.values())))
    return [{name: values[at] for name, values in samples.items()} for at in range(count)]


def run_imported(
    content: bytes,
    samples: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> list[dict[str, np.ndarray]]:
    """Return a ``.tflite`` model's outputs on each sample, by name.

    Args:
        content: The file's bytes.
        samples: array of shape (n_examples, ...) for each input, by name.
        shapes: Each input's whole shape, by name; where it has a batch and the samples have none,
            the outputs are those of the first of a batch of different samples. None for the sizes
            that the file has.
    """
    graph = read(content)
    stage("loading")
    runtime = Runtime(content)
    names = {tensor.index: name for name, tensor in inputs_of(graph).items()}
    if shapes is not None:
        runtime.resize(*(shapes[names[port.index]] for port in runtime.inputs))
    stage("running")
    outputs = outputs_of(graph)
    results = []
    for index in range(len(next(iter(samples.values())))):
        arrays = [(samples[names[port.index]], port) for port in runtime.inputs]
        batch = max(
            [port.shape[0] for value, port in arrays if is_row(value, port.shape)], default=1
        )
        runtime.set(
            *(port.quantize(batch_of(values, index, port.shape)) for values, port in arrays)
        )
        runtime.invoke()
        found = dict(zip((port.index for port in runtime.outputs), runtime.get(), strict=True))
        results.append(
            {name: first_of(found[tensor.index], batch) for name, tensor in outputs.items()}
        )
    return results


def _difference(got: np.ndarray, want: np.ndarray) -> float:
    if got.size != want.size:
        return float("inf")
    both = got.reshape(want.shape).astype(np.float64), want.astype(np.float64)
    with np.errstate(invalid="ignore"):  # of two infinities
        difference = np.abs(both[0] - both[1])
    # Where the original gives NaN or an infinite value, the import has to give the same.
    same = (np.isnan(both[0]) & np.isnan(both[1])) | (both[0] == both[1])
    return float(np.where(same, 0, difference).max(initial=0))


def _largest(values: np.ndarray) -> float:
    finite = np.abs(values.astype(float))[np.isfinite(values)]
    return float(finite.max(initial=0))
