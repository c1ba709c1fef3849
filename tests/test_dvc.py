"""dvc.yaml says what Kedro does: files, parameters and code, stage by stage."""

from __future__ import annotations

import inspect
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grimp
import pytest
import yaml

from quantline.pipeline_registry import register_pipelines
from quantline.pipelines.compare import pipeline as compare

if TYPE_CHECKING:
    from kedro.pipeline import Pipeline

PROJECT = Path(__file__).resolve().parents[1]
DVC = yaml.safe_load((PROJECT / "dvc.yaml").read_text())
CATALOG = yaml.safe_load((PROJECT / "conf/base/catalog.yml").read_text())
SCHEMES = compare.NAMES
# What is released is MLflow's: it is no stage, and neither are the pipelines that end with it. Nor
# is 'training': the model at 'model.path' is an input, the embedded one as well as one's own.
UNSTAGED = {"__default__", "retrain", "release", "training"}
UNSTAGED_FILES = {"release", "trained_model", "training_report"}
PIPELINES = {name: value for name, value in register_pipelines().items() if name not in UNSTAGED}
# No file: what the registry's stage is told of the project.
PROJECT_ITSELF = "project"
# The stage of the matrix is one scheme's; any stands for all.
PIPELINES["compare"] = compare.create_scheme(SCHEMES[-1])
# A path that a parameter names is an input too.
PARAMETER_PATHS = {"dataset": "${dataset.data_dir}", "model": "${model.path}"}
# They say what happens, and what came from what; they do not change what comes out.
PLUMBING = {
    "arguments",
    "error_output",
    "errors",
    "lineage",
    "progress",
    "quiet",
    "redaction",
    "temporary",
}

stages = pytest.mark.parametrize("stage", PIPELINES)


def pattern(name: str) -> tuple[str, str | None]:
    """A dataset's key in the catalog, and its scheme where there is one a scheme."""
    for scheme in sorted(SCHEMES, key=len, reverse=True):
        if name.startswith("compared_") and name.endswith(f"_{scheme}"):
            return f"{name.removesuffix(scheme)}{{scheme}}", scheme
    return name, None


def paths(datasets: set[str], scheme: str | None = None) -> set[str]:
    """The files of datasets; of those that exist once a scheme, as a stage of a matrix has them."""
    return {
        CATALOG[key]["filepath"].format(scheme=scheme or found)
        for key, found in map(pattern, datasets)
    }


def written(stage: str) -> set[str]:
    given = DVC["stages"][stage]
    outs = [item for kind in ("outs", "metrics", "plots") for item in given.get(kind, [])]
    return keys(outs)


def in_matrix(stage: str) -> str | None:
    return "${item.scheme}" if "matrix" in DVC["stages"][stage] else None


def parameters(pipeline: Pipeline) -> set[str]:
    return {
        name.removeprefix("params:") for name in pipeline.inputs() if name.startswith("params:")
    }


def keys(entries: list[str | dict[str, Any]]) -> set[str]:
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries}


def test_there_is_one_stage_a_pipeline() -> None:
    assert set(DVC["stages"]) == set(PIPELINES)


def test_every_file_of_the_catalog_is_written_by_a_stage() -> None:
    written = set().union(*(pipeline.all_outputs() for pipeline in PIPELINES.values()))
    assert set(CATALOG) == {pattern(item)[0] for item in written} | UNSTAGED_FILES


def test_no_result_of_a_run_is_committed() -> None:
    committed = subprocess.run(
        ["git", "ls-files", "data"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    embedded = "data/06_models/fashion_mnist.keras"
    inputs = [name for name in committed if name.startswith("data/01_raw/")]
    assert {name for name in committed if not name.endswith(".gitkeep")} == {embedded, *inputs}
    results = {dataset["filepath"].format(scheme="int8") for dataset in CATALOG.values()}
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", *results],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert set(ignored) == results


def test_the_matrix_has_every_scheme() -> None:
    assert DVC["stages"]["compare"]["matrix"] == {"scheme": list(SCHEMES)}


@stages
def test_a_stage_runs_its_pipeline(stage: str) -> None:
    part = " --namespaces ${item.scheme}" if in_matrix(stage) else ""
    assert DVC["stages"][stage]["cmd"] == f"kedro run --pipelines {stage}{part}"


@stages
def test_a_stage_writes_what_its_pipeline_writes(stage: str) -> None:
    assert written(stage) == paths(PIPELINES[stage].all_outputs(), in_matrix(stage))


@stages
def test_a_stage_depends_on_the_files_its_pipeline_reads(stage: str) -> None:
    pipeline = PIPELINES[stage]
    files = {name for name in DVC["stages"][stage]["deps"] if not name.startswith("src/")}
    datasets = {name for name in pipeline.inputs() if not name.startswith("params:")}
    datasets.discard(PROJECT_ITSELF)
    named = {PARAMETER_PATHS[name] for name in parameters(pipeline) if name in PARAMETER_PATHS}
    assert files == paths(datasets) | named


@stages
def test_a_stage_depends_on_the_parameters_its_pipeline_takes(stage: str) -> None:
    found = set()
    for file, names in (
        pair for item in DVC["stages"][stage].get("params", []) for pair in item.items()
    ):
        assert set(names) <= set(yaml.safe_load((PROJECT / file).read_text()))
        found |= set(names)
    assert found == parameters(PIPELINES[stage])


@stages
def test_a_stage_depends_on_the_code_its_nodes_import(stage: str) -> None:
    graph = grimp.build_graph("quantline")
    modules = {inspect.getmodule(node.func).__name__ for node in PIPELINES[stage].nodes}
    imported = set().union(*(graph.find_upstream_modules(module) for module in modules))
    parts = {name.split(".")[1] for name in imported if "." in name} - PLUMBING - {"pipelines"}
    source = PROJECT / "src/quantline"
    folder = inspect.getmodule(PIPELINES[stage].nodes[0].func).__name__.split(".")[2]
    expected = {
        f"src/quantline/{part}" if (source / part).is_dir() else f"src/quantline/{part}.py"
        for part in parts
    }
    code = {name for name in DVC["stages"][stage]["deps"] if name.startswith("src/")}
    assert code == expected | {f"src/quantline/pipelines/{folder}"}


@stages
def test_the_lock_has_the_stage_as_it_stands(stage: str) -> None:
    locks = yaml.safe_load((PROJECT / "dvc.lock").read_text())["stages"]
    given = DVC["stages"][stage]
    for scheme in SCHEMES if in_matrix(stage) else (None,):
        lock = locks[stage if scheme is None else f"{stage}@{scheme}"]
        assert lock["cmd"] == given["cmd"].replace("${item.scheme}", str(scheme))
        outs = {item.replace("${item.scheme}", str(scheme)) for item in written(stage)}
        assert {item["path"] for item in lock["outs"]} == outs


def test_dvc_itself_reads_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.repo import Repo

    monkeypatch.chdir(PROJECT)
    with Repo(str(PROJECT)) as repo:
        assert {stage.name.split("@")[0] for stage in repo.index.stages} == set(DVC["stages"])
