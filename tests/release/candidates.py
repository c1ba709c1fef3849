"""A candidate as the stages leave it, in the folder of a project, made without TensorFlow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.release.models import write_files

from quantline.files import canonical_json, sha256
from quantline.release.promotion import Candidate
from quantline.release.registry import INT8_MODEL
from quantline.release.tracking import Project

if TYPE_CHECKING:
    from pathlib import Path

TRAINED = b"trained" * 100_000  # large enough to be sent in parts
PARAMETERS = {"model": {"path": "trained.keras"}, "sampling": {"seed": 1}}
METRICS: dict[str, dict[str, Any]] = {
    "float": {"top1": 0.75, "evidence": "measured"},
    "int8": {"top1": 0.5},
}


def candidate(
    folder: Path,
    number: int,
    mlflow: dict[str, Any],
    *,
    verdict: str = "passed",
    compared_with: int | None = None,
) -> Project:
    """Write all that a release reads; the number makes the model one of its own."""

    def numbered(model: Any) -> None:
        model.description = f"candidate {number}"

    model = write_files(folder, numbered)
    assert model.manifest is not None
    assert model.ranges is not None
    reasons = [] if verdict == "passed" else [f"absolute.top1: candidate {number} has 0.5."]
    texts = {
        "summary": METRICS,
        "float_import": {"source": {"path": "trained.keras", "sha256": sha256(TRAINED)}},
        "gate": {"verdict": verdict, "reasons": reasons, "champion_version": compared_with},
        "manifest": {
            "dataset": {"source": "tfds", "name": "fashion_mnist", "version": "3.0.1"},
            **json.loads(model.manifest.read_bytes()),
        },
    }
    for name, value in texts.items():
        (folder / f"{name}.json").write_bytes(canonical_json(value))
    (folder / "trained.keras").write_bytes(TRAINED)
    files = {name: folder / f"{name}.json" for name in texts}
    files |= {
        "int8_model": model.model,
        "recipe": model.recipe,
        "golden_vectors": model.golden,
        "ranges": model.ranges,
    }
    return Project(folder, mlflow, files)


def passed(number: int, run_id: str, compared_with: int | None) -> Candidate:
    """Return a candidate to be published whose files do not matter, and are nowhere."""
    return Candidate(
        release_id=f"release-{number}",
        source=f"file:///nowhere/{number}",
        run_id=run_id,
        model_id=None,
        compared_with=compared_with,
        tags={"model": str(number), INT8_MODEL: str(number)},
    )
