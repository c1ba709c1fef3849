#!/usr/bin/env python
"""Writes dvc.yaml and compare/dvc.yaml from the pipelines, the catalog and the code.

One stage a Kedro pipeline. It depends on the files that the pipeline reads, on the parameters that
its nodes take, and on each file of code that they are computed by; its outputs are the catalog's.

    python scripts/make_dvc_yaml.py
"""

from __future__ import annotations

import inspect
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from scripts.code_dependencies import Package  # noqa: E402

from quantline.pipeline_registry import register_pipelines  # noqa: E402
from quantline.pipelines import compare  # noqa: E402

if TYPE_CHECKING:
    from kedro.pipeline import Pipeline

# Pipelines that are no stages. What is released is MLflow's. And the model at 'model.path' is an
# input, the embedded one as well as one's own, so that training is none either.
UNSTAGED = {"__default__", "retrain", "release", "training"}
# A file of their own: 'dvc repro' and 'dvc exp run' run the stages of dvc.yaml.
COMPARISON = ("compare", "compare_report")
# Nothing on disk says whether the registry's champion changed.
ALWAYS_CHANGED = {"champion"}
METRICS = {"key_figures"}
PLOTS = {"summary_plot"}
# A path that a parameter names is an input too.
PATHS = {"dataset": "${dataset.data_dir}", "model": "${model.path}"}
# No files: what Kedro gives a node of the project itself.
NO_FILES = {"project", "parameters"}
# Modules that say what happens, and what came from what; they do not change what comes out.
PLUMBING = {
    "arguments", "error_output", "errors", "lineage", "progress", "quiet", "redaction", "temporary",
}  # fmt: skip
_BASE = PROJECT / "conf/base"
_PACKAGE = Package(PROJECT / "src/quantline")
_SCHEME = "${item.scheme}"
_HEADER = "# Written by scripts/make_dvc_yaml.py; a test compares. {}\n"


def chain() -> str:
    """Return the content of dvc.yaml: the stages from sampling to report."""
    pipelines = {
        name: pipeline
        for name, pipeline in register_pipelines().items()
        if name not in UNSTAGED and name not in COMPARISON
    }
    stages = {name: _stage(name, pipeline) for name, pipeline in pipelines.items()}
    return _text("'dvc repro' runs what changed.", "", stages)


def comparison() -> str:
    """Return the content of compare/dvc.yaml: every scheme, and the table."""
    one = _stage("compare", compare.create_scheme(compare.NAMES[-1]))
    matrix = {
        "matrix": {"scheme": list(compare.NAMES)},
        **one,
        "cmd": f"{one['cmd']} --namespaces {_SCHEME}",
    }
    stages = {
        "compare": matrix,
        "compare_report": _stage("compare_report", compare.create_report()),
    }
    stages = {name: {"wdir": "..", **stage} for name, stage in stages.items()}
    return _text("'dvc repro compare/dvc.yaml' makes and compares every scheme.", "../", stages)


def _stage(name: str, pipeline: Pipeline) -> dict[str, Any]:
    parameters = {
        item.removeprefix("params:") for item in pipeline.inputs() if item.startswith("params:")
    }
    inputs = {item for item in pipeline.inputs() if not item.startswith("params:")} - NO_FILES
    modules = {str(inspect.getmodule(node.func).__name__) for node in pipeline.nodes}
    in_matrix = name == "compare"
    outputs = pipeline.all_outputs()
    parts = {
        "deps": [
            *sorted(PATHS[item] for item in parameters if item in PATHS),
            *sorted(_file(item) for item in inputs),
            *_code(modules),
        ],
        "params": [
            {file: sorted(keys & parameters)}
            for file, keys in _parameter_files().items()
            if keys & parameters
        ],
        "outs": sorted(_file(item, in_matrix) for item in outputs - METRICS - PLOTS),
        "metrics": sorted(_file(item) for item in outputs & METRICS),
        "plots": sorted(_file(item) for item in outputs & PLOTS),
    }
    return {
        "cmd": f"kedro run --pipelines {name}",
        **({"always_changed": True} if name in ALWAYS_CHANGED else {}),
        **{key: value for key, value in parts.items() if value},
    }


def _code(modules: set[str]) -> list[str]:
    return sorted(
        f"src/quantline/{path.as_posix()}"
        for path in _PACKAGE.files_of(modules)
        if path.parts[0].split(".")[0] not in PLUMBING
    )


def _file(dataset: str, in_matrix: bool = False) -> str:
    """Return the file of a dataset; of one that exists once a scheme, that scheme's."""
    catalog = _read("conf/base/catalog.yml")
    if dataset in catalog:
        return str(catalog[dataset]["filepath"])
    scheme = max((item for item in compare.NAMES if dataset.endswith(f"_{item}")), key=len)
    pattern = str(catalog[f"{dataset.removesuffix(scheme)}{{scheme}}"]["filepath"])
    return pattern.replace("{scheme}", _SCHEME if in_matrix else scheme)


def _parameter_files() -> dict[str, set[str]]:
    """Return the top-level keys of each file of parameters."""
    return {
        file: set(_read(file))
        for file in sorted(f"conf/base/{path.name}" for path in _BASE.glob("parameters_*.yml"))
    }


@cache
def _read(file: str) -> dict[str, Any]:
    return dict(yaml.safe_load((PROJECT / file).read_text()))


class _Indented(yaml.SafeDumper):
    """Indents the items of a list, as people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)


def _text(use: str, up: str, stages: dict[str, Any]) -> str:
    variables = [
        f"{up}conf/base/parameters_{name}.yml:{key}"
        for name, key in (("sampling", "dataset"), ("baseline", "model"))
    ]
    parts = [{"vars": variables}, *({name: stage} for name, stage in stages.items())]
    first, *rest = (yaml.dump(part, Dumper=_Indented, sort_keys=False, width=200) for part in parts)
    indented = ("".join(f"  {line}\n" for line in text.splitlines()) for text in rest)
    return f"{_HEADER.format(use)}{first}\nstages:\n" + "\n".join(indented)


if __name__ == "__main__":
    for path, text in (("dvc.yaml", chain()), ("compare/dvc.yaml", comparison())):
        target = PROJECT / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
