"""The wheel, installed in a fresh environment: a new project runs, is packaged, and runs again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.release import fresh_environment

ROOT = Path(__file__).resolve().parents[2]
# Enough of the example to go through every stage.
FEW = (
    "sampling.calibration.split=train[:1000],sampling.calibration.examples=20,"
    "sampling.evaluation.split=test[:1000],sampling.evaluation.examples=300,"
    "baseline.latency.runs=20,evaluation.latency.runs=20"
)


# 'kedro package', with a builder that is here already: a fresh one would be downloaded.
PACKAGE = f"""
import subprocess, sys
from kedro.framework.cli import project
from kedro.framework.cli.cli import main

def call(command, cwd=None):
    if "build" in command:
        command = [{sys.executable!r}, *command[1:], "--no-isolation"]
    subprocess.run(command, cwd=cwd, check=True)

project.call = call
sys.argv = ["kedro", "package"]
main()
"""


class Installed:
    """A fresh environment with the wheel in it, and a project that it made."""

    def __init__(self, folder: Path, commands: Path) -> None:
        self.project = folder / "my_project"
        self.commands = commands

    def give(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Give a command without PYTHONPATH, and without anything of this environment."""
        environment = {
            name: value for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "KEDRO", "MLFLOW", "VIRTUAL_ENV"))
        }  # fmt: skip
        environment["PATH"] = f"{self.commands}:/usr/bin:/bin"
        return subprocess.run(
            [str(self.commands / arguments[0]), *arguments[1:]],
            cwd=cwd or self.project, env=environment, capture_output=True, text=True, check=False,
            timeout=400,
        )  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    committed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in committed:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    # From the source distribution, as 'python -m build' makes it: what that lacks is missed here.
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", source],
        capture_output=True, check=True,
    )  # fmt: skip
    (wheel,) = (folder / "dist").glob("*.whl")
    commands = fresh_environment.make(folder / "env", *fresh_environment.needed_by("quantline"))
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(commands / "python"), "install", "--quiet",
         "--no-deps", "--no-index", "--disable-pip-version-check", wheel],
        capture_output=True, check=True,
    )  # fmt: skip
    made = Installed(folder, commands)
    done = made.give("quantline", "new", "my_project", cwd=folder)
    assert done.returncode == 0, done.stderr
    return made


def test_the_example_runs(installed: Installed) -> None:
    code = "import quantline; print(quantline.__file__)"
    assert str(installed.commands.parent) in installed.give("python", "-c", code).stdout
    done = installed.give("kedro", "run", "--params", FEW)
    figures = installed.project / "data/08_reporting/key_figures.json"
    assert figures.is_file(), done.stderr
    assert json.loads(figures.read_text())["int8_top1"] > 0.8
    assert (installed.project / "mlflow.db").is_file()
    assert done.returncode in {0, 1}, done.stderr  # few examples may not do for the gate


def test_nodes_parameters_and_datasets_of_ones_own_run_beside(installed: Installed) -> None:
    project = installed.project
    (project / "src/my_project/nodes.py").write_text(
        "def lost(comparison, mine):\n"
        "    return {'too_many': comparison['top1_drop_points'] > mine['most_points']}\n"
    )
    registry = project / "src/my_project/pipeline_registry.py"
    registry.write_text(
        "from kedro.pipeline import Pipeline, node\n"
        "from my_project.nodes import lost\n"
        + registry.read_text().replace(
            '# "mine": Pipeline([...]),',
            '"mine": Pipeline([node(lost, ["comparison", "params:mine"], "lost", name="lost")]),',
        )
    )
    (project / "conf/base/parameters_mine.yml").write_text("mine:\n  most_points: 100.0\n")
    with (project / "conf/base/catalog.yml").open("a") as stream:
        stream.write(
            "lost:\n  type: quantline.datasets.JsonDataset\n"
            "  filepath: data/08_reporting/lost.json\n"
        )
    # Several pipelines, by a file.
    (project / "run.yml").write_text(f"run:\n  pipelines: [report, mine]\n  params: {FEW}\n")
    done = installed.give("kedro", "run", "--config", "run.yml")
    assert done.returncode == 0, done.stderr
    written = json.loads((project / "data/08_reporting/lost.json").read_text())
    assert written["too_many"] is False
    assert written["made_from"]["parameters"] == {"mine": {"most_points": 100.0}}


def test_a_packaged_project_runs_with_the_packaged_configuration(
    installed: Installed, tmp_path: Path
) -> None:
    project = installed.project
    done = installed.give("python", "-c", PACKAGE)
    assert done.returncode == 0, done.stderr
    (wheel,) = (project / "dist").glob("*.whl")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(installed.commands / "python"), "install",
         "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", wheel],
        capture_output=True, check=True,
    )  # fmt: skip
    (tmp_path / "data").symlink_to(project / "data")
    conf = project / "dist/conf-my_project.tar.gz"
    done = installed.give(
        "my_project", "--conf-source", str(conf), "--pipelines", "report,mine", "--params", FEW,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "top-1" in done.stdout
    assert "write_summary" not in done.stdout  # the log is on stderr
    assert "write_summary" in done.stderr
