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
# What is measured, on the run and on the logged model of every candidate.
FLOAT = {"top1": 0.75, "top1_low": 0.5, "top1_high": 0.875}
INT8 = {"top1": 0.5, "top1_low": 0.25, "top1_high": 0.75, "loss": 0.25, "labelled_examples": 8}
TIMES = {"latency_ms_p10": 1.0, "latency_ms_p50": 2.0, "latency_ms_p90": 3.0}
DROP = {"top1_drop_points": 25.0, "top1_drop_points_low": 12.5, "top1_drop_points_high": 50.0}
SUMMARY: dict[str, dict[str, Any]] = {
    "float": {**FLOAT, **TIMES, "size_bytes": 4096, "evidence": "measured"},
    "int8": {**INT8, **TIMES, "size_bytes": 2048, "evidence": "measured"},
    "comparison": {
        **DROP, "size_ratio": 2.0, "speed_ratio": 1.0, "speed_ratio_low": 0.5,
        "speed_ratio_high": 2.0,
    },
    "outputs": None,
    "integer_only": {
        "integer_only": True, "interface_operators": 0, "integer_tensors": 4, "tensors": 4,
        "float_operators": 0, "evidence": "parsed", "target": {"name": "cpu", "holds": True},
    },
    "edgetpu": {
        "evidence": "predicted", "unknown_operators": 0, "mapped_operators": 1, "operators": 1,
        "parameter_bytes": 8, "cached_bytes": 8, "streamed_bytes": 0, "runtime_version": 14,
        "memory": "fits", "memory_evidence": "predicted", "ran": False, "latency_ms_low": None,
    },
    "gate": {"rules": 2, "failed": 0, "undecided": 0, "skipped": 1, "passed": True},
}  # fmt: skip
SPLITS = {"calibration": ("train", 4), "evaluation": ("test", 8)}


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
    sets = json.loads(model.manifest.read_bytes())
    for part, (split, count) in SPLITS.items():
        sets[part] |= {"split": split, "examples": [{"id": str(at)} for at in range(count)]}
    reasons = [] if verdict == "passed" else [f"absolute.top1: candidate {number} has 0.5."]
    texts = {
        "summary": SUMMARY,
        "float_import": {"source": {"path": "trained.keras", "sha256": sha256(TRAINED)}},
        "gate": {"verdict": verdict, "reasons": reasons, "champion_version": compared_with},
        "manifest": {
            "dataset": {"source": "tfds", "name": "fashion_mnist", "version": "3.0.1"},
            **sets,
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
