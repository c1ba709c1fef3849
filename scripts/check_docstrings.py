"""Check what ruff does not: how docstrings begin, and names of loop variables.

``python scripts/check_docstrings.py`` prints each place and ends with 1 if there is any.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[1]
QUESTION = re.compile(r"(What|How|Which|Whether|Where|Why|When|Who)\b")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def check(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and a message for each place that breaks the style."""
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED):
            first = (ast.get_docstring(node) or "").partition("\n")[0]
            if QUESTION.match(first):
                line = 1 if isinstance(node, ast.Module) else node.lineno
                yield line, f"a docstring begins with a question word: {first}"
        elif isinstance(node, ast.For | ast.comprehension):
            names = [name.id for name in ast.walk(node.target) if isinstance(name, ast.Name)]
            if "each" in names:
                yield node.target.lineno, "a loop variable is called 'each'; name the thing"


def main() -> int:
    """Print what is found in the source, the scripts and the benchmarks."""
    found = [
        f"{path.relative_to(PROJECT)}:{line}: {message}"
        for folder in ("src", "scripts", "benchmarks")
        for path in sorted((PROJECT / folder).rglob("*.py"))
        for line, message in check(ast.parse(path.read_text()))
    ]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
