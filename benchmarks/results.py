"""Damaged results of stages: is each read or refused with a clear error, and do nodes bear it?

    python -m benchmarks.results PROJECT [--mutants 20000] [--pipelines compare]

PROJECT is a folder in which 'kedro run' has finished. Of every kind of result that a stage reads,
the file is changed many times; what the dataset reads is given to the nodes that take it, to quick
ones each time, to slow ones now and then. What is neither a result nor an error of Quantline's is
counted as failed.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.chain import Chain
from benchmarks.result_mutants import mutants

from quantline.pipelines import report
from quantline.report import draw_summary

SLOW_EVERY = 100  # mutants
PICTURE_EVERY = 20  # it takes longer than all else of the report


def line(name: str, counts: Counter[str]) -> str:
    """Return one row of the table."""
    columns = (counts.total(), *(counts[index] for index in ("refused", "read", "by a node",
                                                           "failed")))  # fmt: skip
    return f"{name:30} {' '.join(f'{column:>9,}' for column in columns)}"


def _undrawn(_: dict[str, Any]) -> bytes:
    return b""


def main() -> None:
    """Damage, count and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--mutants", type=int, default=20_000, help="in all")
    parser.add_argument("--pipelines", nargs="*", default=[], help="that ran besides the chain")
    parser.add_argument("--only", nargs="*", help="names of results")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    chain = Chain(arguments.project.resolve(), arguments.pipelines)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("error")  # a warning of numpy's is the trace of a number that is none
    # Of the schemes that are compared one stands for all.
    names = arguments.only or [
        name for name in chain.checked()
        if not name.startswith("compared_") or name.endswith(("_int8", "_latency"))
    ]  # fmt: skip
    each_result = max(1, arguments.mutants // len(names))
    failures: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    print(
        f"{'result':30} {'mutants':>8} {'refused':>8} {'read':>8} {'by a node':>10} {'failed':>7}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = Path(chain.catalog[name].filepath)
            scratch = Path(folder) / path.name
            counts: Counter[str] = Counter()
            for at, content in enumerate(
                mutants(path.read_bytes(), path.suffix[1:], each_result, arguments.seed)
            ):
                report.draw_summary = _undrawn if at % PICTURE_EVERY else draw_summary
                nodes = chain.readers(name, slow=at % SLOW_EVERY == 0)
                try:
                    found = chain.attempt(name, content, scratch, nodes)
                except Exception as error:
                    found = "failed"
                    last = traceback.extract_tb(error.__traceback__)[-1]
                    place = f"{Path(last.filename).name}:{last.lineno}"
                    what = f"{name}: {type(error).__name__}: {str(error)[:200]} ({place})"
                    if what not in failures:
                        print(f"mutant {at}: {what}", file=sys.stderr, flush=True)
                    failures[what] += 1
                counts["by a node" if found.startswith("read, ") else found] += 1
            totals += counts
            print(line(name, counts), flush=True)
    print(line("all", totals))
    for what, count in failures.most_common():
        print(f"{count:>8,}  {what}")


if __name__ == "__main__":
    main()
