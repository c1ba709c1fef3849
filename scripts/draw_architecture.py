"""Draw the packages, layer by layer, as import-linter enforces them in pyproject.toml.

python scripts/draw_architecture.py        # writes docs/images/architecture.svg
"""

from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PICTURE = PROJECT / "docs" / "images" / "architecture.svg"

WIDTH, LEFT, ROW, BOX_HEIGHT, GAP = 960, 190, 46, 30, 8
COLOURS = {
    "Front ends": "#c5cae9", "Release": "#ffe0b2", "Library": "#c8e6c9", "Foundations": "#eceff1",
}  # fmt: skip


def layers() -> list[list[str]]:
    """Return the packages of each layer, from the top; each may import the layers below it."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]
    contract = next(item for item in settings["contracts"] if item["type"] == "layers")
    return [
        [name.strip().removeprefix("quantline.") for name in layer.split("|")]
        for layer in contract["layers"]
    ]


def groups(rows: list[list[str]]) -> list[str]:
    """Return each layer's group: above, at and below ``release``, and what holds up all of it."""
    release = next(index for index, row in enumerate(rows) if "release" in row)
    files = next(index for index, row in enumerate(rows) if "tflite" in row)
    return [
        "Front ends" if index < release
        else "Release" if index == release
        else "Library" if index <= files
        else "Foundations"
        for index in range(len(rows))
    ]  # fmt: skip


def draw(rows: list[list[str]]) -> str:
    """Return the drawing as SVG: a row a layer, a box a package."""
    height = ROW * len(rows) + 2 * GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif" font-size="13">',
        "<title>The packages of Quantline: each layer imports only those below it</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    names = groups(rows)
    for index, (row, group) in enumerate(zip(rows, names, strict=True)):
        top = GAP + ROW * index
        if index == 0 or names[index - 1] != group:
            span = ROW * names.count(group)
            parts.append(
                f'<rect x="{GAP}" y="{top}" width="{WIDTH - 2 * GAP}" height="{span - 4}" rx="6" '
                f'fill="{COLOURS[group]}" fill-opacity="0.45"/>'
                f'<text x="{2 * GAP}" y="{top + 26}" font-weight="600">{group}</text>'
            )
        parts += _boxes(row, top + 6, COLOURS[group])
    return "\n".join([*parts, "</svg>", ""])


def _boxes(row: list[str], top: int, colour: str) -> list[str]:
    space = WIDTH - LEFT - 2 * GAP
    width = min(150, (space - GAP * (len(row) - 1)) // len(row))
    return [
        f'<rect x="{LEFT + index * (width + GAP)}" y="{top}" width="{width}" '
        f'height="{BOX_HEIGHT}" rx="4" fill="{colour}" stroke="#607d8b"/>'
        f'<text x="{LEFT + index * (width + GAP) + width // 2}" y="{top + 20}" '
        f'text-anchor="middle">{escape(name)}</text>'
        for index, name in enumerate(row)
    ]


if __name__ == "__main__":
    PICTURE.write_text(draw(layers()))
