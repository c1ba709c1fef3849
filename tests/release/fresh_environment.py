"""A virtual environment of a few of the packages that are installed here, and nothing else."""

from __future__ import annotations

import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def make(folder: Path, *packages: str) -> Path:
    """Make it of these packages and what they need, by links: nothing is installed or downloaded.

    Returns:
        Its folder of commands: ``python``, and those of the packages.
    """
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    commands = folder / "bin"
    for item in _closure(packages).values():
        _link(item, site)
        for entry in item.entry_points.select(group="console_scripts"):
            command = commands / entry.name
            call = f"import sys; from {entry.module} import {entry.attr}; sys.exit({entry.attr}())"
            command.write_text(f"#!{commands / 'python'}\n{call}\n")
            command.chmod(0o755)
    return commands


def needed_by(package: str) -> list[str]:
    """Return the packages that a package needs, without its extras and what those need."""
    needed = [Requirement(require) for require in distribution(package).requires or ()]
    return [
        item.name for item in needed if item.marker is None or item.marker.evaluate({"extra": ""})
    ]


def _closure(packages: tuple[str, ...]) -> dict[str, Distribution]:
    found: dict[str, Distribution] = {}
    waiting = list(packages)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = distribution(name)
        waiting += needed_by(name)
    return found


def _link(distribution: Distribution, site: Path) -> None:
    """Link its folders; of one that several packages share, such as ``google``, what is in it."""
    files = [file.parts for file in distribution.files or () if file.parts[0] != ".."]
    places = {parts[:1] for parts in files}
    while places:
        place = places.pop()
        source, target = Path(str(distribution.locate_file(Path(*place)))), site.joinpath(*place)
        if _is_shared(source):
            depth = len(place) + 1
            places |= {parts[:depth] for parts in files if parts[: depth - 1] == place}
        elif source.exists() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)


def _is_shared(path: Path) -> bool:
    """Whether it is a namespace package: a folder of others' packages, without code of its own."""
    holds_no_packages = path.suffix in (".dist-info", ".libs") or path.name == "__pycache__"
    return path.is_dir() and not holds_no_packages and not (path / "__init__.py").exists()
