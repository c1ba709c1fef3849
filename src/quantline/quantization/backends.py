"""Running a back end in a child process, on one or several choices of ranges."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from quantline.child import run_in_child
from quantline.errors import BackendUnavailable
from quantline.quantization import litert_backend, public_path
from quantline.quantization.aslr import disable_aslr
from quantline.quantization.keep_float import Kept, keep
from quantline.quantization.schemes import SCHEMES, unsupported
from quantline.quantization.shared_scale import Choice, widened
from quantline.tflite import read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quantline import recipe
    from quantline.quantization.public_path import PublicPath
    from quantline.tflite import Graph

logger = logging.getLogger(__name__)

Bounds = dict[int, tuple[float, float]]
_ROUNDS = 3  # a wider range may come to share its scale with one more


@dataclass(frozen=True)
class Made:
    """What a back end made.

    Attributes:
        contents: One model a choice of ranges, ``.tflite`` files' bytes.
        backend: The back end that made them, which may be one that stood in.
        quantizer: Which of its quantizers did.
    """

    contents: list[bytes]
    backend: str
    quantizer: str


def make(
    model: bytes,
    graph: Graph,
    choices: Sequence[Choice],
    conversion: recipe.Conversion,
    public: PublicPath | None = None,
) -> Made:
    """Quantize a model with each of several choices of ranges.

    Args:
        model: The float ``.tflite`` file's bytes.
        graph: The same, read.
        choices: Ranges; a single one without any where a scheme needs none.
        conversion: Scheme, back end, input and output types.
        public: Where TensorFlow's public converter can start from, should its private calls be
            gone.

    Raises:
        BackendUnavailable: This TensorFlow lacks the private calls and nothing can stand in.
        ConversionError: The back end refuses the model.
        ProcessError: The back end died in native code, or took too long.
    """
    if conversion.backend == "litert":
        made = _in_child("litert", model, choices, conversion, Kept())
        return Made(made, "litert", "litert-quantizer")
    edit = SCHEMES[conversion.scheme].edit
    if edit is not None:
        return Made([edit(model)], "tensorflow", "flatbuffer edit")
    try:
        contents = _in_child("tensorflow", model, choices, conversion, keep(graph, conversion))
    except BackendUnavailable as error:
        if public is not None:
            logger.warning(
                "%s TensorFlow's public converter makes the model instead, from '%s': it takes "
                "longer, as it calibrates anew.", error, public.source.path,
            )  # fmt: skip
            return Made([_publicly(public, conversion)], "tensorflow", "TFLiteConverter")
        if not litert_backend.is_installed():
            raise BackendUnavailable(
                error.what,
                found=f"{error.found}; nor is litert-quantizer installed to stand in",
                expected=error.expected,
                remedy="Install TensorFlow 2.21, or run: pip install 'quantline[litert]'",
            ) from error
        instead = conversion.model_copy(update={"backend": "litert"})
        unsupported(graph, instead)
        logger.warning("%s litert-quantizer makes the model instead.", error)
        made = _in_child("litert", model, choices, instead, Kept())
        return Made(made, "litert", "litert-quantizer")
    kind = "calibrator.QuantizeModel" if conversion.scheme == "int16x8" else "mlir_quantize"
    return Made(contents, "tensorflow", kind)


def quantize_each(
    backend: str,
    model: bytes,
    choices: Sequence[Choice],
    scheme: str,
    input_type: str,
    output_type: str,
    kept: Kept,
) -> list[bytes]:
    """Quantize with each choice of ranges; this runs in the child process."""
    engine = import_module(f"quantline.quantization.{backend}_backend").quantize
    # Of the back ends, one alone can be told what to keep.
    keyword = {"kept": kept} if kept != Kept() else {}
    made: dict[tuple[Any, ...], bytes] = {}

    def quantize(bounds: Bounds) -> bytes:
        key = tuple(sorted(bounds.items()))
        if key not in made:
            made[key] = engine(model, bounds, scheme, input_type, output_type, **keyword)
        return made[key]

    before = read(model)
    return [_quantized(before, choice, quantize) for choice in choices]


def _quantized(before: Graph, choice: Choice, quantize: Callable[[Bounds], bytes]) -> bytes:
    """Quantize with one choice of ranges, wider ones where sharing a scale would clip them."""
    bounds = choice.bounds
    content = quantize(bounds)
    for _ in range(_ROUNDS if choice.widens else 0):
        wider = widened(before, read(content), replace(choice, bounds=bounds))
        if wider == bounds:
            break
        bounds = wider
        content = quantize(bounds)
    return content


def _in_child(
    backend: str,
    model: bytes,
    choices: Sequence[Choice],
    conversion: recipe.Conversion,
    kept: Kept,
) -> list[bytes]:
    with disable_aslr():
        return run_in_child(
            quantize_each,
            backend,
            model,
            choices,
            conversion.scheme,
            conversion.input_type,
            conversion.output_type,
            kept,
            what=f"the conversion to {conversion.scheme}",
            timeout_s=conversion.timeout_s,
            limit="conversion.timeout_s",
        )


def _publicly(public: PublicPath, conversion: recipe.Conversion) -> bytes:
    return run_in_child(
        public_path.quantize,
        public,
        conversion.scheme,
        conversion.input_type,
        conversion.output_type,
        what=f"the conversion of '{public.source.path}' to {conversion.scheme}",
        timeout_s=conversion.timeout_s,
        limit="conversion.timeout_s",
        confined=True,
    )
