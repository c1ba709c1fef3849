"""Other people's models, and what the real compiler did with them.

They lie beside the repository and are not part of it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from quantline.tflite.graph import Graph, read

PAIRS = Path(__file__).resolve().parents[2].parent / "shared" / "edgetpu_pairs"

needed = pytest.mark.skipif(
    not (PAIRS / "truth.json").exists(), reason=f"no compiled models in {PAIRS}"
)


@cache
def truth() -> list[dict[str, Any]]:
    """A record a model."""
    return json.loads((PAIRS / "truth.json").read_text())


def compiled() -> list[dict[str, Any]]:
    """The records of the models whose compiled file is there too."""
    return [record for record in truth() if "compiled" in record]


@cache
def graph(name: str) -> Graph:
    """A file of the folder, as a graph."""
    return read((PAIRS / name).read_bytes())
