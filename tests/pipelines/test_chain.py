"""The whole chain, through the command a user gives."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.warm_children import COMMANDS

from quantline.pipeline_registry import CHAIN, register_pipelines
from quantline.quiet import tensorflow
from quantline.tflite import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_full_run_writes_every_file_of_the_catalog(finished: Any) -> None:
    catalog = yaml.safe_load((finished.folder / "conf/base/catalog.yml").read_text())
    outputs = register_pipelines()["__default__"].all_outputs()
    files = {name: catalog[name]["filepath"].removeprefix("data/") for name in outputs}
    # Without a compiler there is nothing in this folder, and without a champion only its name.
    compiled, champion = files.pop("edgetpu_model"), files.pop("champion")
    about = f"{champion}/champion.json"
    assert finished.written() == {*files.values(), about}
    assert list((finished.folder / "data" / compiled).iterdir()) == []
    assert finished.json(about) == {"model": "model", "version": None}


def test_the_summary_has_what_was_promised(finished: Any) -> None:
    summary = finished.json("08_reporting/summary.json")
    assert set(summary) == {
        "float", "int8", "comparison", "outputs", "integer_only", "edgetpu", "gate",
    }  # fmt: skip
    assert summary["outputs"]["sqnr_db"] > 15
    assert summary["gate"]["verdict"] == "passed"
    for model in ("float", "int8"):
        values = summary[model]
        assert values["top1_low"] <= values["top1"] <= values["top1_high"]
        assert values["latency_ms_p50"] > 0
        assert "top5" not in values  # four classes
    files = finished.folder / "data/06_models"
    assert summary["float"]["size_bytes"] == (files / "float.tflite").stat().st_size
    assert summary["int8"]["size_bytes"] == (files / "int8.tflite").stat().st_size
    assert summary["float"]["top1"] > 0.9
    assert summary["comparison"]["agreement"] > 0.9
    assert summary["integer_only"]["integer_only"] is True
    edgetpu = summary["edgetpu"]
    assert edgetpu["evidence"] == "predicted"
    graph = read((files / "int8.tflite").read_bytes())
    assert edgetpu["operators"] == len(graph.main.operators)


def test_a_full_run_is_one_mlflow_run(finished: Any) -> None:
    (run,) = finished.runs()
    assert run.info.status == "FINISHED"
    assert run.data.params["dataset.source"] == "npz"
    assert run.data.params["sampling.calibration.examples"] == "40"
    summary = finished.json("08_reporting/summary.json")
    for block in ("float", "int8", "comparison", "edgetpu", "gate"):
        for key, value in summary[block].items():
            if isinstance(value, (int, float)):
                assert run.data.metrics[f"{block}.{key}"] == pytest.approx(float(value))
    recipe = finished.json("06_models/recipe.json")
    assert run.data.tags["quantline.int8_model_sha256"] == recipe["int8_model_sha256"]
    artifacts = finished.folder / "mlartifacts" / run.info.run_id / "artifacts"
    names = {path.name for path in artifacts.iterdir()}
    assert {"int8.tflite", "recipe.json", "manifest.json", "summary.json", "gate.json"} <= names
    (kept,) = (artifacts / "trained_model").iterdir()
    assert kept.read_bytes() == (finished.folder / "data/01_raw/model.keras").read_bytes()


def test_two_runs_in_one_process_give_the_same_model_and_two_records(project: Any) -> None:
    project.set(model={"path": "data/01_raw/model.tflite"})
    script = (
        "from kedro.framework.session import KedroSession\n"
        "from kedro.framework.startup import bootstrap_project\n"
        f"bootstrap_project({str(project.folder)!r})\n"
        "for _ in range(2):\n"
        f"    with KedroSession.create({str(project.folder)!r}) as session:\n"
        "        session.run()\n"
    )
    (project.folder.parent / "twice.py").write_text(script)
    done = COMMANDS.run("twice", cwd=project.folder.parent)
    assert done.returncode == 0, done.stderr
    runs = project.runs()
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
    kept = [project.folder / "mlartifacts" / run.info.run_id / "artifacts" for run in runs]
    assert kept[0] != kept[1]
    for name in ("ranges.json", "int8.tflite", "recipe.json"):
        there, here = (folder / name for folder in kept)
        assert there.read_bytes() == here.read_bytes(), name


@pytest.mark.parametrize(
    "arguments",
    [
        ("--to-nodes", "write_summary", "--from-nodes", "write_summary"),
        ("--only-missing-outputs",),
        ("--tags", "report"),
        ("--pipelines", "validation,report"),
    ],
    ids=lambda item: item[0],
)
def test_a_part_of_the_chain_is_not_recorded(finished: Any, arguments: tuple[str, ...]) -> None:
    before = [run.info.run_id for run in finished.runs()]
    status, _, err = finished.run(*arguments)
    assert status == 0, err
    assert [run.info.run_id for run in finished.runs()] == before


def test_the_tracking_uri_of_the_environment_comes_first(
    finished: Any, store: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    shutil.copy(store, elsewhere)
    before = len(finished.runs())
    status, _, err = finished.run(
        "--params", "model.path=nothing.keras", MLFLOW_TRACKING_URI=f"sqlite:///{elsewhere}"
    )
    assert status == 2, err
    assert [run.info.status for run in finished.runs(elsewhere)] == ["FAILED"]
    assert len(finished.runs()) == before


def convert_sine(path: Path) -> None:
    """Write a float model whose second layer has no integer kernel."""
    tf = tensorflow()
    import keras

    inputs = keras.Input((8, 8, 1))
    values = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    values = keras.layers.GlobalAveragePooling2D()(keras.ops.sin(values))
    outputs = keras.layers.Dense(4, activation="softmax")(values)
    model = keras.Model(inputs, outputs)
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def test_a_model_that_is_not_integer_only_stops_the_run(project: Any) -> None:
    convert_sine(project.folder / "sine.tflite")
    project.set(model={"path": "sine.tflite"})
    status, _, err = project.run()
    assert status == 1
    assert "SIN has no int8 form in TensorFlow" in err
    assert "Traceback" not in err
    (run,) = project.runs()
    assert run.info.status == "FAILED"
    assert run.data.tags["quantline.failed_stage"] == "preflight"
    assert "06_models/ranges.json" not in project.written()

    # What the preflight does not know, the validation sees.
    stages = ("--pipelines", "baseline,calibration,conversion,validation")
    status, _, err = project.run(*stages)
    assert status == 1
    assert "SIN, tensor " in err
    assert "SIN has no int8 form in TensorFlow" in err
    assert "Traceback" not in err
    report = project.json("08_reporting/validation.json")
    sines = [operator for operator in report["findings"] if operator["type"] == "SIN"]
    graph = read((project.folder / "data/06_models/int8.tflite").read_bytes())
    assert [sine["operator"] for sine in sines] == [
        operator.index for operator in graph.main.operators if operator.type == "SIN"
    ]
    assert "08_reporting/integer_only.json" not in project.written()

    status, _, err = project.run(
        "--pipelines", "preflight,validation", "--params", "validation.integer_only=false"
    )
    assert status == 0, err
    assert "SIN: SIN has no int8 form" in err
    assert "SIN stays float" in err
    foretold = project.json("08_reporting/preflight.json")["findings"]
    assert [operator["type"] for operator in foretold] == ["SIN"]
    assert project.json("08_reporting/integer_only.json")["integer_only"] is False
    status, out, err = project.run(
        "--pipelines",
        "evaluation,champion,gate,report",
        "--params",
        "validation.integer_only=false",
    )
    assert status == 0, err
    assert f"no: {report['float_operators']} operators float" in " ".join(out.split())
    assert project.json("08_reporting/summary.json")["integer_only"]["integer_only"] is False


def test_a_target_that_is_not_kept_stops_the_run(finished: Any, tmp_path: Path) -> None:
    folder = tmp_path / "copied"
    shutil.copytree(finished.folder, folder)
    project = type(finished)(folder)
    (folder / "mcu.yml").write_text("operators: [CONV_2D, RESHAPE]\nper_axis_dense: false\n")
    (folder / "data/08_reporting/integer_only.json").unlink()
    asked = ("--pipelines", "validation", "--params", "validation.target=mcu.yml")
    status, _, err = project.run(*asked)
    assert status == 1
    assert "does not keep the contract of the target 'mcu'" in err
    assert "AVERAGE_POOL_2D, which 'mcu' does not have" in err
    assert "Traceback" not in err
    report = project.json("08_reporting/validation.json")
    assert report["target"] == {"name": "mcu", "holds": False}
    assert {"target.operator", "target.per_axis_dense"} == {
        row["rule"] for row in report["findings"]
    }
    assert "08_reporting/integer_only.json" not in project.written()


def test_the_target_and_the_findings_are_recorded(finished: Any) -> None:
    (run,) = finished.runs()
    metrics = run.data.metrics
    assert metrics["integer_only.float_operators"] == 0
    assert metrics["integer_only.target.holds"] == 1
    report = finished.json("08_reporting/validation.json")
    for severity, broken in (("integer_only", 0), ("specification", 0), ("target", 0),
                             ("note", len(report["findings"]))):  # fmt: skip
        assert metrics[f"integer_only.findings_by_severity.{severity}"] == broken


def test_the_chain_has_the_stages_of_the_design() -> None:
    pipelines = register_pipelines()
    assert {tag for node in pipelines["__default__"].nodes for tag in node.tags} == set(CHAIN)
    assert all(len(node.tags) == 1 for pipeline in pipelines.values() for node in pipeline.nodes)


def test_a_quantized_model_is_not_taken_for_a_float_one(
    finished: Any, project: Any, kedro_run: Callable[..., tuple[int, str]]
) -> None:
    model = finished.folder / "data/06_models/int8.tflite"
    status, paragraph = kedro_run("--params", f"model.path={model}")
    assert status == 2
    assert "is already quantized" in paragraph
    assert "(int8)" in paragraph


def test_the_table_goes_to_stdout_and_the_log_to_stderr(finished: Any) -> None:
    status, out, err = finished.run("--pipelines", "report")
    assert status == 0
    assert [line.split(" ", 1)[1] for line in err.strip().splitlines()] == ["report: write_summary"]
    assert out.startswith("npz: 120 examples of 'test.npz', calibrated on 40 of 'train.npz'")
    for words in ("top-1", "loss", "size", "latency, CPU", "integer-only", "Edge TPU", "predicted"):
        assert words in out
