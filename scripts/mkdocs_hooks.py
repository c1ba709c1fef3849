"""MkDocs hooks: a reference page for each package and module, generated from its docstrings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

SOURCE = Path(__file__).resolve().parents[1] / "src" / "quantline"

# Entry points of Kedro and of the shell: the command line's page describes what they do.
LEFT_OUT = {"__init__", "__main__", "cli", "settings", "pipeline_registry"}


def documented() -> list[str]:
    """Return the name of each top-level package and module that has a reference page."""
    modules = {path.stem for path in SOURCE.glob("*.py")}
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    return sorted((modules | packages) - LEFT_OUT)


def on_config(config: MkDocsConfig) -> None:
    """Add the reference to the navigation."""
    pages = [{name: f"reference/{name}.md"} for name in documented()]
    config.nav.append({"Reference": [{"quantline": "reference/index.md"}, *pages]})


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add a page for each package and module; a directive in it takes the docstrings."""
    files.append(_page(config, "index", "quantline", submodules=False))
    for name in documented():
        files.append(_page(config, name, f"quantline.{name}", submodules=True))


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace links to files outside of the documentation by the files' paths in the repository."""
    return re.sub(r"\[([^\]]+)\]\(\.\./([^)]+)\)", r"\1 (`\2`)", markdown)


def _page(config: MkDocsConfig, name: str, module: str, *, submodules: bool) -> File:
    options = f"    options:\n      show_submodules: {str(submodules).lower()}\n"
    content = f"# {module}\n\n::: {module}\n{options}"
    return File.generated(config, f"reference/{name}.md", content=content)
