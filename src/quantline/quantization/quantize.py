"""From a float ``.tflite`` and its ranges to a quantized one, by scheme and back end."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from quantline.errors import MismatchError, first_few
from quantline.quantization.backends import run_backend
from quantline.quantization.bias_correction import correct_biases, mean_inputs
from quantline.quantization.fixed_ranges import snap_scales
from quantline.quantization.measured_outputs import measure_outputs
from quantline.quantization.output_report import failures, lost_outputs, remedies
from quantline.quantization.public_conversion import public_conversion
from quantline.quantization.schemes import SCHEMES, unsupported, with_types
from quantline.quantization.search import WIDEST, Way, choices_of, confirm, search_halves
from quantline.quantization.shared_scale import Choice, find_clipped
from quantline.tflite import Model, float_operators

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline import recipe
    from quantline.quantization.backends import BackendResult
    from quantline.quantization.search import Search
    from quantline.quantization.shared_scale import Clipped
    from quantline.ranges import RangeSet, Sample, Values
    from quantline.tflite import Graph

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Quantized:
    """A converted model.

    Attributes:
        content: The ``.tflite`` file's bytes.
        recipe: Plain JSON values: the settings, origin and versions it was made with.
    """

    content: bytes
    recipe: dict[str, Any]


def quantize(
    model: bytes,
    ranges: RangeSet | None,
    conversion: recipe.Conversion,
    samples: Sequence[Sample] = (),
    source: recipe.Model | None = None,
) -> Quantized:
    """Quantize a float model by the scheme and with the back end that the conversion names.

    Args:
        model: A float ``.tflite`` file's bytes.
        ranges: Ranges recorded from it; None for schemes whose activations stay float.
        conversion: Scheme, back end, ranges, pins, input and output types.
        samples: Calibration samples, as :func:`quantline.ranges.record` takes them. Outputs are
            compared on some of them. For the method ``auto`` and for bias correction, a half fits,
            the other judges.
        source: The original of the float model. Should this TensorFlow lack the private calls that
            take ranges, its public converter makes the model from it and the samples.

    Raises:
        ModelUnsupported: The scheme, the back end and the model do not go together.
        MismatchError: There are no ranges, or they were recorded from another model.
        DataError: NaN or infinite values were recorded.
        DataError: There are too few samples to hold some back.
        ParameterError: An override, a pin or an entry of ``keep_float`` fits nothing.
        PinDoesNotFit: A pinned scale and zero point cannot hold the range.
        DependencyError: The back end's package is not installed.
        BackendUnavailable: This TensorFlow lacks the private calls and nothing can stand in.
        ConversionError: The back end refuses the model.
        ModelUnsupported: The quantized model does not run on XNNPACK or on the built-in kernels.
        ProcessError: The back end, or a kernel that ran its model, died in native code, or took too
            long.
    """
    made = _convert(Model(model), ranges, conversion, samples, source)
    measured = measure_outputs(model, made.content, samples)
    noisy = failures(measured, "noisy")
    if noisy:
        advice = ". ".join(remedies(measured, "noisy"))
        text = f"{first_few(noisy, 3)}. {advice}"
        logger.warning("On %d calibration samples %s.", measured["samples"], text)
    lost = lost_outputs(measured)
    if lost is not None:
        level = logging.ERROR if conversion.lost_outputs == "error" else logging.WARNING
        logger.log(level, "%s", lost)
    return Quantized(made.content, {**made.recipe, "measured": measured})


def _convert(
    model: Model,
    ranges: RangeSet | None,
    conversion: recipe.Conversion,
    samples: Sequence[Sample],
    source: recipe.Model | None,
) -> Quantized:
    conversion = with_types(conversion)
    scheme = SCHEMES[conversion.scheme]
    left = unsupported(model.graph, conversion)
    if scheme.integer:
        return _from_ranges(model, _checked(model, ranges, conversion), conversion, samples, source)
    made = run_backend(model, [Choice()], conversion)
    if left and conversion.scheme != "float16":
        _warn_of_float_operators(conversion.scheme, left)
    return Quantized(made.models[0].content, _about(model, made.models[0], made, left, conversion))


def _from_ranges(
    model: Model,
    ranges: RangeSet,
    conversion: recipe.Conversion,
    samples: Sequence[Sample],
    source: recipe.Model | None,
) -> Quantized:
    graph, chosen = model.graph, conversion.ranges
    values: list[Values] = []
    found: Search | None = None
    if chosen.method == "auto" or conversion.bias_correction:
        values, found = search_halves(model, conversion, samples)
    ways = (
        [Way(chosen.chosen_method())]
        if found is None
        else list(dict.fromkeys((found.best, found.baseline)))
    )
    choices = choices_of(graph, ranges, conversion, ways)
    public = public_conversion(source, conversion, samples, graph)
    made = run_backend(model, [choice for _, choice in choices], conversion, public)
    (way, choice), quantized, layers = choices[0], made.models[0], 0
    if way.bias_correction:
        quantized, layers = correct_biases(model, quantized, mean_inputs(model, values))
    if found is not None and len(made.models) > 1:
        baseline = made.models[1]
        if not confirm(model, baseline, quantized, values):
            found, quantized, layers, (way, choice) = found.overrule(), baseline, 0, choices[1]
    quantized = snap_scales(quantized, graph, conversion)
    clipped_tensors = find_clipped(graph, quantized.graph, choice.bounds, choice.given)
    if way.shared == WIDEST:
        _warn_of_clipped([tensor for tensor in clipped_tensors if tensor.is_used])
    left = float_operators(quantized.graph)
    if left:
        _warn_of_float_operators(conversion.scheme, left)
    about = _about(model, quantized, made, left, conversion)
    about |= {
        **way.method.to_dict(),
        "overrides": [override.model_dump(exclude_none=True) for override in chosen.overrides],
        "corrected_layers": layers,
        "clipped": [asdict(tensor) for tensor in clipped_tensors],
        "search": None if found is None else found.to_dict(),
        "keep_float": conversion.keep_float,
        "pinned": {name: value.model_dump() for name, value in conversion.pinned.items()},
        "samples": ranges.samples,
        "samples_sha256": list(ranges.samples_sha256),
    }
    return Quantized(quantized.content, about)


def _warn_of_clipped(tensors: Sequence[Clipped]) -> None:
    if tensors:
        worst = max(tensors, key=lambda tensor: tensor.steps)
        logger.warning(
            "%s of %s tensors %s cut: the worst is '%s', whose values reach from %.6g to %.6g and "
            "whose scale from %.6g to %.6g.", "The range" if len(tensors) == 1 else "The ranges",
            len(tensors), "is" if len(tensors) == 1 else "are", worst.name, *worst.range,
            *worst.reach,
        )  # fmt: skip


def _warn_of_float_operators(scheme: str, left: list[str]) -> None:
    logger.warning("The scheme '%s' leaves these operators in float: %s.", scheme, first_few(left))


def _about(
    model: Model,
    quantized: Model,
    made: BackendResult,
    left: list[str],
    conversion: recipe.Conversion,
) -> dict[str, Any]:
    scheme = SCHEMES[conversion.scheme]
    packages = {"litert": "litert-quantizer", "tensorflow": "tensorflow"}
    return {
        "scheme": conversion.scheme,
        "backend": made.backend,
        "quantizer": made.quantizer,
        "method": None,
        "weights": scheme.weights,
        "activations": scheme.activations,
        "input_type": conversion.input_type,
        "output_type": conversion.output_type,
        "left_in_float": left,
        "integer_only": not scheme.allows_float,
        "float_model_sha256": model.sha256,
        "samples": 0,
        "samples_sha256": [],
        "int8_model_sha256": quantized.sha256,
        "size_bytes": len(quantized.content),
        "versions": {name: version(name) for name in (packages[made.backend], "quantline")},
    }


def _checked(model: Model, ranges: RangeSet | None, conversion: recipe.Conversion) -> RangeSet:
    found = model.sha256[:12]
    if ranges is None:
        raise MismatchError(
            f"The scheme '{conversion.scheme}' needs recorded ranges",
            found="none",
            expected=f"ranges of the model {found}",
            remedy="Give ranges recorded from this model, or use `scheme='float16'` or "
            "`scheme='dynamic_range'`",
        )
    if ranges.float_model_sha256 != model.sha256:
        raise MismatchError(
            "The recorded ranges are not those of this float model",
            found=f"ranges of the model {ranges.float_model_sha256[:12]}",
            expected=f"ranges of the model {found}",
            remedy="Record the ranges again from this model",
        )
    _check_tensors(model.graph, ranges)
    _check_cover(model.graph, {tensor.index for tensor in ranges.tensors})
    return ranges


def _check_tensors(graph: Graph, ranges: RangeSet) -> None:
    """Refuse ranges of tensors that the model does not have: the file was changed by hand."""
    tensors = graph.main.tensors
    unknown = [
        f"{tensor.index} '{tensor.name}'"
        for tensor in ranges.tensors
        if tensor.index >= len(tensors) or tensors[tensor.index].name != tensor.name
    ]
    if unknown:
        raise MismatchError(
            "The recorded ranges name tensors that the float model does not have",
            found=f"{len(unknown)} of {len(ranges.tensors)}: {first_few(unknown, 3)}",
            expected="the model's tensors, by their indices and names",
            remedy="Record the ranges again from this model",
        )


def _check_cover(graph: Graph, recorded: set[int]) -> None:
    """Refuse ranges with gaps: quantizers invent ranges for tensors without one."""
    tensors = graph.main.tensors
    ports = (
        port for operator in graph.main.operators for port in (*operator.inputs, *operator.outputs)
    )
    used = (tensors[index] for index in sorted(set(ports)) if index >= 0)
    missing = [
        f"{tensor.index} '{tensor.name}'"
        for tensor in used
        if tensor.dtype == "float32" and tensor.constant is None and tensor.index not in recorded
    ]
    if missing:
        raise MismatchError(
            "The recorded ranges do not cover the float model",
            found=f"{len(missing)} tensors without a range: {first_few(missing, 3)}",
            expected="a range for every float tensor that the model computes or keeps",
            remedy="Record the ranges again with this version",
        )
