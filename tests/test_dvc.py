"""dvc.yaml says what Kedro does: files, parameters and code, stage by stage."""

from __future__ import annotations

import inspect
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grimp
import pytest
import yaml
from scripts.code_dependencies import Package
from scripts.make_dvc_yaml import chain, comparison

from quantline.pipeline_registry import register_pipelines
from quantline.pipelines import compare

if TYPE_CHECKING:
    from kedro.pipeline import Pipeline

PROJECT = Path(__file__).resolve().parents[1]
FILES = ("dvc.yaml", "compare/dvc.yaml")
WRITTEN = {name: yaml.safe_load((PROJECT / name).read_text()) for name in FILES}
STAGES = {name: stage for content in WRITTEN.values() for name, stage in content["stages"].items()}
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


@cache
def import_graph() -> grimp.ImportGraph:
    return grimp.build_graph("quantline", exclude_type_checking_imports=True)


def written(stage: str) -> set[str]:
    given = STAGES[stage]
    outs = [item for kind in ("outs", "metrics", "plots") for item in given.get(kind, [])]
    return keys(outs)


def in_matrix(stage: str) -> str | None:
    return "${item.scheme}" if "matrix" in STAGES[stage] else None


def parameters(pipeline: Pipeline) -> set[str]:
    return {
        name.removeprefix("params:") for name in pipeline.inputs() if name.startswith("params:")
    }


def keys(entries: list[str | dict[str, Any]]) -> set[str]:
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries}


def test_there_is_one_stage_a_pipeline() -> None:
    assert set(STAGES) == set(PIPELINES)


def test_the_files_are_what_the_script_writes() -> None:
    written = (PROJECT / FILES[0]).read_text(), (PROJECT / FILES[1]).read_text()
    assert written == (chain(), comparison()), "run: python scripts/make_dvc_yaml.py"


def test_comparing_is_asked_for_by_its_own_file() -> None:
    assert set(WRITTEN["compare/dvc.yaml"]["stages"]) == {"compare", "compare_report"}
    chained = [item for stage in WRITTEN["dvc.yaml"]["stages"].values() for item in stage["deps"]]
    assert not [item for item in chained if "compare/" in item]


def test_few_figures_are_metrics() -> None:
    given = [item for stage in STAGES.values() for item in stage.get("metrics", [])]
    assert given == ["data/08_reporting/key_figures.json"]


def test_a_field_of_the_gate_makes_one_stage_stale() -> None:
    file = "src/quantline/recipe/gate.py"
    assert [name for name, stage in STAGES.items() if file in stage["deps"]] == ["gate"]


def test_every_file_of_the_catalog_is_written_by_a_stage() -> None:
    written = set().union(*(pipeline.all_outputs() for pipeline in PIPELINES.values()))
    assert set(CATALOG) == {pattern(item)[0] for item in written} | UNSTAGED_FILES


def test_a_result_lies_in_the_layer_of_its_stage() -> None:
    for pipeline in register_pipelines().values():
        for step in pipeline.nodes:
            for output in step.outputs:
                metadata = CATALOG[pattern(output)[0]]["metadata"]
                assert {metadata["kedro-viz"]["layer"]} == step.tags, output


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
    assert STAGES["compare"]["matrix"] == {"scheme": list(SCHEMES)}


@stages
def test_a_stage_runs_its_pipeline(stage: str) -> None:
    part = " --namespaces ${item.scheme}" if in_matrix(stage) else ""
    assert STAGES[stage]["cmd"] == f"kedro run --pipelines {stage}{part}"


@stages
def test_a_stage_writes_what_its_pipeline_writes(stage: str) -> None:
    assert written(stage) == paths(PIPELINES[stage].all_outputs(), in_matrix(stage))


@stages
def test_a_stage_depends_on_the_files_its_pipeline_reads(stage: str) -> None:
    pipeline = PIPELINES[stage]
    files = {name for name in STAGES[stage]["deps"] if not name.startswith("src/")}
    datasets = {name for name in pipeline.inputs() if not name.startswith("params:")}
    datasets.discard(PROJECT_ITSELF)
    named = {PARAMETER_PATHS[name] for name in parameters(pipeline) if name in PARAMETER_PATHS}
    assert files == paths(datasets) | named


@stages
def test_a_stage_depends_on_the_parameters_its_pipeline_takes(stage: str) -> None:
    found = set()
    for file, names in (pair for item in STAGES[stage].get("params", []) for pair in item.items()):
        assert set(names) <= set(yaml.safe_load((PROJECT / file).read_text()))
        found |= set(names)
    assert found == parameters(PIPELINES[stage])


@stages
def test_a_stage_depends_on_code_that_its_nodes_import(stage: str) -> None:
    graph = import_graph()
    modules = {inspect.getmodule(node.func).__name__ for node in PIPELINES[stage].nodes}
    imported = set().union(*(graph.find_upstream_modules(module) for module in modules)) | modules
    code = {item for item in STAGES[stage]["deps"] if item.startswith("src/")}
    named = {item.removeprefix("src/").removesuffix(".py").replace("/", ".") for item in code}
    assert modules <= named
    assert not {name for name in named if name.split(".")[1] in PLUMBING}
    # What a string names is no import: the child process, back ends, registries; nor is YAML.
    strings = ("quantline.child.", "quantline.quantization.", "quantline.contract.targets.",
               "quantline.metrics.", "quantline.stats.", "quantline.range_methods.",
               "quantline.tasks.", "quantline.user_code")  # fmt: skip
    assert {name for name in named - imported if not name.startswith(strings)} == set()
    # Each package that a node imports is there by some of its files.
    parts = {name.split(".")[1] for name in imported if "." in name} - PLUMBING
    assert {name.split(".")[1] for name in named if not name.startswith(strings)} <= parts


def test_names_are_followed_to_the_files_that_define_them(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    files = {
        "__init__.py": "",
        "nodes.py": "from pack import parts\nfrom pack.parts import whole\n"
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack.unused import Type\n"
        "def run(kind):\n    from pack.lazy import work\n    parts.one(whole)\n"
        "    return import_module(f'pack.{kind}_engine')\n",
        "parts/__init__.py": "from pack.parts.first import one\n"
        "from pack.parts.second import two\nfrom pack.parts.third import made as whole\n",
        "parts/first.py": "import pack.deep\ndef one(): ...\n",
        "parts/second.py": "two = 2\n",
        "parts/third.py": "made = 3\n",
        "parts/table.yml": "a: 1\n",
        "deep.py": "import os\n",
        "lazy.py": "RUN = ['python', '-m', 'pack.child']\nwork = 1\n",
        "child.py": "",
        "fast_engine.py": "",
        "unused.py": "class Type: ...\n",
    }
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    found = {path.as_posix() for path in Package(package).files_of(["pack.nodes"])}
    left_out = {"__init__.py", "parts/__init__.py", "parts/second.py", "unused.py"}
    assert found == set(files) - left_out
    # Where the package is used as it is, not through its names, all of it counts.
    (package / "nodes.py").write_text("from pack import parts\nprint(parts)\nparts.one()\n")
    found = {path.as_posix() for path in Package(package).files_of(["pack.nodes"])}
    assert {"parts/__init__.py", "parts/first.py", "parts/second.py"} <= found


@stages
def test_the_lock_has_the_stage_as_it_stands(stage: str) -> None:
    folder = PROJECT / ("compare" if stage in WRITTEN["compare/dvc.yaml"]["stages"] else "")
    locks = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
    given = STAGES[stage]
    for scheme in SCHEMES if in_matrix(stage) else (None,):
        lock = locks[stage if scheme is None else f"{stage}@{scheme}"]
        assert lock["cmd"] == given["cmd"].replace("${item.scheme}", str(scheme))
        outs = {item.replace("${item.scheme}", str(scheme)) for item in written(stage)}
        assert {item["path"] for item in lock["outs"]} == outs


@pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # of pygtrie, in DVC
def test_dvc_itself_reads_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.dvcfile import PROJECT_FILE
    from dvc.repo import Repo
    from dvc.repo.reproduce import collect_stages, plan_repro

    monkeypatch.chdir(PROJECT)
    with Repo(str(PROJECT)) as repo:
        assert {stage.name.split("@")[0] for stage in repo.index.stages} == set(STAGES)
        # What 'dvc repro' and 'dvc exp run' run where no stage is named.
        run = plan_repro(repo.index.graph, collect_stages(repo, [PROJECT_FILE]))
        assert {stage.name for stage in run} == set(WRITTEN["dvc.yaml"]["stages"])
