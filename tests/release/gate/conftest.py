from __future__ import annotations

import pytest
from tests.release.gate.cases import Case


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    """A sound candidate whose file is not run: only one test is about that."""
    monkeypatch.setattr("quantline.release.gate.structural.try_to_run", lambda *_, **__: None)
    return Case(b"a model" * 100)
