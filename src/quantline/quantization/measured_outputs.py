"""A quantized model's outputs against the float model's, measured on calibration samples.

The quantized model is also run on the built-in kernels, and without samples on zeros: it must run
on XNNPACK, which most users run, and on the kernels below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.child import run_in_child, stage
from quantline.errors import ModelUnsupported
from quantline.quantization.causes_of_range import constant_offset
from quantline.quantization.diagnosis import diagnose
from quantline.quantization.output_loss import Loss, loss_of
from quantline.quantization.output_noise import Groups, OutputNoise, figures, rounded
from quantline.quantization.output_parts import comparison_outputs, fixed_step, parts_of, picked
from quantline.quantization.parity import outputs_of
from quantline.ranges import SampleAdapter
from quantline.tflite import Model, Runtime, with_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.quantization.output_parts import Parts
    from quantline.ranges import Sample, Values
    from quantline.tflite import Graph
    from quantline.tflite.runtime import Kernels
    from quantline.tflite.tensor_io import TensorIO

MOST_SAMPLES = 32
"""The most samples on which outputs are compared; more hardly change the figures."""
_ALL_KERNELS: tuple[Kernels, ...] = ("xnnpack", "builtin")
_TIMEOUT_S = 1800.0


def measure_outputs(
    float_model: bytes, quantized: bytes, samples: Sequence[Sample]
) -> dict[str, Any]:
    """Run a quantized model on two sets of kernels, and compare its outputs with the float model's.

    Args:
        float_model: The float ``.tflite`` file's bytes.
        quantized: The bytes of the model that was made from it.
        samples: As :func:`quantline.ranges.record` takes them. At most 32 are used, evenly spread
            from the first to the last; none will do, and nothing is then compared.

    Returns:
        Plain JSON values, as :class:`quantline.results.scores.MeasuredOutputs` has them.

    Raises:
        ModelUnsupported: A set of kernels refuses the quantized model.
        ProcessError: A kernel died.
        DataError: The samples do not fit the model's inputs.
    """
    places = np.unique(np.linspace(0, len(samples) - 1, MOST_SAMPLES).round().astype(int))
    chosen = [samples[place] for place in places] if len(samples) else []
    found: list[dict[str, Any]] = run_in_child(
        measure_here, float_model, quantized, chosen,
        what="the run of the quantized model", timeout_s=_TIMEOUT_S,
    )  # fmt: skip
    return {
        "evidence": "measured",
        "kernels": "xnnpack",
        "ran_on": list(_ALL_KERNELS),
        "samples": len(chosen),
        "outputs": found if chosen else None,
        "reason": None if chosen else "not measured: no samples were given",
    }


def measure_here(
    float_model: bytes, quantized: bytes, samples: Sequence[Sample]
) -> list[dict[str, Any]]:
    """Run and compare; this happens in the child process."""
    models = Model(float_model), Model(quantized)
    before, after = (model.graph for model in models)
    stage("loading the float model")
    original = Runtime(float_model)
    values = list(SampleAdapter(before, original.inputs).prepare(samples))
    for kernels in reversed(_ALL_KERNELS):
        stage(f"running the quantized model on the {_NAMES[kernels]} kernels")
        _run_once(quantized, kernels, values)
    if not values:
        return []
    stage("comparing the outputs on XNNPACK")
    tensors = [_compared(before), _compared(after)]
    if _shapes(before, tensors[0]) != _shapes(after, tensors[1]):
        tensors = [list(before.main.outputs), list(after.main.outputs)]
    pairs = list(zip(*tensors, strict=True))
    parts = parts_of(models[0], tensors[0], values[0])
    sums = _sums(float_model, quantized, pairs, parts, values)
    described, judged = _described(before, pairs, parts, sums)
    stage("looking for the cause of an output's loss")
    for output in described:
        if output["verdict"] is not None:
            behind = output["before"]
            shown = output if behind is None or output["loss"]["verdict"] == "lost" else behind
            index = shown["float_tensor"]
            target = (index, parts[index], *judged[index])
            cause = diagnose(*models, target, values)
            output["cause"] = None if cause is None else cause.model_dump()
    return described


_NAMES: dict[Kernels, str] = {"xnnpack": "XNNPACK", "builtin": "built-in", "reference": "reference"}


def _run_once(quantized: bytes, kernels: Kernels, values: Sequence[Values]) -> None:
    """Load a model on a set of kernels and run one sample, or zeros."""
    try:
        runtime = Runtime(quantized, kernels=kernels)
        given = values[0] if values else [np.zeros(port.shape) for port in runtime.inputs]
        runtime.set(*_stored(runtime.inputs, given))
        runtime.invoke()
    except (ModelUnsupported, RuntimeError, ValueError) as error:
        said = error.found if isinstance(error, ModelUnsupported) else str(error)
        raise ModelUnsupported(
            f"The quantized model does not run on LiteRT's {_NAMES[kernels]} kernels",
            found=" ".join(said.split()) or type(error).__name__,
            expected="a model that loads and runs on XNNPACK and on the built-in kernels",
            remedy="Use another `scheme`; `keep_float` leaves the operator that is named in "
            "float, where the scheme allows it",
        ) from error


def _compared(graph: Graph) -> list[int]:
    """Return the outputs, and the inputs of squashing functions that give outputs."""
    main = graph.main
    before = [index for index in comparison_outputs(graph) if index not in main.outputs]
    return [*main.outputs, *dict.fromkeys(before)]


def _sums(
    float_model: bytes,
    quantized: bytes,
    pairs: Sequence[tuple[int, int]],
    parts: dict[int, Parts],
    values: Sequence[Values],
) -> list[tuple[TensorIO, OutputNoise]]:
    """Run both models over the samples and collect the noise of pairs of tensors."""
    original = Runtime(with_outputs(float_model, [first for first, _ in pairs]))
    whole = Runtime(with_outputs(quantized, [second for _, second in pairs]))
    sums: list[OutputNoise] = []
    for sample in values:
        rows = []
        for runtime in (original, whole):
            runtime.set(*_stored(runtime.inputs, sample))
            runtime.invoke()
            rows.append(runtime.get())
        if not sums:
            sums = [
                OutputNoise(port, real.shape, parts[first].places, is_vector=real.dtype.kind == "f")
                for port, real, (first, _) in zip(whole.outputs, rows[0], pairs, strict=True)
            ]
        for total, real, stored in zip(sums, *rows, strict=True):
            total.add(real, stored)
    return list(zip(whole.outputs, sums, strict=True))


def _described(
    before: Graph,
    pairs: Sequence[tuple[int, int]],
    parts: dict[int, Parts],
    sums: Sequence[tuple[TensorIO, OutputNoise]],
) -> tuple[list[dict[str, Any]], dict[int, tuple[OutputNoise, Loss]]]:
    """Return the description of each output, and the noise and loss of each tensor."""
    names = {tensor.index: name for name, tensor in outputs_of(before).items()}
    squashed = set(before.main.outputs) - set(comparison_outputs(before))
    exchanged = picked(before)
    found, judged = {}, {}
    for (first, _), (port, noise) in zip(pairs, sums, strict=True):
        shift = constant_offset(before, first)
        loss = loss_of(
            noise,
            _steps(before, first, parts[first]),
            is_shifted=shift is not None,
            is_squashed=first in squashed,
            is_picked=first in exchanged,
        )
        judged[first] = (noise, loss)
        found[first] = {
            "dtype": port.dtype.name,
            "channels": noise.channels,
            **_figures(noise, port.scale),
            "worst_channel": _worst(noise, port.scale, loss),
            "loss": loss.to_dict(
                [before.main.tensors[source].name for source in parts[first].sources]
            ),
        }
    described = []
    for index, logit in zip(before.main.outputs, comparison_outputs(before), strict=True):
        own, behind = found[index], found.get(logit) if logit != index else None
        squashed_from = behind and {
            "operator": before.main.producers[index].type, "float_tensor": logit, **behind
        }  # fmt: skip
        described.append(
            {
                "name": names[index],
                "float_tensor": index,
                "verdict": _verdict(own["loss"], None if behind is None else behind["loss"]),
                **own,
                "before": squashed_from,
                "cause": None,
            }
        )
    return described, judged


def _verdict(own: dict[str, Any], before: dict[str, Any] | None) -> str | None:
    """Return the verdict on an output; on noise, the input of its squashing function decides."""
    found = [own["verdict"], None if before is None else before["verdict"]]
    if "lost" in found:
        return "lost"
    return "noisy" if found[-1 if before is not None else 0] == "noisy" else None


def _steps(graph: Graph, index: int, parts: Parts) -> list[float]:
    """Return the step that is fixed for each part of a tensor; 0 where none is."""
    whole = fixed_step(graph, index)
    return [whole or fixed_step(graph, source) for source in parts.sources]


def _figures(noise: OutputNoise, scale: float) -> dict[str, Any]:
    groups = noise.groups
    whole = groups.together(np.zeros(len(groups.count), int))
    # Of several channels, the variation is that of each around its own mean.
    variation = groups.together(noise.channel).variance.sum() if len(groups.count) else 0.0
    found = figures(whole, scale) if len(groups.count) else dict.fromkeys(_KEYS)
    found["error_to_variation"] = (
        rounded(float(np.sqrt(whole.noise[0] / variation)))
        if variation > _NOTHING * (whole.signal.sum() if len(whole.signal) else 0)
        else None
    )
    return found


_NOTHING = 1e-10  # of the squares: float32's own rounding
_KEYS = ("rms_error", "relative_error", "error_to_variation", "largest_error", "rms_error_steps",
         "largest_error_steps", "sqnr_db")  # fmt: skip


def _worst(noise: OutputNoise, scale: float, loss: Loss) -> dict[str, Any] | None:
    """Return the figures of the channel with the largest error relative to its variation."""
    groups = noise.groups
    if not len(groups.count):
        return None
    channels: Groups = groups.together(noise.channel)
    varies = loss.varying if loss.varying.any() else channels.variance >= 0
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.nan_to_num(channels.noise / channels.variance, nan=0.0)
    at = int(np.argmax(np.where(varies, share, -1)))
    only = channels.together(np.where(np.arange(len(channels.count)) == at, 0, -1))
    return {"channel": at, **figures(only, scale)}


def _stored(ports: Sequence[TensorIO], values: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [port.quantize(value) for port, value in zip(ports, values, strict=True)]


def _shapes(graph: Graph, tensors: Sequence[int]) -> list[tuple[int, ...]]:
    return [graph.main.tensors[tensor].shape for tensor in tensors]
