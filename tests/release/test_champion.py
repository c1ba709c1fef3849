"""The champion's files as they are fetched: whole, damaged, another's, of an older release."""

from __future__ import annotations

import json
import logging
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.release.candidates import TRAINED
from tests.release.released import Desk

from quantline.errors import (
    RegistryError,
    ResultError,
)
from quantline.evaluation.predict import SCHEMA
from quantline.files import canonical_json, sha256, sha256_of_files
from quantline.ranges import RangeSet
from quantline.release.champion import check_unchanged, fetch, fetch_trained
from quantline.release.registry import ARTIFACTS, CHAMPION, INT8_MODEL, SOURCE_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMES = ("int8.tflite", "int8_predictions.parquet", "manifest.json", "ranges.json")
EXAMPLES = [{"id": "a", "label": 1, "sha256": "0" * 64}]


def complete(project: Any) -> None:
    """Write what a gate reads of a champion as the stages write it."""
    manifest = json.loads(project.files["manifest"].read_bytes())
    manifest["evaluation"]["examples"] = EXAMPLES
    project.files["manifest"].write_bytes(canonical_json(manifest))
    project.files["ranges"] = project.folder / "ranges.json"
    recipe = json.loads(project.files["recipe"].read_bytes())
    ranges = RangeSet((), 1, recipe["float_model_sha256"], ("c" * 64,), {})
    project.files["ranges"].write_bytes(canonical_json(ranges.to_dict()))
    project.files["int8_predictions"] = project.folder / "int8_predictions.parquet"
    pq.write_table(SCHEMA.empty_table(), project.files["int8_predictions"])


@pytest.fixture(scope="module")
def desk(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A store with a champion whose run has all that a gate reads."""
    folder = tmp_path_factory.mktemp("champion")
    (folder / "mlflow.db").write_bytes(empty_store.read_bytes())
    desk = Desk(folder, f"sqlite:///{folder / 'mlflow.db'}", "shirts")
    kept = (folder / "kept").as_uri()
    desk.registry.client.create_experiment(desk.name, artifact_location=kept)

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert desk.release(1, complete=complete)["outcome"] == "promoted"
        yield desk


@pytest.fixture
def version(desk: Desk) -> Any:
    return desk.registry.version_of(CHAMPION)


def artifact(desk: Desk, version: Any, name: str) -> Path:
    run = desk.registry.client.get_run(version.run_id)
    return Path(run.info.artifact_uri.removeprefix("file://")) / name


@contextmanager
def changed(path: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    whole = path.read_bytes()
    path.write_bytes(change(whole))
    try:
        yield
    finally:
        path.write_bytes(whole)


def always(content: bytes) -> Callable[[bytes], bytes]:
    return lambda _: content


@contextmanager
def tagged(desk: Desk, version: Any, **tags: str | None) -> Iterator[None]:
    """Give the champion other tags, or none where the value is None."""
    client, number = desk.registry.client, version.version
    names = {"artifacts": ARTIFACTS, "int8": INT8_MODEL, "source": SOURCE_MODEL}
    for short, value in tags.items():
        if value is None:
            client.delete_model_version_tag(desk.name, number, names[short])
        else:
            client.set_model_version_tag(desk.name, number, names[short], value)
    try:
        yield
    finally:
        for short in tags:
            client.set_model_version_tag(
                desk.name, number, names[short], version.tags[names[short]]
            )


def flipped(content: bytes) -> bytes:
    """Change 800 bytes in the middle, of which the file stays a file of its kind."""
    middle = max(len(content) // 2 - 400, 0)
    return content[:middle] + bytes(item ^ 1 for item in content[middle : middle + 800]) + (
        content[middle + 800 :]
    )  # fmt: skip


def test_a_whole_champion_is_fetched_without_a_word(
    desk: Desk, version: Any, caplog: pytest.LogCaptureFixture
) -> None:
    files = fetch(desk.registry, NAMES)
    told = json.loads(files.pop("champion.json"))
    assert (told["version"], told["run_id"]) == (1, version.run_id)
    assert files == {name: artifact(desk, version, name).read_bytes() for name in NAMES}
    assert fetch_trained(desk.registry) == TRAINED
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_what_a_candidate_was_compared_with_is_checked_once_more(desk: Desk) -> None:
    files = fetch(desk.registry, NAMES)
    check_unchanged(desk.registry, files)
    for name in NAMES:
        with pytest.raises(ResultError, match=f"'{name}' has the SHA-256") as error:
            check_unchanged(desk.registry, {**files, name: flipped(files[name])})
        assert "`from_nodes=fetch_champion`" in error.value.remedy
    about = canonical_json({"model": "shirts", "version": 7})
    other = {**files, "champion.json": about, NAMES[0]: flipped(files[NAMES[0]])}
    check_unchanged(desk.registry, other)  # of a former champion the registration says so


def test_without_a_champion_there_is_nothing(desk: Desk) -> None:
    registry = type(desk.registry)(desk.registry.client, "trousers")
    assert fetch(registry, NAMES) == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_file_is_told_and_how_to_go_on(desk: Desk, version: Any, name: str) -> None:
    path = artifact(desk, version, name)
    with changed(path, flipped), pytest.raises(RegistryError) as caught:
        fetch(desk.registry, NAMES)
    said = str(caught.value)
    assert said.startswith("The champion of 'shirts', version 1, is damaged.")
    assert f"of its run {version.run_id}: '{name}' has the SHA-256" in said
    assert f"not {sha256(path.read_bytes())[:12]}" in said
    assert "Restore the run and its artifacts; or roll back" in said
    assert "delete the alias" in said


def test_the_trained_model_is_checked(desk: Desk, version: Any) -> None:
    path = artifact(desk, version, "trained_model/trained.keras")
    with (
        changed(path, flipped),
        pytest.raises(RegistryError, match=r"trained\.keras' has the SH"),
    ):
        fetch_trained(desk.registry)


def test_a_trained_model_may_be_a_folder(desk: Desk, version: Any) -> None:
    path = artifact(desk, version, "trained_model/trained.keras")
    files = {"saved_model.pb": b"graph", "variables/variables.index": b"index"}
    whole, folder = path.read_bytes(), path.with_name("trained")
    path.unlink()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    try:
        with tagged(desk, version, source=sha256_of_files(files)):
            assert fetch_trained(desk.registry) == files
            (folder / "saved_model.pb").write_bytes(b"another")
            with pytest.raises(RegistryError, match="'trained_model/trained' has the SHA-256"):
                fetch_trained(desk.registry)
    finally:
        shutil.rmtree(folder)
        path.write_bytes(whole)


def test_a_missing_file_and_a_folder_in_its_place(desk: Desk, version: Any) -> None:
    path = artifact(desk, version, "ranges.json")
    away = path.rename(path.with_name("away"))
    try:
        with pytest.raises(RegistryError, match=r"no ranges\.json.*roll back"):
            fetch(desk.registry, NAMES)
        path.mkdir()
        (path / "inside").write_text("a")
        with pytest.raises(RegistryError, match=r"'ranges\.json' is a folder"):
            fetch(desk.registry, NAMES)
        (path / "inside").unlink()
        path.rmdir()
    finally:
        away.rename(path)


NO_FILES = {
    "int8.tflite": [b"", b"no model"],
    "int8_predictions.parquet": [b"", b"PAR1"],
    "manifest.json": [b"", b"{", b"[]", b"null", b"{}", b'{"evaluation": {"examples": [1]}}',
                      b"[" * 5000],
    "ranges.json": [b"", b"[]", b"null", b"{}", b'{"tensors": null}', b'{"tensors": [{}]}'],
}  # fmt: skip


@pytest.mark.parametrize("name", NO_FILES)
def test_without_hashes_what_is_no_such_file_is_told(
    desk: Desk, version: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As of an older release, whose other files are let pass with a warning."""
    with tagged(desk, version, artifacts=None, int8=None):
        assert set(fetch(desk.registry, NAMES)) == {*NAMES, "champion.json"}
        assert f"was released without hashes of {', '.join(NAMES)}" in caplog.text
        for content in NO_FILES[name]:
            with (
                changed(artifact(desk, version, name), always(content)),
                pytest.raises(RegistryError, match=f"'{name}' cannot be read"),
            ):
                fetch(desk.registry, NAMES)


def test_predictions_of_other_columns(desk: Desk, version: Any) -> None:
    path = artifact(desk, version, "int8_predictions.parquet")
    whole = path.read_bytes()
    try:
        with tagged(desk, version, artifacts=None):
            for table in (pa.table({"id": ["a"]}), pa.table({n: ["a"] for n in SCHEMA.names})):
                pq.write_table(table, path)
                with pytest.raises(RegistryError, match=r"parquet' cannot be read"):
                    fetch(desk.registry, NAMES)
    finally:
        path.write_bytes(whole)


def test_an_older_release_is_still_checked_by_its_model(desk: Desk, version: Any) -> None:
    with (
        tagged(desk, version, artifacts=None),
        changed(artifact(desk, version, "int8.tflite"), flipped),
        pytest.raises(RegistryError, match=r"'int8\.tflite' has the SHA-256"),
    ):
        fetch(desk.registry, NAMES)


def test_a_trained_model_of_an_older_release(
    desk: Desk, version: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with tagged(desk, version, source=None):
        assert fetch_trained(desk.registry) == TRAINED
    assert "without hashes of trained_model/trained.keras" in caplog.text


@pytest.mark.parametrize("tag", ["{", "null", "[1]", '{"manifest.json": null}', '{"a": "b"}'])
def test_a_tag_that_holds_no_hashes(desk: Desk, version: Any, tag: str) -> None:
    with tagged(desk, version, artifacts=tag), pytest.raises(RegistryError, match=r"tag"):
        fetch(desk.registry, NAMES)


def stored(version: Any) -> Path:
    return Path(version.source.removeprefix("file://"))


def test_an_edited_loader_is_found_at_the_next_gate(desk: Desk, version: Any) -> None:
    (loader,) = stored(version).glob("code/*/loader.py")
    with changed(loader, lambda content: content + b"\n# edited\n"):
        with pytest.raises(RegistryError, match=r"saved model: 'code/\w+/loader\.py' has the SHA"):
            fetch(desk.registry, NAMES)
        with pytest.raises(RegistryError, match=r"loader\.py' has the SHA.*mlflow runs delete"):
            desk.release(1, complete=complete)
        # Together with its hash in MLmodel: that has a hash too, in the database.
        mlmodel = stored(version) / "MLmodel"
        before = sha256(loader.read_bytes().removesuffix(b"\n# edited\n")).encode()
        after = sha256(loader.read_bytes()).encode()
        with (
            changed(mlmodel, lambda content: content.replace(before, after)),
            pytest.raises(RegistryError, match=r"saved model: 'MLmodel' has the SHA-256"),
        ):
            fetch(desk.registry, NAMES)


def test_compiled_code_in_the_store_is_found(desk: Desk, version: Any) -> None:
    (loader,) = stored(version).glob("code/*/loader.py")
    cache = loader.parent / "__pycache__"
    cache.mkdir()
    (cache / "loader.cpython-311.pyc").write_bytes(b"any")
    try:
        with pytest.raises(RegistryError, match=r"compiled code that was not.*311\.pyc"):
            fetch(desk.registry, NAMES)
    finally:
        (cache / "loader.cpython-311.pyc").unlink()
        cache.rmdir()


def test_a_saved_model_that_is_gone(desk: Desk, version: Any) -> None:
    folder = stored(version)
    away = folder.rename(folder.with_name("away"))
    try:
        with pytest.raises(RegistryError, match="in its saved model: "):
            fetch(desk.registry, NAMES)
    finally:
        away.rename(folder)
    assert os.listdir(folder)
