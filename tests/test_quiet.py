"""TensorFlow's import: what it may cost, and what it may not leave behind."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from quantline.child import run_in_child
from quantline.quiet import tensorflow

pytestmark = pytest.mark.fresh_children

EXTRAS = ("matplotlib", "pandas", "scipy", "sklearn")


def load() -> dict[str, Any]:
    """Load TensorFlow, and tell what came with it and what can still be had."""
    version = tensorflow().__version__
    loaded = [name for name in EXTRAS if name in sys.modules]
    frozen = gc.get_freeze_count()
    tensorflow()
    return {
        "version": version,
        "extras": loaded,
        "importable": [importlib.import_module(name).__name__ for name in EXTRAS],
        "collects": gc.isenabled(),
        "frozen": frozen,
        "frozen by the second call": gc.get_freeze_count() - frozen,
    }


def test_a_child_loads_it_alone_and_may_import_anything_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A child process imports nothing from the working folder, where the tests are.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)
    found = run_in_child(load, what="the import", timeout_s=120)
    assert found["version"].startswith("2.")
    assert found["extras"] == []
    assert tuple(found["importable"]) == EXTRAS
    assert found["collects"]
    assert found["frozen"] > 100_000
    assert found["frozen by the second call"] <= 0
