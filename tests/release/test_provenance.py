"""The identity of a release: which changes make it another one, and which do not."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.release.candidates import TRAINED, candidate

from quantline.errors import MismatchError, ResultMissing
from quantline.files import sha256
from quantline.pipelines.release import RECORDED
from quantline.release.provenance import TIMED, identity, provenance, trained_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from quantline.release.tracking import Project

GATE: dict[str, Any] = {
    "verdict": "passed",
    "champion_version": 3,
    "rules": [
        {"rule": "against_champion.latency_growth", "limit": 0.1, "value": 0.05, "why": "5 %"}
    ],
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return candidate(tmp_path / "project", 1, {})


def read(project: Project) -> dict[str, Any]:
    names = ("summary", "manifest", "recipe", "float_import", "gate")
    return {name: json.loads(project.files[name].read_bytes()) for name in names}


def test_times_take_no_part(project: Project) -> None:
    before = identity(project.files, GATE)
    for name in TIMED & project.files.keys():
        project.files[name].write_text('{"latency_ms_p50": 7}')
    slower = {**GATE, "rules": [{**GATE["rules"][0], "value": 0.09, "why": "9 %"}]}
    assert identity(project.files, slower) == before
    assert TIMED <= set(RECORDED)


@pytest.mark.parametrize("name", ["manifest", "recipe", "float_import", "int8_model", "ranges"])
def test_every_other_file_does(project: Project, name: str) -> None:
    before = identity(project.files, GATE)
    project.files[name].write_bytes(project.files[name].read_bytes() + b"\n")
    assert identity(project.files, GATE) != before


@pytest.mark.parametrize(
    "other",
    [
        {**GATE, "champion_version": 4},
        {**GATE, "champion_version": None},
        {**GATE, "verdict": "refused"},
        {**GATE, "rules": [{**GATE["rules"][0], "limit": 0.2}]},
        {**GATE, "rules": []},
        {**GATE, "confidence": 0.9},
    ],
)
def test_another_champion_or_judgement_is_another_release(
    project: Project, other: dict[str, Any]
) -> None:
    assert identity(project.files, other) != identity(project.files, GATE)


def locked(project: Project, **out: Any) -> None:
    model = project.files["int8_model"].read_bytes()
    md5 = hashlib.md5(model, usedforsecurity=False).hexdigest()  # as DVC has it
    entry = {"path": "data/06_models/int8.tflite", "md5": md5, **out}
    text = yaml.safe_dump({"stages": {"conversion": {"outs": [{"path": "a", "md5": "b"}, entry]}}})
    (project.folder / "dvc.lock").write_text(text)


def lock_tag(project: Project) -> str | None:
    tags = provenance(read(project), project.files, project.folder)
    return tags.get("quantline.dvc_lock_sha256")


def test_the_lock_file_is_named_where_it_describes_the_model(project: Project) -> None:
    assert lock_tag(project) is None
    locked(project)
    assert lock_tag(project) == sha256((project.folder / "dvc.lock").read_bytes())
    locked(project, md5="0" * 32)
    assert lock_tag(project) is None, "it describes another model"
    locked(project, path="data/06_models/other.tflite")
    assert lock_tag(project) is None


@pytest.mark.parametrize(
    "text",
    ["", "locked", "[]", "{", "stages:", "stages: {conversion: {outs: {a: b}}}",
     "stages: {conversion: {outs: [{path: int8.tflite}]}}", "stages: {conversion: {outs: [7]}}",
     "stages: {conversion: {outs: [{path: 7, md5: a}]}}", "\xff"],
)  # fmt: skip
def test_a_lock_file_that_is_none_names_nothing(project: Project, text: str) -> None:
    (project.folder / "dvc.lock").write_bytes(text.encode("latin-1"))
    assert lock_tag(project) is None


def rewritten(project: Project) -> None:
    (project.folder / "trained.keras").write_bytes(TRAINED + b"more")


def removed(project: Project) -> None:
    (project.folder / "trained.keras").unlink()


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (rewritten, MismatchError, "changed since it was imported"),
        (removed, ResultMissing, "is not there to be recorded"),
    ],
)
def test_the_trained_model_must_be_the_one_that_was_imported(
    project: Project, change: Callable[[Any], None], error: Any, said: str
) -> None:
    imported = read(project)["float_import"]
    assert trained_model(imported, project.folder).read_bytes() == TRAINED
    change(project)
    with pytest.raises(error, match=f"'trained.keras' {said}.*`from_nodes=import_model`"):
        trained_model(imported, project.folder)


def test_a_trained_model_may_be_a_folder(project: Project) -> None:
    from quantline.files import sha256_of_path

    folder = project.folder / "saved_model"
    shutil.copytree(project.folder, project.folder.with_name("copy"))
    project.folder.with_name("copy").rename(folder)
    source = {"source": {"path": "saved_model", "sha256": sha256_of_path(folder)}}
    assert trained_model(source, project.folder) == folder
    (folder / "more").write_text("a")
    with pytest.raises(MismatchError):
        trained_model(source, project.folder)
