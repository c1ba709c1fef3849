"""Compilation for the Edge TPU with ``edgetpu_compiler``.

The compiler takes options that contradict each other and then fails without a word, or ignores one:
they are checked before it runs. Their source: https://coral.ai/docs/edgetpu/compiler and the
compiler's ``--help``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.edgetpu.compiled.read import CompiledPrograms, read_compiled
from quantline.edgetpu.compiler.failures import explain
from quantline.edgetpu.compiler.output import parse_log, parse_output, unknown_format
from quantline.edgetpu.compiler.process import NAME, Compiler, find_compiler, run, timed_out
from quantline.edgetpu.mapping.operators import check_runtime
from quantline.edgetpu.mapping.requirements import has_compiled
from quantline.edgetpu.vocabulary import Evidence
from quantline.errors import CheckFailed, CompilerError, ModelUnsupported, ParameterError, first_few
from quantline.files import write_atomic
from quantline.progress import waiting
from quantline.temporary import temporary_folder
from quantline.tflite.graph import read

if TYPE_CHECKING:
    from quantline.edgetpu.compiler.output import ModelRecord, PrintedSize

_IN, _OUT = "model.tflite", "out"
_COMPILED = "model_edgetpu.tflite"
_SEARCHING = 16  # the first version that searches, and that has a time limit


@dataclass(frozen=True)
class CompilerOptions:
    """The options of one compilation."""

    min_runtime_version: int | None = None  # 10 to 14; if None, the compiler's newest
    multiple_subgraphs: bool = False  # every group that the Edge TPU can run, or the first alone
    search_delegate: bool = False  # a model that does not compile is cut shorter until it does
    attempt_timeout_s: int = 180  # the compiler itself then gives up an attempt
    timeout_s: float = 600.0  # it is then killed, whatever the number of attempts


@dataclass(frozen=True)
class CompiledModel:
    """A compiled model."""

    content: bytes = field(repr=False)  # the `.tflite` file
    log: str = field(repr=False)  # the `.log` file next to it
    record: ModelRecord  # the compiler's printed words about it
    parsed: CompiledPrograms


@dataclass(frozen=True)
class Compilation:
    """The result of one run of the compiler."""

    model: CompiledModel
    compiler_version: str
    duration_ms: int  # by the compiler's own account
    command_line: tuple[str, ...]  # the program's name and its arguments
    # differences between the printed words and the file, and lines outside of the known format,
    # TensorFlow Lite's on standard error among them
    warnings: tuple[str, ...]
    evidence: Evidence = Evidence.READ  # of all but `model.parsed`

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data, ready for JSON."""
        return {
            "command_line": list(self.command_line),
            "compiler_version": self.compiler_version,
            "duration_ms": self.duration_ms,
            "evidence": str(self.evidence),
            "models": [self.model.record.to_dict() | {"parsed": self.model.parsed.to_dict()}],
            "warnings": list(self.warnings),
        }


def compile_model(
    model: bytes, options: CompilerOptions | None = None, compiler: Compiler | None = None
) -> Compilation:
    """Compile a model for the Edge TPU.

    Args:
        model: A quantized ``.tflite`` file.
        options: The compiler's options; its own defaults if None.
        compiler: The compiler from :func:`find_compiler`; if None, the one on ``PATH``.

    Raises:
        CompilerNotFound: There is no compiler.
        DependencyError: It does not run on this machine.
        CompilerError: It crashed, ran out of time or memory, or printed an unknown format.
        OutputNotWritten: It had no room for its files.
        CheckFailed: It refuses the model, or maps no operator of it to the Edge TPU.
        ModelUnreadable: The model is no ``.tflite`` file, or the compiled one is damaged.
        ModelUnsupported: The model is compiled already.
        ParameterError: The options are out of range or contradict each other.
    """
    options = options or CompilerOptions()
    _check_not_compiled(model)
    compiler = compiler or find_compiler()
    command = [*command_line_options(options, compiler), "--out_dir", _OUT, _IN]
    with temporary_folder() as folder:
        write_atomic(folder / _IN, model)
        (folder / _OUT).mkdir()
        with waiting("the Edge TPU compiler"):
            ended = run([str(compiler.path), *command], folder, options.timeout_s)
        if ended.status is None:
            raise timed_out(ended, options.timeout_s)
        file = folder / _OUT / _COMPILED
        # Not the exit status alone: a search was reported to end without a file.
        if ended.status != 0 or not file.is_file():
            raise explain(ended.stdout, ended.stderr, ended.status)
        path = file.with_suffix(".log")
        log = path.read_text("utf-8", "replace") if path.is_file() else ""
        content = file.read_bytes()
    output = parse_output(ended.stdout)
    records = {Path(record.output_model).name: record for record in output.models}
    if _COMPILED not in records:
        raise unknown_format(ended.stdout, f"a line 'Output model: {_COMPILED}'")
    record = records[_COMPILED]
    _check_mapped(record)
    name = f"'{_COMPILED}'"
    compiled = CompiledModel(content, log, record, read_compiled(read(content, name), name))
    stderr = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
    return Compilation(
        model=compiled,
        compiler_version=output.version,
        duration_ms=output.duration_ms,
        command_line=(NAME, *command),
        warnings=(*_differences(compiled), *output.unknown, *stderr),
    )


def command_line_options(options: CompilerOptions, compiler: Compiler) -> tuple[str, ...]:
    """Return the options as words of the command line; an older compiler has fewer.

    Raises:
        ParameterError: An option is out of range, or the compiler does not have it.
    """
    _check(options, compiler)
    words = ["--show_operations"]
    if options.min_runtime_version is not None:
        words += ["--min_runtime_version", str(options.min_runtime_version)]
    if options.multiple_subgraphs:
        words += ["--enable_multiple_subgraphs"]
    if options.search_delegate:
        words += ["--search_delegate", "--delegate_search_step", "1"]
    if compiler.major >= _SEARCHING:
        words += ["--timeout_sec", str(options.attempt_timeout_s)]
    return tuple(words)


def _check(options: CompilerOptions, compiler: Compiler) -> None:
    version = options.min_runtime_version
    if version is not None:
        check_runtime(version, found=f"`min_runtime_version={version}`", remedy="Leave it out")
    for name in ("attempt_timeout_s", "timeout_s"):
        if getattr(options, name) <= 0:
            raise ParameterError(
                "An option of the Edge TPU compiler is out of range",
                found=f"`{name}={getattr(options, name)}`",
                expected="a number above 0",
                remedy="Leave it out for its default",
            )
    if options.search_delegate and compiler.major < _SEARCHING:
        raise ParameterError(
            "This version of the Edge TPU compiler cannot search",
            found=f"`search_delegate=True` with version {compiler.version}",
            expected=f"version {_SEARCHING}.0",
            remedy="Update the package 'edgetpu-compiler', or compile without the search",
        )


def _check_not_compiled(content: bytes) -> None:
    if has_compiled(read(content)):
        raise ModelUnsupported(
            "The model is compiled for the Edge TPU already",
            found="an operator 'edgetpu-custom-op'",
            expected="the quantized .tflite file as it was before it was compiled",
            remedy="Give the file whose name does not end in '_edgetpu.tflite'",
        )


def _check_mapped(record: ModelRecord) -> None:
    if record.mapped_operators:
        return
    reasons = [f"{row.count} {row.type}: {row.status}" for row in record.operators]
    raise CheckFailed(
        "The Edge TPU compiler maps no operator of the model, though it reports success",
        found=f"0 of {record.operators_total} operators of '{record.input_model}' on the Edge TPU"
        + (f" ({first_few(reasons, 5)})" if reasons else ""),
        expected="at least one",
        remedy="The prediction for the model names what stops each operator; a model that is float "
        "in part, has a batch above 1 or is compiled for an old runtime version is mapped nowhere",
    )


def _differences(model: CompiledModel) -> list[str]:
    """Return the differences between the compiler's printed words and its file."""
    record, parsed = model.record, model.parsed
    found = []
    try:
        if parse_log(model.log) != record.operators:
            found.append("the printed operators and those of its log differ")
    except CompilerError as error:
        found.append(f"its log is not in the known format: {error.found}")
    if record.subgraphs != len(parsed.subgraphs):
        held = len(parsed.subgraphs)
        found.append(f"the compiler names {record.subgraphs} subgraphs, the file holds {held}")
    sizes: dict[str, tuple[PrintedSize | None, int]] = {
        "bytes of parameters on chip": (record.cached, parsed.cached_bytes),
        "bytes of streamed parameters": (record.streamed, parsed.streamed_bytes),
        "bytes of the file": (record.output_size, len(model.content)),
    }
    found += [
        f"{quantity}: the compiler names {printed.size_bytes:,} (up to "
        f"{printed.rounding_bytes:,} off), the file holds {exact:,}"
        for quantity, (printed, exact) in sizes.items()
        if printed is not None and not printed.may_be(exact)
    ]
    return [f"{record.output_model}: {difference}" for difference in found]
