"""Back ends, run in a child process on one or several choices of ranges."""

from __future__ import annotations

import ctypes
import logging
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from quantline.child import run_in_child
from quantline.errors import BackendUnavailable
from quantline.quantization import litert_backend, public_conversion
from quantline.quantization.schemes import SCHEMES, FloatOperators, find_kept_operators, unsupported
from quantline.quantization.shared_scale import Choice, widen_ranges
from quantline.tflite import Model, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from quantline import recipe
    from quantline.quantization.public_conversion import PublicConversion
    from quantline.quantization.shared_scale import Bounds
    from quantline.tflite import Graph

logger = logging.getLogger(__name__)

_ROUNDS = 3  # a wider range may come to share its scale with one more


@dataclass(frozen=True)
class BackendResult:
    """The models that a back end made.

    Attributes:
        models: One for each choice of ranges.
        backend: The back end that made them; not the one asked for where that was unavailable.
        quantizer: The quantizer of that back end.
    """

    models: list[Model]
    backend: str
    quantizer: str


def run_backend(
    model: Model,
    choices: Sequence[Choice],
    conversion: recipe.Conversion,
    public: PublicConversion | None = None,
) -> BackendResult:
    """Quantize a model with each choice of ranges; ``public`` is for lack of private calls.

    Raises:
        BackendUnavailable: This TensorFlow lacks the private calls, and no other back end is there.
        ConversionError: The back end refuses the model.
        ProcessError: The back end died in native code, or took too long.
    """
    if conversion.backend == "litert":
        models = _in_child("litert", model, choices, conversion)
        return BackendResult(models, "litert", "litert-quantizer")
    edit = SCHEMES[conversion.scheme].edit
    if edit is not None:
        return BackendResult([Model(edit(model.content))], "tensorflow", "flatbuffer edit")
    try:
        models = _in_child("tensorflow", model, choices, conversion)
    except BackendUnavailable as error:
        if public is not None:
            logger.warning(
                "%s TensorFlow's public converter makes the model instead, from '%s': it takes "
                "longer, as it calibrates anew.", error, public.source.path,
            )  # fmt: skip
            models = [_publicly(public, conversion)]
            return BackendResult(models, "tensorflow", "TFLiteConverter")
        if not litert_backend.is_installed():
            raise BackendUnavailable(
                error.what,
                found=f"{error.found}; nor is litert-quantizer installed to stand in",
                expected=error.expected,
                remedy="Install TensorFlow 2.21, or run: pip install 'quantline[litert]'",
            ) from error
        instead = conversion.model_copy(update={"backend": "litert"})
        unsupported(model.graph, instead)
        logger.warning("%s litert-quantizer makes the model instead.", error)
        models = _in_child("litert", model, choices, instead)
        return BackendResult(models, "litert", "litert-quantizer")
    kind = "calibrator.QuantizeModel" if conversion.scheme == "int16x8" else "mlir_quantize"
    return BackendResult(models, "tensorflow", kind)


def quantize_each(
    backend: str,
    model: Model,
    choices: Sequence[Choice],
    scheme: str,
    input_type: str,
    output_type: str,
    kept: FloatOperators,
) -> list[bytes]:
    """Quantize with each choice of ranges; this runs in the child process."""
    engine = import_module(f"quantline.quantization.{backend}_backend").quantize
    # Only one back end can leave chosen operators in float.
    keyword = {"kept": kept} if kept != FloatOperators() else {}
    models: dict[tuple[Any, ...], bytes] = {}

    def quantize(bounds: Bounds) -> bytes:
        key = tuple(sorted(bounds.items()))
        if key not in models:
            models[key] = engine(model.content, bounds, scheme, input_type, output_type, **keyword)
        return models[key]

    return [_quantized(model.graph, choice, quantize) for choice in choices]


def _quantized(before: Graph, choice: Choice, quantize: Callable[[Bounds], bytes]) -> bytes:
    """Quantize with one choice of ranges, wider ones where sharing a scale would clip them."""
    bounds = choice.bounds
    content = quantize(bounds)
    for _ in range(_ROUNDS if choice.widens else 0):
        wider = widen_ranges(before, read(content), replace(choice, bounds=bounds))
        if wider == bounds:
            break
        bounds = wider
        content = quantize(bounds)
    return content


def _in_child(
    backend: str, model: Model, choices: Sequence[Choice], conversion: recipe.Conversion
) -> list[Model]:
    kept = FloatOperators() if backend == "litert" else find_kept_operators(model.graph, conversion)
    with disable_aslr():
        contents = run_in_child(
            quantize_each, backend, model, choices, conversion.scheme, conversion.input_type,
            conversion.output_type, kept, what=f"the conversion to {conversion.scheme}",
            timeout_s=conversion.timeout_s, limit="conversion_timeout_s",
        )  # fmt: skip
    return [Model(content) for content in contents]


def _publicly(public: PublicConversion, conversion: recipe.Conversion) -> Model:
    content = run_in_child(
        public_conversion.quantize, public, conversion.scheme, conversion.input_type,
        conversion.output_type, timeout_s=conversion.timeout_s, limit="conversion_timeout_s",
        what=f"the conversion of '{public.source.path}' to {conversion.scheme}", confined=True,
    )  # fmt: skip
    return Model(content)


_ASK, _NOT_RANDOM = 0xFFFFFFFF, 0x0040000  # personality(2): ADDR_NO_RANDOMIZE


@contextmanager
def disable_aslr() -> Iterator[None]:
    """Start child processes without random addresses, where Linux allows it.

    TensorFlow's quantizer visits operators in the order of their addresses in memory, so that the
    same model may come out in other bytes. Some containers forbid this call; it then does nothing.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    libc = ctypes.CDLL(None)
    before = libc.personality(ctypes.c_ulong(_ASK))
    libc.personality(ctypes.c_ulong(before | _NOT_RANDOM))
    try:
        yield
    finally:
        libc.personality(ctypes.c_ulong(before))
