"""From a trained float model to its ranges and to a quantized model, with evidence of the cost."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal, cast

from quantline import recipe
from quantline.api.given import Reading, opened, source_in_memory
from quantline.api.prepare import prepare
from quantline.api.result import QuantizationResult
from quantline.contract import check_model, enforce, with_reasons
from quantline.contract.preflight import preflight, require_quantizable
from quantline.errors import DataError, MismatchError, ParameterError
from quantline.quantization import quantize as quantize_float
from quantline.quantization.schemes import SCHEMES, with_types
from quantline.range_methods import DEFAULT, PARAMETERS
from quantline.ranges import RangeSet
from quantline.recipe.check import check_arguments
from quantline.tflite import read

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence
    from typing import Unpack

    from quantline.api.given import ModelLike, SamplesLike
    from quantline.api.prepare import Prepared


Lint = Literal["error", "warn"]


class Options(Reading, total=False):
    """Further keyword arguments of :func:`quantize`: the way of reading, and methods' parameters.

    Attributes:
        percentile: For the method of this name, the share of values below a range's upper end, in
            per cent; 99.99 by default.
    """

    percentile: float


def quantize(
    model: ModelLike,
    samples: SamplesLike | None = None,
    *,
    ranges: RangeSet | str | os.PathLike[str] | None = None,
    scheme: recipe.SchemeName = "int8",
    method: str = DEFAULT.name,
    overrides: Sequence[recipe.Override | Mapping[str, Any]] = (),
    bias_correction: bool = False,
    pinned: Mapping[str, recipe.Pin | Mapping[str, Any] | tuple[float, int]] | None = None,
    keep_float: Sequence[str] = (),
    backend: Literal["tensorflow", "litert"] = "tensorflow",
    input_type: recipe.IoType | None = None,
    output_type: recipe.IoType | None = None,
    lost_outputs: Literal["error", "warn"] = "error",
    timeout_s: int = 1800,
    lint: Lint = "error",
    **options: Unpack[Options],
) -> QuantizationResult:
    """Quantize a trained float model.

    The arguments from ``scheme`` to ``timeout_s`` are the parameters of a conversion, with their
    names and defaults.

    Args:
        model: The path of a Keras file, a SavedModel folder or a float ``.tflite`` file; such a
            file's bytes; or a Keras model.
        samples: About 100 calibration samples: an array of shape (n_samples, ...), such an array
            for each input by its name, a list of samples, or the path of a ``.npz`` file. None
            where ``ranges`` are given, or the scheme leaves activations in float.
        ranges: Ranges that were recorded from this model before, or the path of their file.
        scheme: The parts that become integers, or halves, and their widths.
        method: The choice of a range from what was recorded of a tensor; ``auto`` tries all, and
            bias correction, on samples that it holds back.
        overrides: The choice of ranges for single tensors: mappings with ``tensor``, a name or
            regular expression, and ``method``, ``percentile``, or ``min`` and ``max``.
        bias_correction: True if biases are corrected for what rounding the weights adds, where
            samples that are held back show less error.
        pinned: The scale and zero point that an input or output keeps, by its name.
        keep_float: With the scheme ``int8_float_fallback``, operators that stay float: types such
            as ``SOFTMAX``, or regular expressions for the names of tensors that they write.
        backend: The quantizer.
        input_type: The dtype of the model's inputs; the scheme's own if None.
        output_type: The dtype of its outputs, likewise.
        lost_outputs: ``error`` or ``warn``, for an output that is constant, where the float
            model's varies.
        timeout_s: After how many seconds the quantizer's process is ended.
        lint: ``error`` or ``warn``, for calibration data that would give a wrong model.
        **options: The way the model is read: :class:`quantline.Reading`; and the parameters of the
            method, such as ``percentile=99.9``.

    Raises:
        ParameterError: An argument is unknown or has a bad value.
        DataError: The samples do not fit the model, or are not fit to calibrate with.
        MismatchError: There are neither samples nor ranges, or ranges of another model.
        CheckFailed: The model is not integer-only, where the scheme promises it, or has lost an
            output.
        QuantlineError: As :func:`quantline.quantization.import_float` and
            :func:`quantline.quantization.quantize` list them.
    """
    reading: dict[str, Any] = dict(options)
    parameters = {name: reading.pop(name) for name in PARAMETERS if name in reading}
    conversion = check_arguments(
        recipe.Conversion,
        {
            "scheme": scheme,
            "backend": backend,
            "ranges": {"method": method, "overrides": _plain(overrides), **parameters},
            "bias_correction": bias_correction,
            "pinned": {name: _pin(pin) for name, pin in (pinned or {}).items()},
            "keep_float": keep_float if isinstance(keep_float, str) else list(keep_float),
            "input_type": input_type,
            "output_type": output_type,
            "lost_outputs": lost_outputs,
            "timeout_s": timeout_s,
        },
    )
    in_memory = source_in_memory(model)
    with opened(model, cast("Reading", reading)) as (source, limits):
        result = convert(source, limits, conversion, samples, ranges, lint, in_memory)
    if result.lost is not None and conversion.lost_outputs == "error":
        raise result.lost
    return result


def convert(
    source: recipe.Model,
    limits: recipe.Limits,
    conversion: recipe.Conversion,
    samples: SamplesLike | None = None,
    ranges: RangeSet | str | os.PathLike[str] | None = None,
    lint: Lint = "error",
    in_memory: Mapping[str, str] | None = None,
) -> QuantizationResult:
    """Quantize as :func:`quantize` does, from blocks of arguments; a lost output is no error."""
    conversion = with_types(conversion)
    scheme = SCHEMES[conversion.scheme]
    _check_use(conversion)
    if scheme.integer:
        _check_given(conversion, samples, ranges)
    recorded = None
    if ranges is not None and scheme.integer:
        recorded = ranges if isinstance(ranges, RangeSet) else RangeSet.load(ranges)
    prepared = prepare(source, limits, samples, lint, in_memory)
    original = read(prepared.model.content)
    if scheme.integer and not scheme.allows_float:
        require_quantizable(preflight(original, conversion.scheme, conversion.backend))
    if scheme.integer:
        recorded = _recorded(recorded, prepared, ranges)
    rows = [] if prepared.samples is None else list(prepared.samples.each())
    made = quantize_float(prepared.model.content, recorded, conversion, rows, prepared.source)
    graph = read(made.content)
    report = check_model(
        graph,
        float_input=conversion.input_type == "float32",
        float_output=conversion.output_type == "float32",
        promise=conversion.scheme,
    )
    if scheme.integer and not scheme.allows_float:
        enforce(with_reasons(report, original, graph, made.recipe))
    return QuantizationResult.of(made, recorded, report, graph, prepared)


def _plain(overrides: Sequence[recipe.Override | Mapping[str, Any]]) -> Any:
    if isinstance(overrides, str | Mapping):
        return overrides
    return [item if isinstance(item, recipe.Override) else dict(item) for item in overrides]


def _pin(pin: recipe.Pin | Mapping[str, Any] | tuple[float, int]) -> Any:
    if isinstance(pin, tuple) and len(pin) == 2:
        return {"scale": pin[0], "zero_point": pin[1]}
    return dict(pin) if isinstance(pin, Mapping) else pin


def _check_use(conversion: recipe.Conversion) -> None:
    """Refuse arguments about ranges and biases for a scheme that computes with floats."""
    idle = {
        "overrides": conversion.ranges.overrides,
        "bias_correction": conversion.bias_correction,
        "pinned": conversion.pinned,
    }
    given = ", ".join(f"`{name}`" for name, value in idle.items() if value)
    if given and not SCHEMES[conversion.scheme].integer:
        raise ParameterError(
            f"The scheme '{conversion.scheme}' leaves activations and biases in float",
            found=given,
            expected="no argument about integer activations and biases",
            remedy=f"Leave out {given}, or choose an integer scheme such as int8",
        )


def _check_given(
    conversion: recipe.Conversion,
    samples: SamplesLike | None,
    ranges: RangeSet | str | os.PathLike[str] | None,
) -> None:
    """Check that there is what an integer scheme takes its ranges from, and what judges them."""
    if samples is None and ranges is None:
        raise MismatchError(
            f"The scheme '{conversion.scheme}' needs the ranges of the activations",
            found="neither `samples` nor `ranges`",
            expected="samples to record ranges from, or recorded ranges",
            remedy="Give `samples`, or `ranges` that were recorded before; the schemes float16 and "
            "dynamic_range need neither",
        )
    searches = conversion.ranges.method == "auto" or conversion.bias_correction
    if searches and samples is None:
        what = "The method 'auto'" if conversion.ranges.method == "auto" else "Bias correction"
        raise DataError(
            f"{what} needs samples to judge by",
            found="recorded ranges only",
            expected="the samples that the ranges were recorded from; about 100 suffice",
            remedy="Give `samples`, or `method=minmax` without `bias_correction`",
        )


def _recorded(
    recorded: RangeSet | None, prepared: Prepared, given: RangeSet | str | os.PathLike[str] | None
) -> RangeSet:
    """Return the ranges that were given, if they are this model's, or record them."""
    if recorded is None:
        return prepared.record()
    expected = prepared.model.about["float_model_sha256"]
    if recorded.float_model_sha256 != expected:
        name = "given in `ranges`" if isinstance(given, RangeSet) else f"'{given}'"
        raise MismatchError(
            f"The ranges {name} were not recorded from this model",
            found=f"ranges of the float model {recorded.float_model_sha256[:12]}",
            expected=f"ranges of the float model {expected[:12]}",
            remedy="Record them again, from the same file and signature",
        )
    return recorded


def record(
    model: ModelLike,
    samples: SamplesLike,
    *,
    lint: Literal["error", "warn"] = "error",
    **reading: Unpack[Reading],
) -> RangeSet:
    """Record what every activation of a float model is on samples.

    Args:
        model: As :func:`quantline.quantize` takes it.
        samples: Calibration samples, likewise.
        lint: ``error`` or ``warn``, for calibration data that would give a wrong model.
        **reading: The way the model is read: :class:`quantline.Reading`.

    Raises:
        DataError: The samples do not fit the model, or are not fit to calibrate with.
        QuantlineError: As :func:`quantline.quantization.import_float` lists them.
    """
    in_memory = source_in_memory(model)
    with opened(model, reading) as (source, limits):
        ranges = prepare(source, limits, samples, lint, in_memory).record()
    ranges.check_finite()
    return ranges


def merge(ranges: Iterable[RangeSet | str | os.PathLike[str]]) -> RangeSet:
    """Return the ranges of several recordings of one model, as if recorded at once.

    Args:
        ranges: Range sets, or the paths of their files, in any order.

    Raises:
        ParameterError: There are none.
        MismatchError: They were recorded from different models, or from the same samples.
    """
    sets = [item if isinstance(item, RangeSet) else RangeSet.load(item) for item in ranges]
    if not sets:
        raise ParameterError(
            "There are no ranges to merge",
            found="an empty `ranges`",
            expected="at least one set of ranges",
            remedy="Record ranges first",
        )
    return reduce(RangeSet.merge, sets)
