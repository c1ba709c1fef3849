"""Builds ``stand_in.c``, which takes the place of libedgetpu."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def build(folder: Path) -> str:
    """Compile the stand-in into a folder and return its path; skip where nothing compiles C."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build the stand-in with")
    path = folder / "libstandin.so"
    source = Path(__file__).with_name("stand_in.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", path, source], check=True)
    return str(path)
