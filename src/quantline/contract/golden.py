"""Golden vectors: a few inputs, and the exact outputs that a model must give for them.

They are made on the built-in kernels without a delegate, on one thread: of a model whose operators
compute with integers alone, these give the same values each time (see :mod:`.kernels`), so its
vectors must be met exactly. Where an operator computes with floats, a tolerance is stated.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from quantline.child import run_in_child
from quantline.contract.kernels import call, difference, is_repeatable
from quantline.contract.vectors import Golden, Vector, check_ports
from quantline.errors import CheckFailed, MismatchError, first_few
from quantline.files import sha256
from quantline.quantization.parity import outputs_of
from quantline.ranges import Sample, SampleAdapter, Values
from quantline.tflite import Graph, Runtime, Tensor, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quantline.tflite.runtime import Kernels
    from quantline.tflite.tensor_io import TensorIO

_TIMEOUT_S = 600.0
_TOLERANCE = 1e-3  # of the largest expected magnitude, where operators compute with floats


@dataclass(frozen=True)
class Mismatch:
    """One output that differs from its vector."""

    source: str
    output: str
    differing_share: float  # of its values; 1 where its shape or dtype differs
    # the largest difference, in real numbers; None where shapes or dtypes differ, or a value is not
    # finite
    largest: float | None
    largest_steps: float | None  # the same in quantization steps, where the output is quantized
    allowed: float  # the largest difference that the tolerance allows


def make(
    model: bytes, samples: Sequence[Sample], count: int = 8, kernels: Kernels = "builtin"
) -> Golden:
    """Make a model's golden vectors.

    The inputs are the ends of the range and zero, and samples that are evenly spread over those
    given; where none are, random values of a fixed seed. The ends are those of an input's integers;
    of an input that is not quantized, those of the samples' values. Zero is the real number. What
    comes out equal is kept once.

    Args:
        model: A ``.tflite`` file's bytes, known to be readable.
        samples: As :func:`quantline.ranges.record` takes them; none will do.
        count: The largest number of vectors; at least 4, so that one is a sample.
        kernels: The kernels that the model runs on.

    Raises:
        DataError: The samples do not fit the model's inputs.
        ModelUnsupported: The runtime refuses the model.
        ProcessError: A kernel died.
    """
    others = max(1, count - 3)
    places = np.unique(np.linspace(0, len(samples) - 1, others).round().astype(int))
    chosen = {f"sample {place}": samples[place] for place in places} if len(samples) else {}
    vectors = run_in_child(
        make_here, model, chosen, others, kernels,
        what="the making of golden vectors", timeout_s=_TIMEOUT_S,
    )  # fmt: skip
    return Golden(
        model_sha256=sha256(model),
        runtime=f"ai-edge-litert {version('ai-edge-litert')}",
        machine=platform.machine(),
        kernels=kernels,
        tolerance=0.0 if is_repeatable(read(model)) else _TOLERANCE,
        vectors=tuple(vectors),
    )


def check(model: bytes, golden: Golden) -> tuple[Mismatch, ...]:
    """Run a model on its golden vectors and return the outputs that differ by more than is allowed.

    Raises:
        MismatchError: They are another model's, or damaged.
        ModelUnsupported: The runtime refuses the model.
        ProcessError: A kernel died.
    """
    if golden.model_sha256 != sha256(model):
        raise MismatchError(
            "The golden vectors are not those of this model",
            found=f"vectors of the model {golden.model_sha256[:12]}",
            expected=f"vectors of the model {sha256(model)[:12]}",
            remedy="Give the file that was written together with the model",
        )
    graph = read(model)
    for vector in golden.vectors:
        check_ports(graph, vector)
    given = [vector.inputs for vector in golden.vectors]
    rows = run_in_child(
        run_here, model, given, golden.kernels,
        what="the run on golden vectors", timeout_s=_TIMEOUT_S,
    )  # fmt: skip
    outputs = _named_outputs(graph)
    return tuple(
        found
        for vector, got in zip(golden.vectors, rows, strict=True)
        for found in _compare(golden, vector, outputs, got)
    )


def enforce(golden: Golden, mismatches: Sequence[Mismatch]) -> None:
    """Raise a CheckFailed with the first outputs that differ from the vectors, if any do."""
    if not mismatches:
        return
    lines = [
        f"'{found.output}' for {found.source}: {found.differing_share:.2%} of the values differ"
        + ("" if found.largest is None else f", by up to {found.largest:.4g}")
        + ("" if found.largest_steps is None else f", {found.largest_steps:g} quantization steps")
        for found in mismatches
    ]
    here = f"ai-edge-litert {version('ai-edge-litert')} on {platform.machine()}"
    raise CheckFailed(
        "The model does not give the outputs of its golden vectors",
        found=f"{first_few(lines, 3)}; with {here}",
        expected="the outputs that they hold"
        + ("" if not golden.tolerance else f", to {golden.tolerance:g} of the largest")
        + f", as with {golden.runtime} on {golden.machine}",
        remedy="With the same runtime on the same kind of machine, one of them computes wrongly; "
        "with others, compare the accuracy before the model is used there",
    )


def make_here(
    model: bytes, samples: Mapping[str, Sample], others: int, kernels: Kernels
) -> list[Vector]:
    """Make vectors; this runs in the child process."""
    graph, runtime = read(model), Runtime(model, 1, kernels)
    feed = SampleAdapter(graph, runtime.inputs)
    prepared = dict(zip(samples, feed.prepare(samples.values()), strict=True))
    prepared = prepared or _random(runtime.inputs, others)
    extremes = _extremes(runtime.inputs, list(prepared.values()))
    outputs = _named_outputs(graph)
    found: dict[tuple[bytes, ...], Vector] = {}
    for source, values in (*extremes.items(), *prepared.items()):
        content = tuple(value.tobytes() for value in values)
        if content not in found:
            got = call(runtime, values)
            inputs = dict(zip(feed.names, values, strict=True))
            found[content] = Vector(source, inputs, dict(zip(outputs, got, strict=True)))
    return list(found.values())


def run_here(
    model: bytes, inputs: Sequence[Mapping[str, np.ndarray]], kernels: Kernels
) -> list[list[np.ndarray]]:
    """Run inputs that are stored as the model takes them; this runs in the child process."""
    runtime = Runtime(model, 1, kernels)
    names = SampleAdapter(read(model), runtime.inputs).names
    return [call(runtime, [values[name] for name in names]) for values in inputs]


def _random(ports: Sequence[TensorIO], count: int) -> dict[str, Values]:
    """Return random inputs; zeros for plain integers, such as indices, whose bounds are unknown."""
    rng = np.random.default_rng(0)

    def draw(port: TensorIO) -> np.ndarray:
        if port.scale:
            limits = np.iinfo(port.dtype)
            return rng.integers(limits.min, limits.max, port.shape, port.dtype, endpoint=True)
        if port.dtype.kind == "f":
            return rng.uniform(-1, 1, port.shape).astype(port.dtype)
        return np.zeros(port.shape, port.dtype)

    return {f"random {number}": tuple(map(draw, ports)) for number in range(count)}


def _extremes(ports: Sequence[TensorIO], samples: Sequence[Values]) -> dict[str, Values]:
    """Return inputs at the ends of their ranges and at zero."""
    found: dict[str, list[np.ndarray]] = {"lowest": [], "highest": [], "zero": []}
    for at, port in enumerate(ports):
        like = samples[0][at]
        values = [sample[at] for sample in samples]
        ends = [min(map(np.min, values)), max(map(np.max, values))]
        zero = np.clip(0, *ends)
        if port.scale:
            limits = np.iinfo(port.dtype)
            ends, zero = [limits.min, limits.max], port.quantize(np.zeros(()))
        for filled, value in zip(found.values(), (*ends, zero), strict=True):
            filled.append(np.full_like(like, value))
    return {source: tuple(values) for source, values in found.items()}


def _named_outputs(graph: Graph) -> dict[str, Tensor]:
    """Return the outputs in the model's own order, by the names that callers use."""
    names: dict[int, list[str]] = {}
    for name, tensor in outputs_of(graph).items():
        names.setdefault(tensor.index, []).append(name)
    return {names[index].pop(0): graph.main.tensors[index] for index in graph.main.outputs}


def _compare(
    golden: Golden, vector: Vector, outputs: Mapping[str, Tensor], got: Sequence[np.ndarray]
) -> Iterator[Mismatch]:
    for (name, tensor), value in zip(outputs.items(), got, strict=True):
        expected = vector.outputs[name]
        scale = tensor.quantization.scales[0] if tensor.quantization is not None else 0.0
        if (value.shape, value.dtype) != (expected.shape, expected.dtype):
            yield Mismatch(vector.source, name, 1.0, None, None, 0.0)
            continue
        allowed = 0.0
        if golden.tolerance:
            zero_point = tensor.quantization.zero_points[0] if tensor.quantization else 0
            real = (expected.astype(np.float64) - zero_point) * (scale or 1.0)
            allowed = golden.tolerance * float(np.abs(real).max(initial=0)) + scale
        found = difference(tensor, expected, value)
        if found.differing_share and (found.largest is None or found.largest > allowed):
            largest = (found.largest, found.largest_steps)
            yield Mismatch(vector.source, name, found.differing_share, *largest, allowed)
