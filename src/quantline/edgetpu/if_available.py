"""The results of the compiler and the devices where they are available, or the reason for none."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from quantline.edgetpu.compiler.compile import CompiledModel, CompilerOptions, compile_model
from quantline.edgetpu.compiler.process import Compiler, find_compiler
from quantline.edgetpu.cost.memory import memory_of_compiled
from quantline.edgetpu.cost.work import share_on_edgetpu
from quantline.edgetpu.device.detect import detect
from quantline.edgetpu.device.on_device import Access, run_on_device
from quantline.edgetpu.mapping.verdict import predict
from quantline.edgetpu.scoring.score import compare
from quantline.edgetpu.vocabulary import Evidence
from quantline.errors import CompilerNotFound, QuantlineError
from quantline.tflite import read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quantline import recipe
    from quantline.edgetpu.device.run import DeviceRun
    from quantline.ranges import Sample

logger = logging.getLogger(__name__)

AUTO = "auto"
_GRACE_S = 10.0  # between the compiler's own end and ours
_ATTEMPTS = 10  # that a search may need: each has the time of one


def compile_and_compare(
    model: bytes, settings: recipe.EdgeTpu, compiler: Compiler
) -> tuple[CompiledModel, dict[str, Any]]:
    """Compile a model, compare the prediction with the result, and return the report on both.

    It is that of :class:`Compilation` with ``comparison``, the :class:`Comparison`; ``memory``, the
    :class:`Memory`; and ``work`` with ``mapped_share_macs``, the multiply-accumulates on the Edge
    TPU over all, from 0 to 1.

    Raises:
        QuantlineError: As for :func:`compile_model`.
        MismatchError: The compiled file cannot be the model's.
    """
    compilation = compile_model(model, _options(settings), compiler)
    compiled = compilation.model
    graph, written = read(model), read(compiled.content)
    predicted = predict(graph, settings.runtime_version, settings.multiple_subgraphs)
    comparison = compare(predicted, graph, written)
    share = share_on_edgetpu(comparison.placed, graph)
    return compiled, {
        **compilation.to_dict(),
        "comparison": comparison.to_dict(),
        "memory": memory_of_compiled(compiled.parsed).to_dict(),
        "work": {"evidence": str(Evidence.PARSED), "mapped_share_macs": share},
    }


def compile_if_available(
    model: bytes, settings: recipe.EdgeTpu
) -> tuple[bytes | None, str, dict[str, Any]]:
    """Compile a model where the settings ask for it, or where there is a compiler.

    Returns:
        The compiled model and its log, or None and an empty text; and a report: ``compiled``,
        ``why`` not, and that of :func:`compile_and_compare`.

    Raises:
        QuantlineError: The compiler that was named is not there, or does not compile the model;
            under ``auto`` that is a warning, and a part of the report.
    """
    if settings.compiler is None:
        return None, "", _none("compiled", "no compiler was asked for")
    is_auto = settings.compiler == AUTO
    try:
        compiler = find_compiler(None if is_auto else settings.compiler)
        compiled, report = compile_and_compare(model, settings, compiler)
    except QuantlineError as error:
        if not is_auto:
            raise
        if isinstance(error, CompilerNotFound):
            return None, "", _none("compiled", f"{error.found}: {error.remedy}")
        logger.warning("%s", error)
        return None, "", _none("compiled", str(error))
    del report["duration_ms"]  # the same model has the same report
    return compiled.content, compiled.log, {"compiled": True, "why": None, **report}


def run_if_available(
    compiled: bytes | None, samples: Iterable[Sample], int8_model: bytes, settings: recipe.EdgeTpu
) -> tuple[DeviceRun | None, dict[str, Any]]:
    """Run a compiled model where the settings ask for it, or where there is a device.

    Args:
        compiled: The compiled model; None where it was not compiled.
        samples: As :func:`run_on_device` takes them; not touched where nothing is run.
        int8_model: The model before compilation, whose outputs on the CPU are compared.
        settings: The device and the library.

    Returns:
        The results of the device, or None; and a report: ``ran``, ``why`` not, ``devices``, and
        that of :class:`DeviceRun`.

    Raises:
        QuantlineError: The device that was named is not there, or does not run the model; under
            ``auto`` that is a warning, and a part of the report.
    """
    found = {"devices": [device.to_dict() for device in detect()]}
    if settings.device is None:
        return None, _none("ran", "no device was asked for") | found
    is_auto = settings.device == AUTO
    if is_auto and (compiled is None or not found["devices"]):
        reason = "there is no compiled model" if compiled is None else "no Edge TPU was found"
        return None, _none("ran", reason) | found
    try:
        access = Access("" if is_auto else settings.device, settings.library)
        run = run_on_device(compiled or int8_model, samples, int8_model, access=access)
    except QuantlineError as error:
        if not is_auto:
            raise
        logger.warning("%s", error)
        return None, _none("ran", str(error)) | found
    return run, {"ran": True, "why": None, **run.to_dict(), **found}


def _options(settings: recipe.EdgeTpu) -> CompilerOptions:
    seconds = settings.compiler_timeout_s
    return CompilerOptions(
        min_runtime_version=settings.runtime_version,
        multiple_subgraphs=settings.multiple_subgraphs,
        search_delegate=settings.search_delegate,
        attempt_timeout_s=seconds,
        timeout_s=seconds * (_ATTEMPTS if settings.search_delegate else 1) + _GRACE_S,
    )


def _none(key: str, reason: str) -> dict[str, Any]:
    return {key: False, "evidence": None, "why": reason}
