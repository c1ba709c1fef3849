"""What holds for the project's files as a whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from quantline.pipeline_registry import STAGES
from quantline.recipe import BLOCKS, check_all

PROJECT = Path(__file__).resolve().parents[1]


def committed() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    return [PROJECT / name for name in listed.split("\0") if name and (PROJECT / name).is_file()]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-docs.lock"])
def test_a_lock_file_holds_names_and_versions_only(name: str) -> None:
    lines = (PROJECT / name).read_text().splitlines()
    assert len(lines) > 20
    assert [line for line in lines if not re.fullmatch(r"[\w.\-]+==[\w.!+\-]+", line)] == []


def test_no_committed_text_names_a_machine_or_an_index() -> None:
    index = re.compile(r"pypi\.org|pythonhosted|deb\.debian|--(extra-)?index-url|/opt/pypi")
    folder = re.compile(r"(?<![\w.])/(work|root|home)/")
    found = []
    for path in committed():
        if path.is_relative_to(PROJECT / "data/01_raw") or path == Path(__file__):
            continue
        content = path.read_bytes()
        if b"\0" not in content and any(item.search(content.decode()) for item in (index, folder)):
            found.append(path.relative_to(PROJECT).as_posix())
    assert found == []


def test_nothing_large_or_local_is_committed() -> None:
    names = [path.relative_to(PROJECT).as_posix() for path in committed()]
    assert not [name for name in names if re.search(r"\.db$|mlruns|mlartifacts|\.venv|\.pyc", name)]
    outside = [path for path in committed() if not path.is_relative_to(PROJECT / "data/01_raw")]
    sizes = {path.relative_to(PROJECT).as_posix(): path.stat().st_size for path in outside}
    assert sizes.pop("data/06_models/fashion_mnist.keras") <= 2_000_000
    assert max(sizes.values()) < 1_000_000


def test_telemetry_is_off() -> None:
    assert yaml.safe_load((PROJECT / ".telemetry").read_text()) == {"consent": False}
    assert "analytics = false" in (PROJECT / ".dvc/config").read_text()
    names = ("MLFLOW_DISABLE_TELEMETRY", "KEDRO_DISABLE_TELEMETRY")
    clean = {key: value for key, value in os.environ.items() if key not in names}
    script = (
        f"import os, quantline.settings; assert all(os.environ[name] == 'true' for name in {names})"
    )
    subprocess.run([sys.executable, "-c", script], env=clean, check=True)


def test_parameters_are_named_after_stages_and_hold() -> None:
    merged: dict[str, Any] = {}
    for path in sorted((PROJECT / "conf/base").glob("parameters*.yml")):
        assert path.stem.removeprefix("parameters_") in {*STAGES, "limits", "task"}
        values = yaml.safe_load(path.read_text())
        assert not set(values) & set(merged)
        merged |= values
    check_all(merged)
    assert set(merged) == set(BLOCKS)


def test_the_readme_shows_commands_that_exist() -> None:
    readme = (PROJECT / "README.md").read_text()
    makefile = (PROJECT / "Makefile").read_text()
    targets = set(re.findall(r"^make (\w+)", readme, re.MULTILINE))
    assert targets == {"run", "test"}
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    for link in re.findall(r"\]\(([\w./-]+)\)", readme):
        assert (PROJECT / link).is_file(), link


def test_the_commit_hooks_run_the_commands_of_make_lint() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    recipe = re.search(r"^lint: .*\n((?:\t.+\n)+)", makefile, re.MULTILINE)
    assert recipe
    hooks = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    entries = [hook["entry"].removeprefix(".venv/bin/") for hook in hooks]
    assert entries == [line.strip() for line in recipe[1].splitlines()]


def test_continuous_integration_covers_the_declared_versions_of_python() -> None:
    workflow = yaml.safe_load((PROJECT / ".github/workflows/ci.yml").read_text())
    tested = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    declared = [line.rpartition(":: ")[2] for line in project["classifiers"] if ":: 3." in line]
    assert tested == declared
    assert project["requires-python"] == f">={declared[0]}"


def test_every_local_link_of_a_page_leads_to_a_file() -> None:
    broken = []
    for page in (path for path in committed() if path.suffix == ".md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(PROJECT)}: {target}")
    assert broken == []


def test_the_site_has_every_page_of_the_documentation() -> None:
    def pages(entry: Any) -> list[str]:
        values = entry.values() if isinstance(entry, dict) else entry
        return (
            [entry] if isinstance(entry, str) else [page for item in values for page in pages(item)]
        )

    listed = pages(yaml.safe_load((PROJECT / "mkdocs.yml").read_text())["nav"])
    assert sorted(listed) == sorted(path.name for path in (PROJECT / "docs").glob("*.md"))
