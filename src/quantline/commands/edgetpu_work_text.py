"""The results of the Edge TPU's compiler and devices, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.commands.edgetpu_text import folded, listed, milliseconds, runs
from quantline.errors import first_few
from quantline.tables import pairs, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.edgetpu import CompiledPrograms, DeviceRun, Match
    from quantline.tflite import Graph

_PROGRAM = (
    "operator", "needs", "cached", "streamed", "instructions", "scratch", "cycles", "executables",
)  # fmt: skip


def programs_text(compiled: CompiledPrograms) -> str:
    """Return the programs of a compiled model."""
    rows = []
    for subgraph in compiled.subgraphs:
        package, main = subgraph.package, subgraph.package.main
        cycles = "unknown" if main.estimated_cycles is None else f"{main.estimated_cycles:,}"
        rows.append((
            str(subgraph.operator.index),
            f"runtime {package.min_runtime_version}",
            f"{package.cached_bytes:,}",
            f"{package.streamed_bytes:,}",
            f"{main.instruction_bytes:,}",
            f"{main.scratch_bytes:,}",
            cycles,
            " + ".join(str(executable.type) for executable in package.executables),
        ))  # fmt: skip
    return f"Edge TPU programs, sizes in bytes (parsed):\n{table(_PROGRAM, rows)}"


def placed_text(original: str, graph: Graph, placed: Match) -> str:
    """Return the placement of the original model's operators."""
    operators = graph.main.operators
    left = [f"{index} {operators[index].type}" for index in placed.cpu]
    rows = [("original", f"{original}, {len(operators)} operators")]
    rows += [
        (f"subgraph {number}", f"{len(part)} operators: {runs(part)}")
        for number, part in enumerate(placed.subgraphs)
    ]
    rows += [("on the CPU", folded(first_few(left) or "none", 12))]
    if placed.dead:
        rows.append(("dropped", runs(placed.dead)))
    return pairs([*rows, ("evidence", "parsed from both files")])


def compilation_text(compilation: Mapping[str, Any]) -> str:
    """Return the compiler's result, with the prediction."""
    (record,) = compilation["models"]
    compared = compilation["comparison"]
    rows = [
        ("compiled", f"by version {compilation['compiler_version']} in "
                     f"{compilation['duration_ms']} ms"),
        ("operators", f"{record['mapped_operators']} of {record['operators_total']} on the Edge "
                      f"TPU, subgraphs: {record['subgraphs']} (read from the compiler)"),
        ("parameters", f"{record['parsed']['cached_bytes']:,} bytes cached on chip, "
                       f"{record['parsed']['streamed_bytes']:,} sent for each inference (parsed)"),
        ("prediction", f"right for {compared['right']} of {compared['operators']} operators, "
                       f"subgraphs: {compared['subgraphs']['predicted']}"),
    ]  # fmt: skip
    misses = [
        f"{miss['index']} {miss['type']}: predicted {miss['target']}, and it is {miss['actual']}\n"
        f"{miss['status']}\n{miss['rule']}"
        for miss in compared["misses"]
    ]
    return "\n\n".join([
        pairs(rows),
        *listed("Predicted wrongly", misses),
        *listed("Warnings", compilation["warnings"]),
    ])  # fmt: skip


def run_text(run: DeviceRun) -> str:
    """Return the results of a device."""
    times = run.latency
    rows = [
        ("device", f"{run.device or 'any'}, {run.library} {run.library_version or ''}".rstrip()),
        ("latency", f"{milliseconds(times.p50)}, between {milliseconds(times.p10, times.p90)} in "
                    f"8 of 10 of {times.runs} runs, the first call {milliseconds(times.first)} "
                    f"(measured)"),
    ]  # fmt: skip
    rows += [
        (f"'{agreement.output}'",
         f"{agreement.equal_share:.2%} of the values as on the CPU, at most "
                             f"{agreement.steps_max} steps off (measured)")
        for agreement in run.agreements
        if agreement is not None
    ]  # fmt: skip
    return pairs(rows)
