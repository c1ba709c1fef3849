"""The command in a process of its own: exit status, what goes where, and from which folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.warm_children import COMMANDS

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path


MISTAKES = {
    "parameter": (
        ["--params", "validation.integer_onyl=false"],
        ["Unknown parameter 'validation.integer_onyl'.", "Did you mean 'integer_only'?"],
    ),
    "value": (
        ["--params", "sampling.calibration.examples=0"],
        ["'sampling.calibration.examples' has a bad value. Found: 0.", "greater than 0"],
    ),
    "target": (
        ["--params", "validation.target=edgtpu"],
        ["There is no target 'edgtpu'.", "Did you mean 'edgetpu'?"],
    ),
    "pipeline": (
        ["--pipelines", "validaton"],
        ["There is no pipeline 'validaton'.", "Did you mean 'validation'"],
    ),
    "one of several pipelines": (
        ["--pipelines", "sampling,nonsense"],
        ["There is no pipeline 'nonsense'.", "one of baseline, calibration,"],
    ),
    "node": (["--nodes", "nonsense"], ["select nothing", "['nonsense']", "kedro registry"]),
    "tag": (["--tags", "nonsense"], ["select nothing", "contains no nodes"]),
    "dataset": (
        ["--pipelines", "report", "--from-inputs", "ranges"],
        ["select nothing", "['ranges']", "kedro registry describe report"],
    ),
    "environment": (
        ["--env", "imagenett"],
        ["There is no environment 'imagenett'.", "base, imagenet, local, nights", "'imagenet'?"],
    ),
    "missing result": (
        ["--pipelines", "conversion"],
        ["06_models/float.tflite' cannot be read. Found: no such file.", "Run the whole pipeline"],
    ),
}


@pytest.mark.parametrize(("arguments", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_paragraph_on_stderr_and_exit_status_2(
    project: Any, arguments: list[str], said: list[str]
) -> None:
    status, out, err = project.run(*arguments)
    assert status == 2
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    for words in (*said, "Found: ", "Expected: "):
        assert words in err
    assert project.written() == set()
    assert project.runs() == []


YAML = {
    "not YAML": ("dataset: {source: npz\nx", "parameters.yml"),
    "a name that nothing has": ("dataset: {source: '${nothing}'}", "'nothing' not found"),
}


@pytest.mark.parametrize(("content", "said"), YAML.values(), ids=YAML)
def test_parameters_that_cannot_be_read(project: Any, content: str, said: str) -> None:
    (project.folder / "conf/local/parameters.yml").write_text(content)
    status, _, err = project.run()
    assert status == 2
    assert len(err.strip().splitlines()) == 1
    assert "cannot be read." in err
    assert said in err


def test_an_error_that_nobody_foresaw_does_not_look_like_a_refusal(
    kedro_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("quantline.pipelines.sampling.draw", fail)
    status, paragraph = kedro_run("--pipelines", "sampling")
    assert status == 2
    assert "ZeroDivisionError: of all things, at sampling.py:" in paragraph
    assert "QUANTLINE_TRACEBACK=1" in paragraph


CONFIGS = {
    "not YAML": ("run: [", "line 2"),
    "a list": ("- run\n", "a list at the top"),
    "no section": ("other: {}\n", "no mapping 'run'"),
    "another section": ("run: 3\n", "no mapping 'run'"),
}


@pytest.mark.parametrize(("content", "said"), CONFIGS.values(), ids=CONFIGS)
def test_a_file_of_options_that_cannot_be_read(
    kedro_run: Any, project: Any, content: str, said: str
) -> None:
    (project.folder / "run.yml").write_text(content)
    status, said_on_stderr = kedro_run("--config", "run.yml")
    assert status == 2
    assert said in said_on_stderr


def test_a_file_of_options_is_taken(kedro_run: Any, project: Any) -> None:
    (project.folder / "run.yml").write_text("run: {pipelines: nonsense}\n")
    status, said_on_stderr = kedro_run("--config", "run.yml")
    assert status == 2
    assert "There is no pipeline 'nonsense'" in said_on_stderr


CONFIGURATION = {
    "mlflow.yml": ("experiment: 3\n", "The key 'mlflow.yml.experiment' has a bad value"),
    "mlflow_empty.yml": ("", None),
    "catalog.yml": ("- a\n", "catalog.yml' cannot be read. Found: a list at the top"),
    "catalog_more.yml": ("x: 3\n", "The entry 'x' of catalog.yml is no dataset"),
    "catalog_class.yml": ("manifest: {type: no.Such}\n", "describes a dataset that cannot be made"),
    "catalog_argument.yml": ("manifest: {type: quantline.datasets.JsonDataset, path: a}\n",
                             "describes a dataset that cannot be made"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "case"), CONFIGURATION.items(), ids=CONFIGURATION)
def test_configuration_that_is_wrong_is_named(
    kedro_run: Any, project: Any, name: str, case: tuple[str, str | None]
) -> None:
    content, said = case
    (project.folder / "conf/local" / name).write_text(content)
    status, paragraph = kedro_run("--pipelines", "sampling")
    assert status == (0 if said is None else 2), paragraph
    assert (said or "") in paragraph


def test_configuration_that_is_missing_is_named(kedro_run: Any, project: Any) -> None:
    (project.folder / "conf/base/mlflow.yml").unlink()
    status, paragraph = kedro_run("--pipelines", "sampling")
    assert status == 2
    assert "The file mlflow.yml cannot be used" in paragraph


def test_options_that_kedro_refuses_end_with_2_too(project: Any) -> None:
    status, out, _ = project.run("--pipeline", "sampling", "--pipelines", "sampling")
    assert status == 2
    assert "cannot be used together" in out  # where Kedro says it


def test_the_folder_of_the_local_environment_is_missing(project: Any) -> None:
    (project.folder / "conf/local").rename(project.folder / "conf/mine")
    status, _, err = project.run("--pipelines", "sampling")
    assert status == 2
    assert "There is no environment 'local'." in err
    assert f"'{project.folder / 'conf/local'}'" in err
    (project.folder / "conf/local").mkdir()
    status, _, err = project.run("--pipelines", "sampling", "--env", "mine")
    assert status == 0, err


def test_a_subfolder_is_as_good_as_the_project_folder(project: Any) -> None:
    there = project.folder / "data/01_raw"
    status, out, err = project.run("--pipelines", "sampling", cwd=there)
    assert status == 0, err
    # Kedro says which file it logs by before anything of ours runs; no more than that.
    assert "Loading data" not in out + err
    assert [line.split(" ", 1)[1] for line in err.strip().splitlines()] == [
        "sampling: draw_examples",
        "sampled 40 examples to calibrate with and 120 to evaluate on, from npz",
    ]
    assert project.written() == {"03_primary/manifest.json", "05_model_input/calibration.npz"}
    assert sorted(path.name for path in there.iterdir()) == [
        "model.keras", "model.tflite", "test.npz", "train.npz"
    ]  # fmt: skip


def test_an_environment_of_the_project_is_taken_and_parameters_come_before_it(
    project: Any,
) -> None:
    (project.folder / "conf/few").mkdir()
    (project.folder / "conf/few/parameters.yml").write_text(
        (project.folder / "conf/local/parameters.yml").read_text().replace(": 40", ": 12")
    )
    status, _, err = project.run("--pipelines", "sampling", "--env", "few")
    assert status == 0, err
    assert len(project.json("few/03_primary/manifest.json")["calibration"]["examples"]) == 12
    status, _, err = project.run(
        "--pipelines", "sampling", "--env", "few", "--params", "sampling.calibration.examples=8"
    )
    assert status == 0, err
    assert len(project.json("few/03_primary/manifest.json")["calibration"]["examples"]) == 8


def give(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Give a command without what this process was told about telemetry."""
    told = {"DO_NOT_TRACK", "KEDRO_DISABLE_TELEMETRY", "CI"}
    env = {name: value for name, value in os.environ.items() if name not in told}
    return COMMANDS.run(*command, cwd=cwd, env=env)


def test_our_own_command_is_kedros(project: Any) -> None:
    done = give("quantline", "run", "--pipelines", "samplin", cwd=project.folder)
    assert done.returncode == 2
    assert "Did you mean 'sampling'" in done.stderr
    shown = give("quantline", "run", "--help", cwd=project.folder)
    assert shown.returncode == 0
    assert "--pipelines" in shown.stdout


def test_our_own_command_tells_nobody_outside_a_project(tmp_path: Path) -> None:
    done = give("quantline", "run", cwd=tmp_path)
    assert done.returncode != 0
    assert "usage data" not in done.stdout + done.stderr
    assert "Heap" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []
