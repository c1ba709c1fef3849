"""The files of a package that a module's functions are computed by, found by its imports.

A name is followed to the module that defines it: ``from quantline.recipe import Model`` depends on
``recipe/data.py``, and not on all that ``recipe/__init__.py`` gathers.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from fnmatch import fnmatch
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Uses = tuple[Counter[str], dict[str, list[str]]]


class Package:
    """The modules of a package, and what they import of each other."""

    def __init__(self, folder: Path) -> None:
        """Find the modules.

        Args:
            folder: The package's folder, such as ``src/quantline``.
        """
        self.name = folder.name
        self._folder = folder
        self._modules: dict[str, Path] = {}
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            self._modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        self._imported = cache(self._find_imported)
        self._uses = cache(self._find_uses)
        self._tree = cache(lambda module: ast.parse(self._modules[module].read_text()))

    def files_of(self, modules: Iterable[str]) -> set[Path]:
        """Return the files that these modules need, their own among them.

        Imports for type checking alone count for nothing. A module that is named by a string, as
        for ``import_module`` or ``python -m``, counts as imported. So do files of data, such as
        YAML, that lie next to a module.

        Args:
            modules: Dotted names, such as ``quantline.pipelines.sampling``.

        Returns:
            Paths from the package's folder.
        """
        reached: set[str] = set()
        waiting = set(modules)
        while waiting:
            name = waiting.pop()
            reached.add(name)
            waiting |= self._imported(name) - reached
        files = {self._modules[name] for name in reached}
        neighbours = {path for file in files for path in file.parent.iterdir() if _is_data(path)}
        return {path.relative_to(self._folder) for path in files | neighbours}

    def _find_imported(self, module: str) -> frozenset[str]:
        """Return the modules of the package that a module takes something from."""
        found: set[str] = set()
        uses, attributes = self._uses(module)
        for item in _walk(self._tree(module)):
            if isinstance(item, ast.Import):
                found.update(alias.name for alias in item.names if alias.name in self._modules)
            elif isinstance(item, ast.ImportFrom) and self._is_ours(item.module):
                for alias in item.names:
                    name = alias.asname or alias.name
                    taken = attributes[name] if uses[name] == len(attributes[name]) else None
                    found |= self._definers(str(item.module), alias.name, taken)
            elif isinstance(item, ast.Constant | ast.JoinedStr):
                found |= self._named(item)
        return frozenset(found - {module, self.name})

    def _definers(self, module: str, name: str, attributes: list[str] | None) -> set[str]:
        """Return the modules that define what ``from module import name`` gives.

        Args:
            module: The module or package that is imported from.
            name: The name that is imported.
            attributes: The name's attributes that are used; None where it is used as it is, too.
        """
        whole = f"{module}.{name}"
        if whole in self._modules:
            if not self._is_package(whole) or attributes is None:
                return {whole}
            return set().union(*(self._definers(whole, item, None) for item in attributes))
        if self._is_package(module):
            for item in _walk(self._tree(module)):
                if isinstance(item, ast.ImportFrom) and self._is_ours(item.module):
                    for alias in item.names:
                        if (alias.asname or alias.name) == name:
                            return self._definers(str(item.module), alias.name, attributes)
        return {module}

    def _find_uses(self, module: str) -> Uses:
        """Return how often a module uses each name, and the attributes that it takes of it."""
        uses: Counter[str] = Counter()
        attributes: dict[str, list[str]] = defaultdict(list)
        for item in ast.walk(self._tree(module)):
            if isinstance(item, ast.Name):
                uses[item.id] += 1
            elif isinstance(item, ast.Attribute) and isinstance(item.value, ast.Name):
                attributes[item.value.id].append(item.attr)
        return uses, attributes

    def _named(self, item: ast.Constant | ast.JoinedStr) -> set[str]:
        """Return the modules that a string names; a formatted one stands for all that fit it."""
        parts = item.values if isinstance(item, ast.JoinedStr) else [item]
        pattern = "".join(
            part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "*"
            for part in parts
        )
        if not pattern.startswith(f"{self.name}."):
            return set()
        return {name for name in self._modules if fnmatch(name, pattern)}

    def _is_ours(self, module: str | None) -> bool:
        return module is not None and module.split(".")[0] == self.name

    def _is_package(self, module: str) -> bool:
        return self._modules[module].name == "__init__.py"


def _walk(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield all nodes of a syntax tree but those for type checking alone."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, ast.If) and _is_type_checking(item.test):
            continue
        yield item
        if not isinstance(item, ast.JoinedStr):
            waiting.extend(ast.iter_child_nodes(item))


def _is_type_checking(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _is_data(path: Path) -> bool:
    return path.is_file() and path.suffix not in {".py", ".pyc"} and path.name != "py.typed"
