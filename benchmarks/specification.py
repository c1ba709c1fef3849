"""Every specification finding on the quantized models of a folder, and what it does to an output.

    python benchmarks/specification.py FOLDER ... [--specification int8]

The steps are computed from the stored integers, scales and zero points. The last column is
measured: whether LiteRT loads the file, on XNNPACK and on the built-in kernels. Files without
quantized operators are counted and left out.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from quantline.contract import check_model
from quantline.contract.conformance import operators_of_family
from quantline.contract.finding import Specification
from quantline.contract.specification import Family
from quantline.errors import QuantlineError
from quantline.tflite import Runtime, read

if TYPE_CHECKING:
    from quantline.tflite import Graph
    from quantline.tflite.runtime import Kernels

_SETS: tuple[Kernels, ...] = ("xnnpack", "builtin")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--specification", choices=get_args(Specification), default="int8")
    given = parser.parse_args()
    counts: Counter[str] = Counter()
    print("| file | finding | effect | LiteRT |\n| --- | --- | --- | --- |")
    for path in sorted(file for folder in given.folders for file in folder.rglob("*.tflite")):
        counts[_table(path, given.specification)] += 1
    print("\n" + ", ".join(f"{name}: {count}" for name, count in sorted(counts.items())))


def _table(path: Path, specification: Specification) -> str:
    """Print a file's findings; return what it is."""
    content = path.read_bytes()
    try:
        graph = read(content)
    except QuantlineError as error:
        print(f"| {path.name} | {error.found} | not read | |")
        return "not read"
    if not _is_quantized(graph):
        return "not quantized"
    found = [
        finding
        for finding in check_model(graph, specification=specification).findings
        if finding.severity == "specification"
    ]
    loads = _loads(content) if found else ""
    for finding in found:
        steps = (
            "not computed" if finding.effect_steps is None else f"{finding.effect_steps:.3g} steps"
        )
        place = f"{finding.type}, tensor {finding.tensor}"
        print(f"| {path.name} | {finding.rule}: {place}: {finding.found} | {steps} | {loads} |")
    return "with findings" if found else "without findings"


def _is_quantized(graph: Graph) -> bool:
    return any(operators_of_family(subgraph, get_args(Family)) for subgraph in graph.subgraphs)


def _loads(content: bytes) -> str:
    said = []
    for kernels in _SETS:
        try:
            Runtime(content, 1, kernels)
        except QuantlineError:
            said.append(f"{kernels} refuses it")
        else:
            said.append(f"{kernels} takes it")
    return ", ".join(said)


if __name__ == "__main__":
    main()
