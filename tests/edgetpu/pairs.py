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
MORE = PAIRS.with_name("edgetpu_pairs_more")
FOLDERS = (PAIRS, MORE)

needed = pytest.mark.skipif(
    not (PAIRS / "truth.json").exists(), reason=f"no compiled models in {PAIRS}"
)
all_needed = pytest.mark.skipif(
    not all((folder / "truth.json").exists() for folder in FOLDERS),
    reason=f"no compiled models in {PAIRS} and {MORE}",
)


@cache
def truth(folder: Path = PAIRS) -> list[dict[str, Any]]:
    """A record a model."""
    return json.loads((folder / "truth.json").read_text())


def compiled() -> list[dict[str, Any]]:
    """The records of the models whose compiled file is there too."""
    return [record for record in truth() if "compiled" in record]


@cache
def graph(name: str, folder: Path = PAIRS) -> Graph:
    """A file of the folder, as a graph."""
    return read((folder / name).read_bytes())
