"""Each environment of examples/, on a small cut of its data."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.conftest import PROJECT

from quantline import recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.pipelines.conftest import Project

FOLDER = PROJECT / "examples"
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/parameters.yml"))
# One of each kind: numbers, a map, two inputs; the others differ in their metrics, which have tests
# of their own.
FEW = {"regression", "segmentation", "two_inputs"}


def small(name: str) -> dict[str, Any]:
    """Return the environment's parameters with few examples and one epoch."""
    values: dict[str, Any] = yaml.safe_load((FOLDER / name / "parameters.yml").read_text())
    values["sampling"]["calibration"] = {"split": "train:60", "examples": 20}
    values["sampling"]["evaluation"] = {"split": "test:60"}
    values["training"] |= {"split": "train:60", "arguments": {"epochs": 1}}
    latency = {"runs": 3, "warmup": 1}
    return {**values, "baseline": {"latency": latency}, "evaluation": {"latency": latency}}


def test_the_page_lists_them() -> None:
    page = (FOLDER / "README.md").read_text()
    listed = [line.split("`")[1] for line in page.splitlines() if line[:3] == "| `"]
    assert sorted(listed) == sorted(2 * NAMES)  # what it is, and what it gave
    assert len(NAMES) == 9


@pytest.mark.parametrize("name", NAMES)
def test_its_parameters_are_known(name: str) -> None:
    values = yaml.safe_load((FOLDER / name / "parameters.yml").read_text())
    for key, block in values.items():
        if key not in {"gate", "sampling", "training", "release"}:
            recipe.check(recipe.BLOCKS[key], block, key)
    assert values["model"]["path"] == f"data/{name}/06_models/trained.keras"
    assert values["release"]["model"] == name


@pytest.mark.parametrize(
    "name",
    [name if name in FEW else pytest.param(name, marks=pytest.mark.exhaustive) for name in NAMES],
)
def test_it_is_trained_and_judged(
    name: str,
    project: Project,
    kedro_run: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(FOLDER, project.folder / "examples")
    raw = project.folder / "data/01_raw/fashion_mnist"
    raw.symlink_to(PROJECT / "data/01_raw/fashion_mnist")
    environment = project.folder / "conf" / name
    environment.mkdir()
    (environment / "parameters.yml").write_text(yaml.safe_dump(small(name)))
    monkeypatch.syspath_prepend(str(project.folder))
    status, printed = kedro_run("--env", name, "--pipelines", "training")
    assert status == 0, printed
    status, printed = kedro_run("--env", name, "--to-nodes", "write_summary")
    assert status == 0, printed
    gate = project.json(f"{name}/08_reporting/gate.json")
    assert any(rule["rule"].startswith("against_float") for rule in gate["rules"])
