#!/usr/bin/env python
"""Writes the tables of the documentation, and some lines of conf/base, from the registries.

A table lies between two comments, ``table: NAME`` and ``end of table``, in a page of docs/ or in a
file of parameters. A test compares.

    python scripts/make_tables.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from quantline.contract.specification import TensorSpecification
    from quantline.registry import Parameter

PROJECT = Path(__file__).resolve().parents[1]
_COLUMN = 29  # at which conf/base has its comments
_PART = re.compile(
    r"(?P<start>^ *(?:<!--|#) table: (?P<name>[\w ]+?)(?: -->)?\n)(?P<body>.*?)"
    r"(?P<end>^ *(?:<!--|#) end of table(?: -->)?\n)",
    re.MULTILINE | re.DOTALL,
)


def range_methods() -> list[str]:
    """Return the methods of choosing ranges, for docs/ranges-and-schemes.md."""
    from quantline.range_methods import DEFAULT, METHODS

    rows = []
    for method in METHODS.values():
        default = " (default)" if method is DEFAULT else ""
        names = ", ".join(f"`{parameter.name}`" for parameter in method.parameters)
        rows.append([f"`{method.name}`{default}", method.summary, names, method.source])
    rows.append(
        ["`auto`", f"tries all of these, each with and without bias correction; `{DEFAULT.name}` "
         "stays unless another is better by more than the noise; no labels", "", ""]
    )  # fmt: skip
    return _table(["method", "the range", "parameter", "source"], rows)


def range_method_parameters() -> list[str]:
    """Return the keys of ``conversion.ranges`` that say how ranges are chosen."""
    from quantline.range_methods import DEFAULT, METHODS

    names = " | ".join([*METHODS, "auto"])
    lines = [_line("method", DEFAULT.name, names)]
    return lines + [
        _parameter(parameter, f"{method.name}: ")
        for method in METHODS.values()
        for parameter in method.parameters
    ]


def metrics() -> list[str]:
    """Return the metrics, and the gate's rules about their change, for docs/verdict.md."""
    from quantline.metrics import METRICS

    rows = []
    for metric in METRICS.values():
        reported = f"`{metric.name}`" if metric.score is not None else ""
        rule, default, meaning = "", "", ""
        if metric.rule is not None:
            parameter = metric.rule.parameter
            rule, meaning = f"`{parameter.name}`", parameter.meaning
            default = "off" if parameter.default is None else f"{parameter.default:g}"
        rows.append([metric.label, metric.summary, reported, rule, default, meaning])
    headings = ["metric", "meaning", "in the reports", "rule", "default", "the rule says"]
    return _table(headings, rows)


def metric_rules() -> list[str]:
    """Return the keys of ``gate.against_float`` and of ``gate.against_champion``."""
    from quantline.metrics import RULES

    return [_parameter(rule.parameter) for rule in RULES.values()]


def tasks() -> list[str]:
    """Return the tasks with their metrics, for docs/tasks.md."""
    from quantline.tasks import TASKS

    rows = []
    for task in TASKS.values():
        values = {parameter.name: parameter.default for parameter in task.parameters}
        metrics = ", ".join(f"`{metric.name}`" for metric in task.metrics(values, []))
        name = "`module:function`" if task.name == "function" else f"`{task.name}`"
        rows.append([name, task.summary, task.outputs, task.labels, metrics or "yours"])
    return _table(["`kind`", "meaning", "outputs", "labels", "metrics, the shown one first"], rows)


def task_metrics() -> list[str]:
    """Return the metrics of the tasks whose changes have margins, for docs/tasks.md."""
    from quantline.tasks import TASKS

    rows = []
    for task in TASKS.values():
        values = {parameter.name: parameter.default for parameter in task.parameters}
        for metric in task.metrics(values, []):
            if metric.statistic is not None:
                margin = "" if metric.margin is None else f"{metric.margin:g}"
                better = "lower" if metric.lower_is_better else "higher"
                rows.append([task.name, f"`{metric.name}`", metric.summary, better, margin])
    return _table(["task", "metric", "meaning", "better", "margin by default"], rows)


def task_parameters() -> list[str]:
    """Return the keys of ``task`` besides ``kind``; null takes the default of the task."""
    from quantline.tasks import PARAMETERS

    return [
        f"{parameter.name}: null".ljust(31) + f" # {parameter.meaning}"
        for parameter in PARAMETERS.values()
    ]


def targets() -> list[str]:
    """Return the built-in targets, for docs/targets.md."""
    from quantline.contract.targets import BUILT_IN, load

    return _table(
        ["target", "stands for", "source"],
        [[f"`{name}`", load(name).description, load(name).source] for name in BUILT_IN],
    )


def lint_checks() -> list[str]:
    """Return the findings of the calibration set's lint, for docs/your-own-model.md."""
    from quantline.sampling.lint import CHECKS

    rows = [[f"`{name}`", check.severity, check.meaning] for name, check in CHECKS.items()]
    return _table(["finding", "severity", "found when"], rows)


def schemes() -> list[str]:
    """Return the schemes, for docs/ranges-and-schemes.md."""
    from quantline.quantization.schemes import SCHEMES

    rows = [
        [f"`{name}`", scheme.weights, scheme.activations, ", ".join(scheme.io_types),
         "may stay" if scheme.allows_float else "stop the run"]
        for name, scheme in SCHEMES.items()
    ]  # fmt: skip
    headings = ["scheme", "weights", "activations", "inputs and outputs", "float operators"]
    return _table(headings, rows)


def scheme_names() -> list[str]:
    """Return the key ``conversion.scheme``."""
    from quantline.quantization.schemes import SCHEMES

    return [_line("scheme", "int8", " | ".join(SCHEMES), _COLUMN - 2)]


def contract_rules() -> list[str]:
    """Return the rules of the specification, for docs/specification.md."""
    from quantline.contract.rules import RULES

    rows = [[f"`{name}`", rule.severity, rule.meaning, rule.source] for name, rule in RULES.items()]
    return _table(["rule", "severity", "what it demands", "source"], rows)


def specification() -> list[str]:
    """Return what the specification says of each operator, for docs/specification.md."""
    from quantline.contract.specification import SPECIFICATION

    rows = []
    for name, said in sorted(SPECIFICATION.items()):
        fixed = said.outputs[0].fixed if said.outputs[0] else None
        rows.append(
            [
                name,
                " ".join(map(_short, said.inputs)),
                " ".join(map(_short, said.outputs)),
                "yes" if said.same_scale else f"input {said.state}" if said.state else "",
                f"{fixed[0]:g}, {fixed[1]}" if fixed else "",
                "yes" if said.has_int16 else "no",
                said.source,
            ]
        )
    headings = ["operator", "inputs", "outputs", "one scale", "fixed", "int16", "source"]
    return _table(headings, rows)


def parameter_rules() -> list[str]:
    """Return the rules by which parameter bytes are predicted, for docs/edgetpu.md."""
    from quantline.edgetpu.cost.rules import RULES

    rows = [[name, rule.mechanism, f"{rule.seen_in_models}"] for name, rule in RULES.items()]
    return [*_table(["rule", "what the compiler does", "models"], rows)]


def edgetpu_operators() -> list[str]:
    """Return the operators that the Edge TPU compiler maps, for docs/edgetpu.md."""
    from quantline.edgetpu.mapping.operators import TABLE, limitation_of

    rows = [
        [f"`{kind}`", limitation_of(kind), f"{row.runtime}", f"{row.version}", str(row.provenance)]
        for kind, row in TABLE.items()
    ]
    headings = ["operator", "limitation", "from runtime", "up to version", "how it is known"]
    return _table(headings, rows)


TABLES: dict[str, Callable[[], list[str]]] = {
    "range methods": range_methods,
    "schemes": schemes,
    "scheme names": scheme_names,
    "specification": specification,
    "targets": targets,
    "contract rules": contract_rules,
    "lint checks": lint_checks,
    "metrics": metrics,
    "metric rules": metric_rules,
    "tasks": tasks,
    "task metrics": task_metrics,
    "task parameters": task_parameters,
    "parameter rules": parameter_rules,
    "edge tpu operators": edgetpu_operators,
    "range method parameters": range_method_parameters,
}


def filled(text: str) -> str:
    """Return a file's text with each of its tables as the registries have it now.

    Raises:
        KeyError: It has a table that ``TABLES`` does not know.
    """

    def fill(match: re.Match[str]) -> str:
        indent = " " * (len(match["start"]) - len(match["start"].lstrip()))
        body = "".join(f"{indent}{line}\n" for line in TABLES[match["name"]]())
        gap = "\n" if "<!--" in match["start"] else ""
        return f"{match['start']}{gap}{body}{gap}{match['end']}"

    return _PART.sub(fill, text)


def files() -> list[Path]:
    """Return the files that may have tables."""
    return [*sorted(PROJECT.glob("docs/*.md")), *sorted(PROJECT.glob("conf/base/*.yml"))]


def tables_of(text: str) -> list[str]:
    """Return the names of a file's tables."""
    return [match["name"] for match in _PART.finditer(text)]


def _table(headings: list[str], rows: Iterable[list[str]]) -> list[str]:
    return [_row(headings), _row(["---"] * len(headings)), *map(_row, rows)]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("  ", " ")


def _short(said: TensorSpecification | None) -> str:
    if said is None:
        return "-"
    if said.role == "weights":
        return "w" if said.axis is None else f"w[{said.axis}]"
    if said.role == "bias":
        return "b"
    if len(said.int8) > 1:
        return "any"
    return "a" if "int8" in said.int8 else "2^n" if said.power_of_two else "a16"


def _line(key: str, value: object, comment: str, column: int = _COLUMN - 4) -> str:
    return f"{f'{key}: {value}'.ljust(column)} # {comment}"


def _parameter(parameter: Parameter, before: str = "") -> str:
    value = "null" if parameter.default is None else parameter.default  # as YAML has it
    return _line(parameter.name, value, f"{before}{parameter.meaning}")


if __name__ == "__main__":
    sys.path.insert(0, str(PROJECT / "src"))
    for file in files():
        before = file.read_text()
        after = filled(before)
        if after != before:
            file.write_text(after)
            print(file.relative_to(PROJECT))
