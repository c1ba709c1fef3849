"""A report on a model for the Edge TPU as text: the verdict first, then what stands in its way."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from typing import TYPE_CHECKING

from quantline.edgetpu import Evidence, Placement, Provenance, can_detect, detect
from quantline.edgetpu.cost.memory import Fit
from quantline.edgetpu.cost.rules import COUNTED, FEW, total
from quantline.errors import first_few
from quantline.tables import pairs, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from quantline.edgetpu import EdgeTpuReport, OperatorVerdict, Suggestion
    from quantline.edgetpu.cost.memory import Memory
    from quantline.edgetpu.cost.remainder import Remainder
    from quantline.edgetpu.cost.rules import Part, Rule

_KNOWN = {
    Provenance.DOCUMENTED: "documented",
    Provenance.PARSED: "seen in compiled models",
    Provenance.REPORTED: "reported by a user",
    Provenance.MEMORY: "not confirmed",
}


def provenance_text(verdict: OperatorVerdict) -> str:
    """Return the source of the rule that decided on an operator."""
    source, count = _KNOWN[verdict.provenance], verdict.seen_in_models
    few = verdict.provenance is Provenance.PARSED and count is not None and count < FEW
    return f"{source}, in {count} of {COUNTED}" if few else source


def few_seen(found: EdgeTpuReport) -> Iterator[str]:
    """Return the predictions by rules seen in fewer than ``FEW`` models, by rule."""
    if found.evidence is Evidence.PARSED:
        return
    alike: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for operator in found.report.operators:
        if operator.target is Placement.EDGETPU and (operator.seen_in_models or 0) < FEW:
            alike[operator.type, _KNOWN[operator.provenance], operator.seen_in_models or 0].append(
                operator.index
            )
    for (kind, provenance, count), indices in alike.items():
        yield f"{first_few(indices)} {kind}: mapped ({provenance}, in {count} of them)"
    by_rule: dict[Rule, list[tuple[int, Part]]] = defaultdict(list)
    for index, parts in found.parameter_parts.items():
        for part in parts:
            if part.low < part.high:
                by_rule[part.rule].append((index, part))
    for rule, pieces in by_rule.items():
        whole = total(part for _, part in pieces)
        operators = first_few(sorted({index for index, _ in pieces}))
        yield (
            f"{operators}: {size(whole.low)} to {size(whole.high)} of parameters, "
            f"{size(whole.bytes)} expected: {rule.name} (seen in {rule.seen_in_models})\n"
            f"{rule.mechanism}"
        )


_WIDTH = 100
_SHOWN = 10  # types of operators that are left for the same reason
_LONG = 30  # characters of numbers before they are counted instead
_LEFT = {
    Evidence.PREDICTED: "Not on the Edge TPU",
    # The file says which they are, and not why.
    Evidence.PARSED: "Not on the Edge TPU, by the rules because",
}


def evaluation_text(model: str, size_bytes: int, found: EdgeTpuReport) -> str:
    """Return the text of a report, before or after compilation."""
    rows = [
        ("model", f"{model}, {size(size_bytes)}"),
        ("operators", _operators(found)),
        ("parameters", _memory(found.memory)),
        ("latency", _latency(found)),
    ]
    mapped = found.report.mapped_operators > 0
    if mapped and found.band is not None:
        rows.append(("", found.band.basis))
    rows.append(("devices", _devices()))
    operators = found.report.operators
    blocks = [
        pairs([(name, folded(text, 12)) for name, text in rows]),
        *listed(_LEFT[found.evidence], _alike(operators, Placement.CPU)),
        *listed("Unknown, and counted as on the CPU", _alike(operators, Placement.UNKNOWN)),
        *listed(f"By rules seen in fewer than {FEW} of {COUNTED} compiled models", few_seen(found)),
        *listed("To have more on it, the worst obstacle first", map(_advice, found.suggestions)),
        *listed("Not predicted", found.not_predicted if mapped else ()),
    ]
    return "\n\n".join(blocks)


def listed(heading: str, items: Iterable[str]) -> list[str]:
    """Return one block: a heading and indented items, whose further lines are indented more."""
    lines = [
        f"{'  ' if at == 0 else '    '}{folded(line, 6)}"
        for item in items
        for at, line in enumerate(item.splitlines())
    ]
    return ["\n".join([f"{heading}:", *lines])] if lines else []


def folded(text: str, indent: int) -> str:
    """Return a text in lines of up to 100 characters, the others indented as the first one is."""
    width = _WIDTH - indent
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return f"\n{' ' * indent}".join(lines)


def milliseconds(*values: float) -> str:
    """Return a time, or a range of times, with two digits."""
    rounded = (f"{float(f'{value:.2g}'):g}" if value >= 0.01 else "under 0.01" for value in values)
    return f"{' to '.join(rounded)} ms"


def runs(indices: Sequence[int]) -> str:
    """Return ascending numbers, those that follow each other as a range: ``0-62, 64``."""
    found: list[list[int]] = []
    for index in indices:
        if found and index == found[-1][-1] + 1:
            found[-1][1:] = [index]
        else:
            found.append([index])
    return ", ".join("-".join(map(str, ends)) for ends in found)


def _operators(found: EdgeTpuReport) -> str:
    report, placed = found.report, found.placed
    total, mapped = report.operators_total, report.mapped_operators
    if found.evidence is Evidence.PARSED:
        needs = f"(parsed; needs runtime {report.runtime_version})"
        if placed is not None:
            inside = len(placed.edgetpu)
            whole = inside + len(placed.cpu)
            return f"{inside} of {whole} on the Edge TPU, in {_subgraphs(mapped)} {needs}"
        left = f"{total - mapped} operators" if total - mapped > 1 else "1 operator"
        rest = f"{left} on the CPU" if total > mapped else "nothing on the CPU"
        return f"{_subgraphs(mapped)} on the Edge TPU, {rest} {needs}"
    how = f"(predicted for runtime {report.runtime_version})"
    unknown = f", {report.unknown_operators} unknown" if report.unknown_operators else ""
    if not mapped:
        return f"none of {total} on the Edge TPU{unknown} {how}"
    several = report.subgraphs_multiple
    more = f", or {several} with --multiple-subgraphs" if several != report.subgraphs else ""
    share = found.mapped_share_macs or 0.0
    work = "" if mapped == total else f" and {share:.0%} of the multiply-accumulates"
    count = f"all {total}" if mapped == total else f"{mapped} of {total}"
    where = f"in {_subgraphs(report.subgraphs)}{more}"
    return f"{count} on the Edge TPU{work}{unknown}, {where} {how}"


def _subgraphs(count: int) -> str:
    return "1 subgraph" if count == 1 else f"{count} subgraphs"


def _memory(memory: Memory) -> str:
    least, most = size(memory.parameter_bytes_low), size(memory.parameter_bytes_high)
    if not memory.parameter_bytes_high:
        return "none on the Edge TPU"
    if memory.parameter_bytes is None:
        return f"unknown: {least} to {most} ({memory.evidence})"
    whole = size(memory.parameter_bytes)
    if least != most:
        whole += f" ({least} to {most})"
    if memory.verdict is Fit.FITS:
        left = memory.remaining_bytes
        room = "" if left is None else f", with room for about {size(left)} more"
        again = memory.streamed_bytes
        sent = f", but for {size(again)} of constants sent anew for each inference" if again else ""
        return f"{whole} fit the chip's memory{sent}{room} ({memory.evidence})"
    least, most = size(memory.streamed_least_bytes), size(memory.streamed_most_bytes)
    streamed = f"{most}" if least == most else f"{least} to {most}"
    verb = "may or may not" if memory.verdict is Fit.UNDECIDED else "do not"
    return (
        f"{whole} {verb} fit the chip's memory: {streamed} sent anew for each inference "
        f"({memory.evidence})"
    )


def _latency(found: EdgeTpuReport) -> str:
    cpu = found.remainder
    rest = _cpu(cpu)
    if not found.report.mapped_operators:
        return rest
    if found.band is None:
        chip = "not known on the Edge TPU, as the file holds no estimate ('--original' gives one)"
    else:
        chip = f"{milliseconds(found.band.low, found.band.high)} on the Edge TPU (predicted)"
    if not cpu.operators:
        return f"{chip}, nothing on the CPU"
    if cpu.milliseconds is None or found.band is None:
        return f"{chip}, and {rest}"
    whole = found.latency_ms()
    total = milliseconds(whole["low"], whole["high"])
    return f"{chip}, and {rest}" if chip.startswith(total) else f"{total}: {chip}, and {rest}"


def _cpu(cpu: Remainder) -> str:
    count = f"{cpu.operators} operators" if cpu.operators > 1 else "1 operator"
    if cpu.milliseconds is None:
        return f"{count} on the CPU: {cpu.basis}"
    return f"{milliseconds(cpu.milliseconds[1])} for {count} on this CPU (measured, 1 thread)"


def _devices() -> str:
    if not can_detect():
        return "not known: this system does not list them"
    found = detect()
    if not found:
        return "none found: nothing was measured on one"
    return "; ".join(
        " ".join([f"{device.name} at {device.path}", *device.warnings]) for device in found
    )


def _alike(operators: Iterable[OperatorVerdict], target: Placement) -> list[str]:
    groups: dict[tuple[str, str], dict[str, list[int]]] = {}
    for operator in operators:
        if operator.target is target:
            reason = (str(operator.status), f"{operator.rule} ({provenance_text(operator)})")
            groups.setdefault(reason, {}).setdefault(operator.type, []).append(operator.index)
    return [
        "\n".join([first_few([_some(kind, at) for kind, at in kinds.items()], _SHOWN), *reason])
        for reason, kinds in groups.items()
    ]


def _some(kind: str, indices: Sequence[int]) -> str:
    numbers = runs(indices)
    if len(numbers) <= _LONG:
        return f"{numbers} {kind}"
    return f"{len(indices)} {kind} ({indices[0]} to {indices[-1]})"


def _advice(suggestion: Suggestion) -> str:
    count = suggestion.moved_operators
    moved = f"{count:+d} operator{'' if abs(count) == 1 else 's'}"
    what = f"{_some(suggestion.type, suggestion.operators)}: " if suggestion.operators else ""
    return (
        f"{what}{moved}, {suggestion.moved_share_macs:+.0%} of the work, then "
        f"{suggestion.mapped_share_macs:.0%} of it\n{suggestion.advice}\n{suggestion.source}"
    )
