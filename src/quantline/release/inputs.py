"""The calibration and evaluation sets as MLflow datasets, the inputs of a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

EVALUATION, CALIBRATION = "evaluation", "calibration"
_NAME, _VALUE = 500, 500  # the characters that MLflow takes
_DIGEST = 12  # of 36 that it takes: pages show it next to the name, and messages here as many
_ORIGIN = ("source", "name", "version")


@dataclass(frozen=True)
class Set:
    """One set of examples, as MLflow knows it.

    Attributes:
        part: ``calibration`` or ``evaluation``.
        name: The dataset's name and the split.
        digest: The beginning of the SHA-256 of the set in the manifest.
    """

    part: str
    name: str
    digest: str


def set_of(manifest: Mapping[str, Any], part: str) -> Set:
    """Return the name and the digest of a part of the manifest."""
    name = redacted(f"{manifest['dataset']['name']}/{manifest[part]['split']}")
    return Set(part, name[:_NAME], manifest[part]["sha256"][:_DIGEST])


def log_inputs(client: Any, run_id: str, manifest: Mapping[str, Any]) -> None:
    """Log both sets as inputs of a run; one that the run has already is not logged again."""
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

    inputs = []
    for part in (EVALUATION, CALIBRATION):
        known, found = set_of(manifest, part), manifest[part]
        origin = {key: manifest["dataset"].get(key) for key in _ORIGIN}
        # A source of code: MLflow can parse it, and none of its others is what a manifest names.
        source = {"tags": {**origin, "split": found["split"]}}
        dataset = Dataset(
            known.name, known.digest, "code", redacted(json.dumps(source, sort_keys=True)),
            profile=json.dumps({"num_rows": len(found["examples"])}),
        )  # fmt: skip
        tags = {
            MLFLOW_DATASET_CONTEXT: part,
            "split": redacted(str(found["split"]))[:_VALUE],
            "examples": str(len(found["examples"])),
            "sha256": found["sha256"],
        }
        inputs.append(DatasetInput(dataset, [InputTag(*item) for item in tags.items()]))
    client.log_inputs(run_id, inputs)
