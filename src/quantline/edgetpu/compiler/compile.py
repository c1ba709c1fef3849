"""Compiling for the Edge TPU, where ``edgetpu_compiler`` is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.edgetpu.compiled.read import Compiled, read_compiled
from quantline.edgetpu.compiler.failures import explain
from quantline.edgetpu.compiler.options import CompilerOptions, arguments
from quantline.edgetpu.compiler.output import not_known, parse_log, parse_output
from quantline.edgetpu.compiler.process import NAME, find_compiler, out_of_time, run
from quantline.edgetpu.mapping.requirements import is_compiled
from quantline.edgetpu.vocabulary import Evidence
from quantline.errors import CheckFailed, CompilerError, ModelUnsupported, first_few
from quantline.files import write_atomic
from quantline.progress import waiting
from quantline.temporary import temporary_folder
from quantline.tflite.graph import read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quantline.edgetpu.compiler.process import Compiler, Ended
    from quantline.edgetpu.compiler.records import ModelRecord, PrintedSize
    from quantline.tflite.graph import Graph

_OUT = "out"


@dataclass(frozen=True)
class CompiledModel:
    """One compiled model, or one segment of it.

    Attributes:
        content: The ``.tflite`` file.
        log: The ``.log`` file beside it.
        record: What the compiler printed of it.
        parsed: What the file itself holds.
    """

    content: bytes = field(repr=False)
    log: str = field(repr=False)
    record: ModelRecord
    parsed: Compiled


@dataclass(frozen=True)
class Compilation:
    """What came out of one run of the compiler.

    Attributes:
        models: The compiled models in the order they were given, or the segments of the one.
        compiler_version: The compiler's version.
        duration_ms: How long it took by the compiler's own account.
        command_line: The program's name and its arguments.
        warnings: Where what was printed and what the files hold differ, and lines that are no part
            of the known output, TensorFlow Lite's on standard error among them.
        evidence: How all but ``parsed`` is known.
    """

    models: tuple[CompiledModel, ...]
    compiler_version: str
    duration_ms: int
    command_line: tuple[str, ...]
    warnings: tuple[str, ...]
    evidence: Evidence = Evidence.READ

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data, ready for JSON."""
        return {
            "command_line": list(self.command_line),
            "compiler_version": self.compiler_version,
            "duration_ms": self.duration_ms,
            "evidence": str(self.evidence),
            "models": [
                model.record.to_dict() | {"parsed": model.parsed.to_dict()} for model in self.models
            ],
            "warnings": list(self.warnings),
        }


def compile_model(
    model: bytes | Sequence[bytes],
    options: CompilerOptions | None = None,
    compiler: Compiler | None = None,
) -> Compilation:
    """Compile a model for the Edge TPU.

    Args:
        model: A quantized ``.tflite`` file; or several that are to share the chip's memory, the
            first of which gets its room first (co-compilation).
        options: How; by default as the compiler does by itself.
        compiler: The compiler from :func:`find_compiler`; if None, the one on ``PATH``.

    Raises:
        CompilerNotFound: There is no compiler.
        DependencyError: It does not run on this machine.
        CompilerError: It crashed, or ran out of time or memory.
        CompilerError: It printed what it is not known to print.
        OutputNotWritten: It had no room for its files.
        CheckFailed: It refuses the model.
        CheckFailed: It compiled a model of which nothing runs on the Edge TPU.
        ModelUnreadable: A model is no ``.tflite`` file, or the compiled one is damaged.
        ModelUnsupported: A model is compiled already.
        ParameterError: The options are out of range or contradict each other.
    """
    options = options or CompilerOptions()
    contents = [model] if isinstance(model, bytes) else list(model)
    graphs = [_original(content) for content in contents]
    compiler = compiler or find_compiler()
    many = len(contents) > 1
    stems = [f"model_{index}" if many else "model" for index in range(len(contents))]
    inputs = {f"{stem}.tflite": value for stem, value in zip(stems, contents, strict=True)}
    command = [*arguments(options, compiler, graphs), "--out_dir", _OUT, *inputs]
    outputs = [f"{part}_edgetpu.tflite" for part in _parts(stems, options.num_segments)]
    ended, written = _run(compiler, command, inputs, outputs, options.timeout_s)
    output = parse_output(ended.stdout)
    records = {Path(other.output_model).name: other for other in output.models}
    if missing := set(outputs) - set(records):
        raise not_known(ended.stdout, f"a line 'Output model: {min(missing)}'")
    _check_mapped([records[index] for index in outputs], segments=options.num_segments > 1)
    models = tuple(
        CompiledModel(content, log, records[name], _parsed(content, name))
        for name, (content, log) in written.items()
    )
    differences = [line for other in models for line in _differences(other)]
    complaints = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
    return Compilation(
        models=models,
        compiler_version=output.version,
        duration_ms=output.duration_ms,
        command_line=(NAME, *command),
        warnings=(*differences, *output.unknown, *complaints),
    )


def _run(
    compiler: Compiler,
    command: Sequence[str],
    inputs: Mapping[str, bytes],
    outputs: Sequence[str],
    timeout_s: float,
) -> tuple[Ended, dict[str, tuple[bytes, str]]]:
    """Run the compiler; return how it ended, and the content and log of each output by its name."""
    with temporary_folder() as folder:
        for file, content in inputs.items():
            write_atomic(folder / file, content)
        (folder / _OUT).mkdir()
        with waiting("the Edge TPU compiler"):
            ended = run([str(compiler.path), *command], folder, timeout_s)
        if ended.status is None:
            raise out_of_time(ended, timeout_s)
        files = [folder / _OUT / output for output in outputs]
        # Not the exit status alone: a search was reported to end without a file.
        if ended.status != 0 or not all(file.is_file() for file in files):
            raise explain(ended.stdout, ended.stderr, ended.status)
        return ended, {file.name: (file.read_bytes(), _log(file)) for file in files}


def _original(content: bytes) -> Graph:
    graph = read(content)
    if any(is_compiled(operator) for operator in graph.main.operators):
        raise ModelUnsupported(
            "The model is compiled for the Edge TPU already",
            found="an operator 'edgetpu-custom-op'",
            expected="the quantized .tflite file as it was before it was compiled",
            remedy="Give the file whose name does not end in '_edgetpu.tflite'",
        )
    return graph


def _parsed(content: bytes, name: str) -> Compiled:
    return read_compiled(read(content, f"'{name}'"), f"'{name}'")


def _parts(stems: Sequence[str], segments: int) -> list[str]:
    if segments == 1:
        return list(stems)
    return [f"{stem}_segment_{index}_of_{segments}" for stem in stems for index in range(segments)]


def _log(compiled: Path) -> str:
    path = compiled.with_suffix(".log")
    return path.read_text("utf-8", "replace") if path.is_file() else ""


def _check_mapped(records: Sequence[ModelRecord], *, segments: bool) -> None:
    # A segment may run on the CPU, a whole model may not.
    for group in [records] if segments else [[record] for record in records]:
        if any(item.mapped_operators for item in group):
            continue
        total = sum(item.operators_total for item in group)
        reasons = [
            f"{row.count} {row.type}: {row.status}" for item in group for row in item.operators
        ]
        raise CheckFailed(
            "The Edge TPU compiler maps no operator of the model, though it reports success",
            found=f"0 of {total} operators of '{group[0].input_model}' on the Edge TPU"
            + (f" ({first_few(reasons, 5)})" if reasons else ""),
            expected="at least one",
            remedy="The prediction for the model names what stops each operator; a model that is "
            "float in part, has a batch above 1 or is compiled for an old runtime version is "
            "mapped nowhere",
        )


def _differences(model: CompiledModel) -> list[str]:
    """Say in what the compiler's words and its file differ."""
    record, parsed = model.record, model.parsed
    found = []
    try:
        if parse_log(model.log).operators != record.operators:
            found.append(
                f"{record.output_model}: the printed operators and those of its log differ"
            )
    except CompilerError as error:
        found.append(f"{record.output_model}: its log is not in the known format: {error.found}")
    if record.subgraphs != len(parsed.subgraphs):
        found.append(
            f"{record.output_model}: the compiler names {record.subgraphs} subgraphs, the file "
            f"holds {len(parsed.subgraphs)}"
        )
    sizes: dict[str, tuple[PrintedSize | None, int]] = {
        "bytes of parameters on chip": (record.cached, parsed.cached_bytes),
        "bytes of streamed parameters": (record.streamed, parsed.streamed_bytes),
        "bytes of the file": (record.output_size, len(model.content)),
    }
    for what, (printed, exact) in sizes.items():
        if printed is not None and not printed.holds(exact):
            found.append(
                f"{record.output_model}: {what}: the compiler names {printed.size_bytes:,} (up to "
                f"{printed.rounding_bytes:,} off), the file holds {exact:,}"
            )
    return found
