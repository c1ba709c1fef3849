"""An evaluation for the Edge TPU as text: the verdict first, then what stands in its way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.commands.table import pairs, size, table
from quantline.edgetpu import Target, can_detect, detect
from quantline.errors import first_few

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from quantline.edgetpu import Compiled, DeviceRun, Evaluation, Match, Suggestion
    from quantline.edgetpu.latency import Band
    from quantline.edgetpu.memory import Memory
    from quantline.tflite import Graph

_PROGRAM = (
    "operator", "needs", "cached", "streamed", "instructions", "scratch", "cycles", "executables",
)  # fmt: skip
_SHOWN = 10  # of the operators on the CPU, and of the suggestions


def evaluation_text(model: str, size_bytes: int, found: Evaluation) -> str:
    """Return what was found of a model, before or after compilation."""
    rows = [
        ("model", f"{model}, {size(size_bytes)}"),
        ("operators", _operators(found)),
        ("parameters", _memory(found.memory)),
        ("latency", _latency(found)),
    ]
    if found.band is not None:
        rows.append(("", found.band.basis))
    rows += [("devices", _devices())]
    blocks = [
        pairs(rows),
        *_listed("Not on the Edge TPU", list(_left(found))),
        *_listed(
            "To have more on it, the worst first", [_advice(each) for each in found.suggestions]
        ),
        *_listed("Not foreseen", list(found.not_predicted)),
    ]
    return "\n\n".join(blocks)


def programs_text(compiled: Compiled) -> str:
    """Return what a compiled model's Edge TPU operators hold."""
    rows = []
    for each in compiled.subgraphs:
        package, main = each.package, each.package.main
        cycles = "not told" if main.estimated_cycles is None else f"{main.estimated_cycles:,}"
        rows.append((
            str(each.operator.index),
            f"runtime {package.min_runtime_version}",
            f"{package.cached_bytes:,}",
            f"{package.streamed_bytes:,}",
            f"{main.instruction_bytes:,}",
            f"{main.scratch_bytes:,}",
            cycles,
            " + ".join(str(one.type) for one in package.executables),
        ))  # fmt: skip
    return f"Edge TPU programs, sizes in bytes (parsed):\n{table(_PROGRAM, rows)}"


def placed_text(original: str, graph: Graph, placed: Match) -> str:
    """Return where the operators of the original model went."""
    operators = graph.main.operators
    left = [f"{index} {operators[index].type}" for index in placed.cpu]
    rows = [("original", f"{original}, {len(operators)} operators")]
    rows += [
        (f"subgraph {number}", f"{len(each)} operators: {_runs(each)}")
        for number, each in enumerate(placed.subgraphs)
    ]
    rows += [("on the CPU", first_few(left, _SHOWN) or "none")]
    if placed.dead:
        rows.append(("dropped", _runs(placed.dead)))
    return pairs([*rows, ("evidence", "parsed from both files")])


def compilation_text(compilation: Mapping[str, Any]) -> str:
    """Return what the compiler did, beside what was predicted."""
    (record,) = compilation["models"]
    compared = compilation["predicted"]
    total = record["operators_total"]
    rows = [
        ("compiled", f"by version {compilation['compiler_version']} in "
                     f"{compilation['duration_ms']} ms"),
        ("operators", f"{record['mapped_operators']} of {total} on the Edge TPU, "
                      f"{record['subgraphs']} subgraphs (read from the compiler)"),
        ("parameters", f"{record['parsed']['cached_bytes']:,} bytes cached on chip, "
                       f"{record['parsed']['streamed_bytes']:,} streamed (parsed)"),
        ("predicted", f"{compared['right']} of {compared['operators']} operators rightly, "
                      f"{compared['subgraphs']['predicted']} subgraphs"),
    ]  # fmt: skip
    misses = [
        f"{each['index']} {each['type']}: predicted {each['target']}, {each['rule']}; the "
        f"compiler: {each['actual']}"
        for each in compared["misses"]
    ]
    warnings = list(compilation["warnings"])
    return "\n\n".join(
        [pairs(rows), *_listed("Predicted wrongly", misses), *_listed("Warnings", warnings)]
    )


def run_text(run: DeviceRun) -> str:
    """Return what a device gave."""
    times = run.latency
    rows = [
        ("device", f"{run.device or 'any'}, {run.library} {run.library_version or ''}".rstrip()),
        ("latency", f"{times.p50:.3g} ms [{times.p10:.3g}, {times.p90:.3g}], the first call "
                    f"{times.first:.3g} ms, {times.runs} runs (measured)"),
    ]  # fmt: skip
    for each in run.agreements:
        if each is not None:
            rows.append((
                f"'{each.output}'",
                f"{each.equal_share:.2%} of the values as on the CPU, at most {each.steps_max} "
                f"steps off (measured)",
            ))  # fmt: skip
    return pairs(rows)


def _operators(found: Evaluation) -> str:
    report = found.report
    unknown = f", {report.unknown_operators} unknown" if report.unknown_operators else ""
    share = "" if found.mapped_share_macs is None else (
        f", {found.mapped_share_macs:.1%} of the multiply-accumulates")  # fmt: skip
    more = report.subgraphs_multiple
    several = f" ({more} with --multiple-subgraphs)" if more != report.subgraphs else ""
    return (
        f"{report.mapped_operators} of {report.operators_total} on the Edge TPU{unknown}{share}, "
        f"subgraphs: {report.subgraphs}{several} ({found.evidence}, runtime "
        f"{report.runtime_version})"
    )


def _memory(memory: Memory) -> str:
    room = (
        "" if memory.remaining_bytes is None else f", room for {size(memory.remaining_bytes)} more"
    )
    return (
        f"{size(memory.parameter_bytes)}: {size(memory.cached_bytes)} cached on chip, "
        f"{size(memory.streamed_bytes)} streamed{room}: {memory.verdict} ({memory.evidence})"
    )


def _latency(found: Evaluation) -> str:
    chip = _band(found.band)
    cpu = found.remainder
    if not cpu.operators:
        return f"{chip} (predicted), nothing on the CPU"
    if cpu.milliseconds is None:
        return f"{chip} (predicted), and the CPU's {cpu.operators} operators: {cpu.basis}"
    return (
        f"{chip} (predicted), and {cpu.milliseconds[1]:.2g} ms for {cpu.operators} operators on "
        f"the CPU (measured here, {cpu.threads} thread)"
    )


def _band(band: Band | None) -> str:
    if band is None:
        return "not known: the compiled file holds no estimate of cycles"
    return f"{band.low:.2g} to {band.high:.2g} ms"


def _devices() -> str:
    if not can_detect():
        return "not known: this system does not list them"
    found = detect()
    if not found:
        return "none found: nothing was run, and accuracy is that of the CPU's kernels"
    return "; ".join(" ".join([f"{each.name} at {each.path}.", *each.warnings]) for each in found)


def _left(found: Evaluation) -> Iterator[str]:
    alike: dict[tuple[str, ...], list[int]] = {}
    for each in found.report.operators:
        if each.target not in (Target.EDGETPU, Target.DEAD):
            said = f"{each.status}: {each.rule} ({each.provenance})"
            alike.setdefault((each.target, each.type, said), []).append(each.index)
    for (target, kind, said), indices in alike.items():
        doubt = " perhaps" if target == Target.UNKNOWN else ""
        yield f"{first_few(indices, _SHOWN)} {kind}:{doubt} {said}"


def _advice(each: Suggestion) -> str:
    what = f"{first_few(each.operators, 3)} {each.type}: " if each.operators else ""
    return (
        f"{what}{each.advice} ({each.moved_operators:+d} operators, {each.moved_share_macs:+.0%} "
        f"of the work, then {each.mapped_share_macs:.0%}; {each.source})"
    )


def _runs(indices: tuple[int, ...]) -> str:
    """Return ascending numbers, those that follow each other as a range: ``0-62, 64``."""
    runs: list[list[int]] = []
    for each in indices:
        if runs and each == runs[-1][-1] + 1:
            runs[-1][1:] = [each]
        else:
            runs.append([each])
    return ", ".join("-".join(map(str, run)) for run in runs)


def _listed(heading: str, lines: list[str]) -> list[str]:
    return ["\n".join([f"{heading}:", *(f"  {line}" for line in lines)])] if lines else []
