"""Releasing candidates, and what a store must look like when it is done."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient, artifacts
from tests.release.candidates import INT8, PARAMETERS, SUMMARY, TRAINED, candidate

from quantline import recipe
from quantline.release.flatten import flatten
from quantline.release.flavor import open_model
from quantline.release.registry import CHALLENGER, CHAMPION, Registry
from quantline.release.release import release
from quantline.release.tracking import connect

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Desk:
    """A registered model and an experiment of one name, which no other test has.

    Attributes:
        folder: Where candidates are written.
        url: The server itself.
        name: The name of both.
    """

    folder: Path
    url: str
    name: str

    def release(self, number: int, url: str | None = None, **settings: Any) -> dict[str, Any]:
        """Release a candidate, by way of another address if one is given.

        With ``complete``, a function of the project, more is written before.
        """
        promotion = settings.pop("promotion", "at_once")
        tags = settings.pop("tags", {})
        complete = settings.pop("complete", lambda project: None)
        folder = self.folder / str(number)
        mlflow = {"tracking_uri": url or self.url, "experiment": self.name}
        project = candidate(folder, number, mlflow, **settings)
        complete(project)
        chosen = recipe.Release(model=self.name, promotion=promotion, tags=tags)
        return release(connect(project), project, PARAMETERS, chosen)

    @property
    def registry(self) -> Registry:
        return Registry(MlflowClient(self.url), self.name)

    def aliases(self) -> tuple[int | None, int | None]:
        """Return the versions that are champion and challenger."""
        found = [self.registry.version_of(item) for item in (CHAMPION, CHALLENGER)]
        champion, challenger = (None if other is None else int(other.version) for other in found)
        return champion, challenger

    def versions(self) -> list[int]:
        found = self.registry.client.search_model_versions(f"name = '{self.name}'")
        return sorted(int(other.version) for other in found)

    def runs(self) -> list[Any]:
        """Return the runs, the oldest first."""
        client = self.registry.client
        experiment = client.get_experiment_by_name(self.name).experiment_id
        return client.search_runs([experiment], order_by=["attributes.start_time"])

    def check_champion(self, number: int, version: int) -> None:
        """Check that this candidate was released once, whole, and nothing is left of the way."""
        client = self.registry.client
        assert self.aliases() == (version, None)
        champion = self.registry.version_of(CHAMPION)
        run = client.get_run(champion.run_id)
        same = [
            other for other in self.runs()
            if other.data.tags["quantline.release_id"] == champion.tags["quantline.release_id"]
        ]  # fmt: skip
        assert [item.info.run_id for item in same] == [run.info.run_id], "one run"
        assert run.info.status == "FINISHED"
        assert run.data.params == {"model.path": "trained.keras", "sampling.seed": "1"}
        numbers = {
            key: float(value) for key, value in flatten(SUMMARY) if isinstance(value, int | float)
        }
        renamed = {"accuracy_score": INT8["top1"], "log_loss": INT8["loss"], "example_count": 8}
        assert run.data.metrics == {**numbers, **renamed}
        assert {(item.dataset.name, item.dataset.digest) for item in run.inputs.dataset_inputs} == {
            ("fashion_mnist/train", "c" * 12),
            ("fashion_mnist/test", "e" * 12),
        }
        models = client.search_logged_models(
            [run.info.experiment_id], f"source_run_id = '{run.info.run_id}'"
        )
        assert [other.status for other in models] == ["READY"]
        assert {item.key: item.value for item in models[0].metrics} == {
            key: value
            for key, value in run.data.metrics.items()
            if not key.startswith(("float.", "gate."))
        }
        linked = json.loads(models[0].tags["mlflow.modelVersions"])
        assert linked == [{"name": self.name, "version": version}]
        assert champion.description == run.data.tags["mlflow.note.content"]
        assert champion.description.startswith(f"# {self.name}, quantized\n")
        (output,) = run.outputs.model_outputs
        assert output.model_id == models[0].model_id
        assert champion.source == models[0].artifact_location
        kept = self.folder / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        client.download_artifacts(run.info.run_id, "", str(kept))
        given = self.folder / str(number)
        assert {path.name for path in kept.glob("*.*")} == {
            path.name for path in given.glob("*.*") if path.name != "trained.keras"
        }
        assert all(
            path.read_bytes() == (given / path.name).read_bytes() for path in kept.glob("*.*")
        )
        assert (kept / "trained_model" / "trained.keras").read_bytes() == TRAINED
        model = artifacts.download_artifacts(
            artifact_uri=models[0].artifact_location,
            dst_path=str(kept / "model"),
            tracking_uri=self.url,
        )
        assert open_model(model).model.read_bytes() == (given / "int8.tflite").read_bytes()
        left = client.search_registered_models(f"name LIKE '{self.name}%'")
        assert [item.name for item in left] == [self.name], "no lock is left"
