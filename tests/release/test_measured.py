"""What MLflow's pages show of a release: sets, numbers of the model, curves, tags, the card."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from tests.release.candidates import PARAMETERS, SUMMARY, candidate
from tests.release.released import Desk

from quantline import recipe
from quantline.errors import ParameterError, TrackingFailed
from quantline.release.card import card
from quantline.release.measured import MLFLOW_NAMES, log_metrics
from quantline.release.record import Recorded, record
from quantline.release.tracking import Project, Store, connect
from quantline.tasks import TASKS

if TYPE_CHECKING:
    from pathlib import Path

HISTORY = {"loss": [2.0, 1.0, 0.5], "val loss (%)": [3.0, None, 1.0]}


@pytest.fixture
def project(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    made = candidate(tmp_path / "p", 1, {"tracking_uri": None, "experiment": "quantline"})
    shutil.copy(empty_store, made.folder / "mlflow.db")
    imported = json.loads(made.files["float_import"].read_bytes())
    imported["training"] = {"history": HISTORY}
    made.files["float_import"].write_text(json.dumps(imported))
    return made


def recorded(project: Project, **changes: Any) -> tuple[Store, Recorded]:
    store = connect(project)
    return store, record(store, project, PARAMETERS, **changes)


def fail_after_metrics(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def logged(*arguments: Any) -> None:
        log_metrics(*arguments)
        raise ValueError("gone")

    with monkeypatch.context() as broken:
        broken.setattr("quantline.release.record.log_metrics", logged)
        with pytest.raises(TrackingFailed, match="gone"):
            recorded(project)


def read(project: Project) -> dict[str, Any]:
    names = ("summary", "manifest", "gate")
    return {name: json.loads(project.files[name].read_bytes()) for name in names}


def test_the_sets_are_inputs_of_the_run(project: Project) -> None:
    from mlflow.data import get_source

    store, done = recorded(project)
    inputs = store.client.get_run(done.run_id).inputs.dataset_inputs
    found = {item.dataset.name: {tag.key: tag.value for tag in item.tags} for item in inputs}
    assert found == {
        "fashion_mnist/train": {
            "mlflow.data.context": "calibration", "split": "train", "examples": "4",
            "sha256": "c" * 64,
        },
        "fashion_mnist/test": {
            "mlflow.data.context": "evaluation", "split": "test", "examples": "8",
            "sha256": "e" * 64,
        },
    }  # fmt: skip
    assert {item.dataset.name: item.dataset.profile for item in inputs} == {
        "fashion_mnist/train": '{"num_rows": 4}', "fashion_mnist/test": '{"num_rows": 8}',
    }  # fmt: skip
    tags = {get_source(item).to_dict()["tags"]["split"] for item in inputs}
    assert tags == {"train", "test"}, "MLflow can read what it was given"


def test_the_logged_model_has_the_numbers_that_are_its_own(project: Project) -> None:
    store, done = recorded(project)
    found = {item.key: item for item in store.client.get_logged_model(done.model_id).metrics}
    assert {"int8.top1", "comparison.top1_drop_points", "accuracy_score"} <= set(found)
    assert not {key for key in found if key.startswith(("float.", "gate.", "training/"))}
    of_examples = {key for key, item in found.items() if item.dataset_digest == "e" * 12}
    assert {"int8.top1", "accuracy_score", "comparison.top1_drop_points_low"} <= of_examples
    assert not of_examples & {"int8.size_bytes", "comparison.speed_ratio", "edgetpu.operators"}


def test_epochs_are_steps_and_stay_so_when_they_are_logged_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_after_metrics(project, monkeypatch)
    store, done = recorded(project)
    get = store.client.get_metric_history
    curve = [(point.step, point.value) for point in get(done.run_id, "training/loss")]
    assert sorted(curve) == [(0, 2.0), (1, 1.0), (2, 0.5)]
    other = [(point.step, point.value) for point in get(done.run_id, "training/val loss ___")]
    assert sorted(other) == [(0, 3.0), (2, 1.0)], "what is not finite is a gap"
    assert [point.value for point in get(done.run_id, "int8.top1")] == [0.5]


def test_a_number_that_changed_before_the_record_was_complete_is_logged_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_after_metrics(project, monkeypatch)
    other = {**SUMMARY, "int8": {**SUMMARY["int8"], "latency_ms_p50": 2.5}}
    project.files["summary"].write_text(json.dumps(other))
    store, done = recorded(project)
    (model,) = store.client.search_logged_models([store.experiment_id])
    latest = {item.key: item.value for item in sorted(model.metrics, key=lambda m: m.timestamp)}
    assert latest["int8.latency_ms_p50"] == 2.5
    assert store.client.get_run(done.run_id).data.metrics["int8.latency_ms_p50"] == 2.5
    assert len([item for item in model.metrics if item.key == "int8.top1"]) == 1


def test_own_tags_are_on_the_run_the_model_and_the_version(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    desk = Desk(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}", "shirts")
    desk.registry.client.create_experiment("shirts", artifact_location=(tmp_path / "k").as_uri())
    tags = {"team": "vision", "from/where": "http://me:s3cr3t@host/x"}
    desk.release(1, tags=tags)
    desk.check_champion(1, version=1)
    expected = {"team": "vision", "from/where": "http://***@host/x"}
    version = desk.registry.version_of("champion")
    (run,) = desk.runs()
    model = desk.registry.client.get_logged_model(run.data.tags["quantline.model_id"])
    for found in (version.tags, run.data.tags, model.tags):
        assert expected.items() <= found.items()
    assert model.tags["mlflow.note.content"] == version.description
    registered = desk.registry.client.get_registered_model("shirts")
    assert registered.description.startswith("Quantized models that passed their gate.")


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"mlflow.note.content": "x"}, "begin with neither"),
        ({"quantline.verdict": "passed"}, "begin with neither"),
        ({"ticket": 123}, "release.tags.ticket"),
        ({"a//b": "x"}, "a name of letters"),
        ({"": "x"}, "a name of letters"),
        ({"a" * 251: "x"}, "a name of letters"),
        ({"a": " "}, "1 to 5,000 characters as 'a'"),
        ({"a": "x" * 5001}, "1 to 5,000 characters as 'a'"),
        ({f"a{number}": "x" for number in range(51)}, "no more than 50"),
        (["a"], "release.tags"),
    ],
)
def test_tags_that_mlflow_would_not_take_are_refused(tags: Any, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        recipe.check(recipe.Release, {"tags": tags})


def test_the_card_says_what_was_measured(project: Project) -> None:
    text = card("shirts", read(project))
    assert text.splitlines()[:5] == [
        "# shirts, quantized",
        "",
        "- Task: classification, one class an example",
        "- Data: fashion_mnist 3.0.1; evaluated on 8 examples of `test`, calibrated on 4 of "
        "`train`",
        "- Verdict: **passed**, with no champion to compare with; 2 rules, 0 failed, 0 undecided, "
        "1 skipped",
    ]
    assert "| top-1 | 75 ± 25 % | 50 ± 25 % | -25 ± 25 points | measured |" in text
    assert "| size | 4 KiB | 2 KiB | 2.0x smaller | measured |" in text
    assert "| Edge TPU, parameters |  | 0 KiB cached, 0 KiB streamed | fits | predicted |" in text
    assert "| target cpu |  | kept |  | parsed |" in text


def test_a_card_is_no_longer_than_a_database_takes(project: Project) -> None:
    found = read(project)
    found["gate"] |= {"reasons": ["Too slow | at http://me:s3cr3t@host."] * 200}
    text = card("shirts", found)
    assert len(text) == 5000
    assert text.endswith("(cut here; gate.json has the rest)")
    assert "s3cr3t" not in text


def test_mlflow_names_are_of_metrics_that_there_are() -> None:
    for task, names in MLFLOW_NAMES.items():
        values = {parameter.name: parameter.default for parameter in TASKS[task].parameters}
        known = {metric.name for metric in TASKS[task].metrics(values, list(names))}
        assert set(names) <= known
