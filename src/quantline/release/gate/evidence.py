"""The evidence for the gate: results of the stages and of the champion."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from quantline.errors import MismatchError, ResultMissing
from quantline.evaluation.predict import CLASSIFICATION
from quantline.files import canonical_json, sha256
from quantline.release.flatten import flatten
from quantline.tflite import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from quantline.ranges import RangeSet
    from quantline.tasks import ChosenTask
    from quantline.tflite import Graph

VERSION = "champion.json"  # the file among the champion's that says which version it is


@dataclass(frozen=True)
class Champion:
    """The model in use that a candidate is to replace.

    Attributes:
        name: What to call it, such as ``version 3``.
        evaluation_sha256: What :func:`evaluation_sha256` gives for the manifest that its
            predictions were made on.
        predictions: Its predictions, as :func:`quantline.evaluation.predict` gives them.
        size_bytes: The size of its file.
        ranges: The ranges that it was quantized with.
        latency: What :func:`quantline.evaluation.measure` gave for it, as ``champion``, and the
            candidate, as ``int8``, timed by turns in this order; None where they were not.
    """

    name: str
    evaluation_sha256: str
    predictions: pa.Table
    size_bytes: int
    ranges: RangeSet
    latency: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Evidence:
    """The results of the stages for a candidate.

    Attributes:
        int8_model: The candidate's file.
        reports: The stages' JSON results by their names in the catalog, such as ``int8_metrics``.
            The structural rules read ``recipe``, ``integer_only`` and ``golden_report``.
        float_predictions: The float model's predictions.
        int8_predictions: The candidate's predictions.
        ranges: The ranges that the candidate was quantized with.
        manifest: The manifest of the examples.
        champion: The model in use; None where there is none yet.
        task: The meaning of the models' outputs.
        model: The name that the candidate is registered under.
    """

    int8_model: bytes
    reports: Mapping[str, Mapping[str, Any]]
    float_predictions: pa.Table
    int8_predictions: pa.Table
    ranges: RangeSet
    manifest: Mapping[str, Any]
    champion: Champion | None = None
    task: ChosenTask = CLASSIFICATION
    model: str = ""

    def require_comparable(self) -> None:
        """Check that all predictions are of the manifest's evaluation examples.

        Raises:
            ResultMissing: The candidate's are not.
            MismatchError: The champion's are not.
        """
        ids = [example["id"] for example in self.manifest["evaluation"]["examples"]]
        if sorted(self.int8_predictions["id"].to_pylist()) != sorted(ids):
            raise ResultMissing(
                "The candidate's predictions are not of the manifest's examples",
                found=f"{len(self.int8_predictions)} predictions for {len(ids)} examples, of "
                "other ids",
                expected="one prediction for each evaluation example of the manifest",
                remedy="Run the pipeline with `from_nodes=predict_int8`, which predicts them again",
            )
        wanted = evaluation_sha256(self.manifest)
        if self.champion is not None and self.champion.evaluation_sha256 != wanted:
            raise MismatchError(
                f"The champion, {self.champion.name}, was evaluated on other examples",
                found=f"predictions on the examples {self.champion.evaluation_sha256[:12]}",
                expected=f"predictions on the examples {wanted[:12]}, as the candidate's are",
                remedy="Evaluate the champion anew on the candidate's manifest",
            )


def require_same_ports(champion: bytes, candidate: bytes) -> None:
    """Check that two models take the same input and give as many classes.

    Raises:
        MismatchError: They do not: they are models for different things.
    """
    found, wanted = (_ports(read(model)) for model in (champion, candidate))
    if found != wanted:
        raise MismatchError(
            "The champion is a model for something else than the candidate",
            found=f"inputs and outputs of the shapes {found}",
            expected=f"{wanted}, as the candidate has them",
            remedy="Give the candidate a name of its own with `release_model`, so that it is "
            "registered next to the champion",
        )


def _ports(graph: Graph) -> list[list[int]]:
    main = graph.main
    return [
        [abs(size) for size in main.tensors[index].shape] for index in main.inputs + main.outputs
    ]


def evaluation_sha256(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a manifest's evaluation examples: their ids, labels and contents."""
    rows = manifest["evaluation"]["examples"]
    return sha256(canonical_json([[row["id"], row["label"], row["sha256"]] for row in rows]))


class Metrics:
    """The values of all reports by their dotted names, such as ``int8_metrics.top1``."""

    def __init__(self, reports: Mapping[str, Mapping[str, Any]]) -> None:
        self._values = dict(flatten(reports))

    def get(self, name: str) -> Any:
        """Return a value; None where there is none."""
        return self._values.get(name)

    def number(self, name: str) -> float | None:
        """Return a value as a number; None where it is none, or not finite."""
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
            return None
        return value

    def interval(self, name: str) -> tuple[float, float] | None:
        """Return the bounds that the report gives with a value."""
        low, high = self.number(f"{name}_low"), self.number(f"{name}_high")
        return None if low is None or high is None else (low, high)

    def evidence(self, name: str) -> str | None:
        """Return how a value is known: what the innermost mapping around it says."""
        while name:
            name = name.rpartition(".")[0]
            if isinstance(stated := self.get(f"{name}.evidence"), str):
                return stated
        return None

    def numbers(self) -> list[str]:
        """Return the names of all values that are numbers."""
        return [name for name in self._values if self.number(name) is not None]
