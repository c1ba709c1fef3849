"""Comparison of the outputs of one model on several sets of kernels.

No two implementations of an integer operator have to agree. The specification says so: "different
hardware may have preferences and restrictions that may cause slight deviations when implementing
the spec that result in implementations that are not bit-exact"
(https://www.tensorflow.org/lite/performance/quantization_spec). And they do not: XNNPACK rounds a
rescaled sum once, and the built-in kernels twice (LiteRT issue 7441). What one set of kernels gives
is the same each time, on any number of threads, as long as no operator computes with floats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from quantline.child import run_in_child
from quantline.errors import ModelUnsupported, OutOfMemory, ProcessError
from quantline.files import plain
from quantline.ranges import Sample, SampleAdapter
from quantline.tflite import Graph, Runtime, Tensor, float_operators, read
from quantline.tflite.runtime import Kernels

if TYPE_CHECKING:
    from collections.abc import Sequence


KERNELS: tuple[Kernels, ...] = get_args(Kernels)
_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Difference:
    """The difference between two sets of kernels at one output."""

    output: str
    differing_share: float  # of its values
    largest: float | None  # in real numbers; None where one of two that differ is not finite
    largest_steps: float | None  # the same in quantization steps; None where not quantized


@dataclass(frozen=True)
class Comparison:
    """The differences between two sets of kernels."""

    first: Kernels
    second: Kernels
    exact: bool  # True if every value of every output is the same
    outputs: tuple[Difference, ...]  # the differences, in the order of the model's outputs


@dataclass(frozen=True)
class KernelReport:
    """The results of all sets of kernels."""

    samples: int  # number that each set was given
    repeatable: bool  # each set gives the same each time: no operator computes with floats
    failed: dict[Kernels, str]  # the reason why a set failed, by its name
    comparisons: tuple[Comparison, ...]  # each pair of sets that ran

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return plain(self, evidence="measured")


def compare_kernels(model: bytes, samples: Sequence[Sample]) -> KernelReport:
    """Run a model on XNNPACK, on the built-in kernels and on the reference kernels.

    Each set runs in a child process of its own: a kernel may end the process at an input that it
    cannot handle. LiteRT 2.3's reference softmax does so, without a word, where the scale of
    its int8 input is 2^-26 or less, as it is for logits that were all zero.

    Args:
        model: A ``.tflite`` file's bytes, known to be readable.
        samples: As :func:`quantline.ranges.record` takes them.

    Raises:
        DataError: The samples do not fit the model's inputs.
        ModelUnsupported: No set of kernels can run the model.
    """
    graph = read(model)
    stacked: dict[Kernels, list[np.ndarray]] = {}
    failed: dict[Kernels, str] = {}
    for kernels in KERNELS:
        try:
            rows = run_in_child(
                run, model, kernels, samples,
                what=f"the run on the {kernels} kernels", timeout_s=_TIMEOUT_S,
            )  # fmt: skip
        except OutOfMemory:
            raise  # says nothing about the kernels
        except (ProcessError, ModelUnsupported) as error:
            failed[kernels] = re.sub(r"; peak memory [\d.]+ GiB", "", error.found)
        else:
            stacked[kernels] = [np.stack(group) for group in zip(*rows, strict=True)]
    if not stacked:
        raise ModelUnsupported(
            "No set of kernels can run the model",
            found="; ".join(f"{kernels}: {found}" for kernels, found in failed.items()),
            expected="a model that LiteRT can run",
            remedy="Try another version of the model or of LiteRT",
        )
    outputs = [graph.main.tensors[index] for index in graph.main.outputs]
    pairs = (_compare(*pair, outputs, stacked) for pair in combinations(stacked, 2))
    return KernelReport(len(samples), is_repeatable(graph), failed, tuple(pairs))


def run(model: bytes, kernels: Kernels, samples: Sequence[Sample]) -> list[list[np.ndarray]]:
    """Run samples on one set of kernels, on one thread; return each one's outputs as stored."""
    runtime = Runtime(model, 1, kernels)
    prepared = SampleAdapter(read(model), runtime.inputs).prepare(samples)
    return [call(runtime, values) for values in prepared]


def call(runtime: Runtime, values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Run a model once from its initial state, and return its outputs."""
    runtime.reset()
    runtime.set(*values)
    runtime.invoke()
    return runtime.get()


def is_repeatable(graph: Graph) -> bool:
    """Return whether a model has neither custom operators nor such that compute with floats."""
    custom = any(operator.is_custom for part in graph.subgraphs for operator in part.operators)
    return not custom and not float_operators(graph)


def difference(output: Tensor, first: np.ndarray, second: np.ndarray) -> Difference:
    """Compare one output of two runs, as it is stored."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    differs = (first != second) & ~(np.isnan(first) & np.isnan(second))
    with np.errstate(invalid="ignore"):  # infinity minus itself
        steps = np.abs(first - second)[differs]
    scale = output.quantization.scales[0] if output.quantization is not None else None
    largest = float(steps.max(initial=0)) if np.isfinite(steps).all() else None
    share = float(np.mean(differs)) if differs.size else 0.0
    real = None if largest is None else largest * (scale or 1.0)
    return Difference(output.name, share, real, None if scale is None else largest)


def _compare(
    first: Kernels,
    second: Kernels,
    outputs: Sequence[Tensor],
    stacked: dict[Kernels, list[np.ndarray]],
) -> Comparison:
    groups = zip(outputs, stacked[first], stacked[second], strict=True)
    found = tuple(difference(*group) for group in groups)
    return Comparison(first, second, not any(output.differing_share for output in found), found)
