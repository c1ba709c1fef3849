"""Start-up stays quick, and the lower floor stands without the upper one."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import quantline

# One line a package of the lower floor; 'release' and all above it may know Kedro and MLflow.
LOWER = (
    "api", "arguments", "child", "contract", "edgetpu", "error_output", "errors", "evaluation",
    "files", "lineage", "loading", "metrics", "progress", "quantization", "quiet",
    "range_methods", "ranges", "reading", "recipe", "redaction", "registry", "report", "results",
    "run_lock", "sampling", "starter", "stats", "tables", "tasks", "temporary", "tflite",
    "training", "user_code",
)  # fmt: skip
UPPER = {
    "__main__", "cli", "commands", "configuration", "datasets", "hooks", "interpolation",
    "packaged", "pipeline_registry", "pipelines", "project_files", "release", "settings",
}  # fmt: skip
HEAVY = {"tensorflow", "keras", "mlflow", "tensorflow_datasets", "matplotlib"}


def loaded_by(code: str) -> set[str]:
    """Run code in a fresh interpreter and return the top-level packages it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stdout.split()}


def modules(*packages: str) -> list[str]:
    """Return the packages and every module below them."""
    found = []
    for package in packages:
        found.append(f"quantline.{package}")
        folder = [f"{quantline.__path__[0]}/{package}"]
        found += [name for _, name, _ in pkgutil.walk_packages(folder, f"quantline.{package}.")]
    return found


def test_every_part_is_on_a_floor() -> None:
    parts = {module.name for module in pkgutil.iter_modules(quantline.__path__)}
    assert parts == {*LOWER, *UPPER}


def test_importing_the_package_loads_nothing_heavy() -> None:
    third_party = loaded_by("import quantline") & {*HEAVY, "numpy", "kedro", "dvc", "pydantic"}
    assert third_party == set()


def test_importing_the_whole_lower_floor_loads_nothing_heavy() -> None:
    code = "\n".join(f"import {name}" for name in modules(*LOWER))
    assert loaded_by(code) & HEAVY == set()


def test_the_lower_floor_loads_where_kedro_mlflow_and_dvc_are_not_installed() -> None:
    code = (
        "import sys\n"
        "for name in ('kedro', 'mlflow', 'dvc'):\n"
        "    sys.modules[name] = None  # importing it now raises ImportError\n"
    )
    code += "\n".join(f"import {name}" for name in modules(*LOWER))
    assert "quantline" in loaded_by(code)


@pytest.mark.parametrize("name", ["quantline.cli", "quantline.datasets"])
def test_the_guard_above_bites_where_kedro_is_used(name: str) -> None:
    with pytest.raises(AssertionError, match="kedro"):
        loaded_by(f"import sys; sys.modules['kedro'] = None; import {name}")


def test_importing_the_gate_changes_no_environment_variable() -> None:
    code = """import os
for name in [name for name in os.environ if name.startswith("MLFLOW")]:
    del os.environ[name]
before = dict(os.environ)
import quantline.release.gate
assert dict(os.environ) == before, os.environ"""
    loaded_by(code)
