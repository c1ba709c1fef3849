"""What ``edgetpu_compiler`` is asked to do, checked before it is run.

The compiler takes options that contradict each other and then fails without a word, or ignores one.
Source of the options: https://coral.ai/docs/edgetpu/compiler and the compiler's ``--help``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantline.edgetpu.mapping.operators import NEWEST_RUNTIME, OLDEST_RUNTIME
from quantline.errors import ParameterError, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.edgetpu.compiler.process import Compiler
    from quantline.tflite.graph import Graph

_SEARCHING = 16  # the first version that searches, and that has a time limit


@dataclass(frozen=True)
class CompilerOptions:
    """How a model is compiled.

    Attributes:
        min_runtime_version: The oldest Edge TPU runtime that it must run on, 10 to 14; if None,
            the compiler's newest.
        num_segments: In how many segments it is cut, for as many Edge TPUs in a pipeline.
        multiple_subgraphs: Whether every group of operators that the Edge TPU can run is compiled,
            or the first one alone.
        intermediate_tensors: Names of the tensors at which the Edge TPU's part ends.
        search_delegate: Whether a model that does not compile is cut shorter until it does.
        delegate_search_step: By how many operators it is cut each time.
        attempt_timeout_s: After how many seconds the compiler itself gives up an attempt.
        timeout_s: After how many seconds it is killed, whatever the number of attempts.
    """

    min_runtime_version: int | None = None
    num_segments: int = 1
    multiple_subgraphs: bool = False
    intermediate_tensors: tuple[str, ...] = ()
    search_delegate: bool = False
    delegate_search_step: int = 1
    attempt_timeout_s: int = 180
    timeout_s: float = 600.0


def arguments(
    options: CompilerOptions, compiler: Compiler, models: Sequence[Graph]
) -> tuple[str, ...]:
    """Return the command line's options.

    Args:
        options: What is asked.
        compiler: The compiler; an older one has fewer options.
        models: The models that are compiled together.

    Raises:
        ParameterError: An option is out of range, contradicts another, or names no tensor.
    """
    _check(options, compiler, models)
    given = ["--show_operations"]
    if options.min_runtime_version is not None:
        given += ["--min_runtime_version", str(options.min_runtime_version)]
    if options.num_segments > 1:
        given += ["--num_segments", str(options.num_segments)]
    if options.multiple_subgraphs:
        given += ["--enable_multiple_subgraphs"]
    if options.intermediate_tensors:
        given += ["--intermediate_tensors", ",".join(options.intermediate_tensors)]
    if options.search_delegate:
        given += ["--search_delegate", "--delegate_search_step", str(options.delegate_search_step)]
    if compiler.major >= _SEARCHING:
        given += ["--timeout_sec", str(options.attempt_timeout_s)]
    return tuple(given)


def _check(options: CompilerOptions, compiler: Compiler, models: Sequence[Graph]) -> None:
    version = options.min_runtime_version
    if version is not None and not OLDEST_RUNTIME <= version <= NEWEST_RUNTIME:
        raise _refused(
            "There is no such Edge TPU runtime version",
            f"`min_runtime_version={version}`",
            f"a whole number from {OLDEST_RUNTIME} to {NEWEST_RUNTIME}",
            "Leave it out, unless the device has an older runtime",
        )
    for name in ("num_segments", "delegate_search_step", "attempt_timeout_s", "timeout_s"):
        if getattr(options, name) <= 0:
            raise _refused(
                "An option of the Edge TPU compiler is out of range",
                f"`{name}={getattr(options, name)}`",
                "a number above 0",
                "Leave it out for its default",
            )
    if options.num_segments > 1 and (len(models) > 1 or options.intermediate_tensors):
        other = f"{len(models)} models" if len(models) > 1 else "'intermediate_tensors'"
        raise _refused(
            "Segments are of a single model, and compiled to its end",
            f"'num_segments': {options.num_segments} together with {other}",
            "one model and no 'intermediate_tensors'",
            "Compile the models one by one, or leave one of the two options out",
        )
    if options.search_delegate and compiler.major < _SEARCHING:
        raise _refused(
            "This version of the Edge TPU compiler cannot search",
            f"`search_delegate=True` with version {compiler.version}",
            f"version {_SEARCHING}.0",
            "Update the package 'edgetpu-compiler', or name 'intermediate_tensors' yourself",
        )
    known = [tensor.name for model in models for tensor in model.main.tensors]
    for name in options.intermediate_tensors:
        if name not in known or "," in name:
            raise _refused(
                "The Edge TPU's part cannot end at this tensor",
                f"'{name}'",
                "the name of a tensor of the model, without a comma",
                suggest(name, known) or "Look the names up in the model",
            )


def _refused(what: str, found: str, expected: str, remedy: str) -> ParameterError:
    return ParameterError(what, found=found, expected=expected, remedy=remedy)
