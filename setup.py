"""Put the repository's configuration, stages and example into the wheel, for ``quantline new``.

Everything else about the package is in pyproject.toml.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

STARTER = Path("quantline", "starter")


def shared_files() -> list[Path]:
    """Return the files that a new project shares with the repository, relative to its folder."""
    patterns = (Path("src") / STARTER / "shared.txt").read_text().split()
    return sorted({path for item in patterns for path in Path().glob(item) if path.is_file()})


class BuildPy(build_py):
    """Builds the package, and copies the shared files beside it."""

    def run(self) -> None:
        """Copy the modules, then the shared files; an editable installation finds them itself."""
        super().run()
        if self.editable_mode:
            return
        shared = Path(self.build_lib) / STARTER / "shared"
        shutil.rmtree(shared, ignore_errors=True)
        for path in shared_files():
            (shared / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, shared / path)

    def get_source_files(self) -> list[str]:
        """Return what the source distribution holds."""
        return [*super().get_source_files(), *map(str, shared_files())]


setup(cmdclass={"build_py": BuildPy})
