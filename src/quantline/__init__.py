"""Quantline: trained float models in, verified 8-bit integer models out.

::

    import quantline as ql

    result = ql.quantize("my.keras", samples)
    result.save("my_int8.tflite")

``__all__`` is the public interface, described in docs/python.md; everything else may change.
Importing the package loads none of it: a name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quantline.api.evaluate import compare, evaluate
    from quantline.api.evaluation_result import ComparisonResult, EvaluationResult
    from quantline.api.given import Reading
    from quantline.api.layers import LayerComparison, layers
    from quantline.api.quantize import merge, quantize, record
    from quantline.api.result import QuantizationResult
    from quantline.api.validate import ValidationReport, predict_edgetpu, validate
    from quantline.contract.finding import Finding
    from quantline.contract.layers import LayerError
    from quantline.contract.vectors import Golden
    from quantline.edgetpu.evaluate import EdgeTpuReport as EdgeTpuPrediction
    from quantline.errors import (
        BackendUnavailable,
        CheckFailed,
        CompilerError,
        CompilerNotFound,
        ConversionError,
        DataError,
        DependencyError,
        DeviceError,
        InternalError,
        MismatchError,
        ModelError,
        ModelUnreadable,
        ModelUnsupported,
        OutOfMemory,
        OutputNotWritten,
        ParameterError,
        PinDoesNotFit,
        ProcessError,
        QuantlineError,
        RegistryError,
        ResultError,
        ResultMissing,
        RunInProgress,
        TrackingFailed,
        UnsafeModel,
    )
    from quantline.ranges.range_set import RangeSet
    from quantline.ranges.sketch import TensorRange
    from quantline.results.scores import MeasuredOutputs

__version__ = "0.1.0"

# The module, from this package, that defines each public name which is no error, and its name
# there where that is another one.
_DEFINED_IN = {
    "ComparisonResult": "api.evaluation_result",
    "EdgeTpuPrediction": "edgetpu.evaluate:EdgeTpuReport",
    "EvaluationResult": "api.evaluation_result",
    "Finding": "contract.finding",
    "Golden": "contract.vectors",
    "LayerComparison": "api.layers",
    "LayerError": "contract.layers",
    "MeasuredOutputs": "results.scores",
    "QuantizationResult": "api.result",
    "RangeSet": "ranges.range_set",
    "Reading": "api.given",
    "TensorRange": "ranges.sketch",
    "ValidationReport": "api.validate",
    "compare": "api.evaluate",
    "evaluate": "api.evaluate",
    "layers": "api.layers",
    "merge": "api.quantize",
    "predict_edgetpu": "api.validate",
    "quantize": "api.quantize",
    "record": "api.quantize",
    "validate": "api.validate",
}

__all__ = [
    "BackendUnavailable",
    "CheckFailed",
    "ComparisonResult",
    "CompilerError",
    "CompilerNotFound",
    "ConversionError",
    "DataError",
    "DependencyError",
    "DeviceError",
    "EdgeTpuPrediction",
    "EvaluationResult",
    "Finding",
    "Golden",
    "InternalError",
    "LayerComparison",
    "LayerError",
    "MeasuredOutputs",
    "MismatchError",
    "ModelError",
    "ModelUnreadable",
    "ModelUnsupported",
    "OutOfMemory",
    "OutputNotWritten",
    "ParameterError",
    "PinDoesNotFit",
    "ProcessError",
    "QuantizationResult",
    "QuantlineError",
    "RangeSet",
    "Reading",
    "RegistryError",
    "ResultError",
    "ResultMissing",
    "RunInProgress",
    "TensorRange",
    "TrackingFailed",
    "UnsafeModel",
    "ValidationReport",
    "__version__",
    "compare",
    "evaluate",
    "layers",
    "merge",
    "predict_edgetpu",
    "quantize",
    "record",
    "validate",
]


def __getattr__(name: str) -> Any:
    """Load a public name on its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, defined_as = _DEFINED_IN.get(name, "errors").partition(":")
    value = getattr(import_module(f"{__name__}.{module}"), defined_as or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
