"""A new project: the repository's own files, whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from quantline import __version__
from quantline.errors import OutputNotWritten, ParameterError
from quantline.starter import create, create_project, logging_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_project(tmp_path_factory.mktemp("new") / "my-project").folder


def test_it_has_the_files_of_the_repository(made: Path) -> None:
    shared = [path for path in made.rglob("*") if path.is_file()]
    own = {"README.md", "pyproject.toml", "requirements.txt"}
    for path in shared:
        name = path.relative_to(made).as_posix()
        if name in own or name.startswith("src/") or name.endswith("dvc.yaml"):
            continue
        assert path.read_bytes() == (ROOT / name).read_bytes(), name
        assert path.stat().st_mode & 0o111 == (ROOT / name).stat().st_mode & 0o111, name


def test_it_has_all_of_the_data_that_is_committed(made: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "data", "conf/base", "schedules", ".dvc", ".dvcignore"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert [name for name in listed if not (made / name).is_file()] == []
    model = yaml.safe_load((made / "conf/base/parameters_baseline.yml").read_text())["model"]
    assert (made / model["path"]).is_file()


def test_its_package_is_called_as_the_folder_and_needs_this_version(made: Path) -> None:
    project = tomllib.loads((made / "pyproject.toml").read_text())
    assert project["tool"]["kedro"]["package_name"] == "my_project"
    assert (made / "src/my_project/settings.py").is_file()
    assert (made / "requirements.txt").read_text() == f"quantline=={__version__}\n"
    for path in (made / "src").rglob("*.py"):
        compile(path.read_text(), path, "exec")


@pytest.mark.parametrize("file", ["dvc.yaml", "compare/dvc.yaml"])
def test_its_stages_depend_on_the_installed_version(made: Path, file: str) -> None:
    stages = yaml.safe_load((made / file).read_text())["stages"]
    original = yaml.safe_load((ROOT / file).read_text())["stages"]
    assert set(stages) == set(original)
    for name, stage in stages.items():
        code = [item for item in stage["deps"] if item.startswith(("src/", "requirements"))]
        assert code == ["requirements.txt"], name
        assert set(original[name]["deps"]) - set(stage["deps"]) == {
            item for item in original[name]["deps"] if item.startswith("src/")
        }
        assert {**original[name], "deps": None} == {**stage, "deps": None}


def test_a_folder_that_is_empty_is_filled(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    made = create_project(tmp_path / "given", "called")
    assert (made.folder / "src/called/cli.py").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


def test_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, found in (("full", "notes.txt"), ("file", "a file"), ("link", "a link")):
        with pytest.raises(ParameterError, match="cannot be made") as raised:
            create_project(tmp_path / name)
        assert found in raised.value.found
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ParameterError, match="cannot be made"):
        create_project(".")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full", "here", "link"]


@pytest.mark.parametrize("name", ["1st", "né", "class", "json", "numpy", "quantline", "a+b", ""])
def test_a_name_that_no_package_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParameterError, match="cannot have this name") as raised:
        create_project(tmp_path / "sub" / name if name else Path("/"))
    assert "`package`" in raised.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputNotWritten, match="mine") as raised:
        create_project(tmp_path / "file" / "mine")
    assert "nothing was half-written" in raised.value.remedy


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def write(path: Path, content: bytes) -> int:
        if len(written) == 20:
            raise OSError(28, "No space left on device", str(path))
        written.append(path)
        with path.open("wb") as stream:
            return stream.write(content)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(OutputNotWritten, match="mine"):
        create_project(tmp_path / "mine")
    assert len(written) == 20
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from quantline.starter import create\n"
        "Path.replace = lambda *_: os._exit(9)\n"
        f"create.create_project({str(tmp_path / 'mine')!r})\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    (left,) = tmp_path.iterdir()
    assert left.name != "mine"
    long_ago = time.time() - 2 * create._ABANDONED_S
    os.utime(left, (long_ago, long_ago))
    create_project(tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_kedro_logs_to_stderr_outside_of_a_project() -> None:
    handlers: dict[str, Any] = yaml.safe_load(logging_settings().read_text())["handlers"]
    assert {handler["stream"] for handler in handlers.values()} == {"ext://sys.stderr"}
