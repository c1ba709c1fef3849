"""The architecture page and its drawing match the code and the enforced order of the packages."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

from scripts.draw_architecture import PICTURE, draw, layers

import quantline
from quantline import edgetpu, pipeline_registry

PAGE = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"


def rows(heading: str) -> list[str]:
    """Return the first column of the table below a heading of the page."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_the_drawing_is_that_of_the_enforced_layers() -> None:
    assert PICTURE.read_text() == draw(layers()), "run python scripts/draw_architecture.py"


def test_drawing_table_and_code_have_the_same_packages() -> None:
    code = {module.name for module in pkgutil.iter_modules(quantline.__path__)}
    drawn = re.findall(r'text-anchor="middle">(\w+)<', PICTURE.read_text())
    assert sorted(drawn) == sorted(code)
    assert set(rows("Packages")) == code


def test_the_table_lists_the_packages_from_the_top_layer_down() -> None:
    position = {name: index for index, layer in enumerate(layers()) for name in layer}
    positions = [position[name] for name in rows("Packages")]
    assert positions == sorted(positions)


def test_the_page_has_every_stage_and_every_package_of_edgetpu() -> None:
    assert set(rows("From one stage to the next")) == set(pipeline_registry.STAGES) - {"training"}
    packages = {module.name for module in pkgutil.iter_modules(edgetpu.__path__) if module.ispkg}
    assert set(rows("Inside `edgetpu`")) == packages
