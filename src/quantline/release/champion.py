"""The champion's files as its run recorded them, which a candidate is compared with."""

from __future__ import annotations

import io
import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.errors import (
    QuantlineError,
    RegistryError,
    ResultError,
    first_line,
)
from quantline.evaluation.predict import SCHEMA, TASK
from quantline.files import canonical_json, sha256, sha256_of_files
from quantline.ranges import RangeSet
from quantline.release.flavor.log import saved_model_damage
from quantline.release.gate.evidence import VERSION, evaluation_sha256
from quantline.release.registry import (
    ARTIFACTS,
    CHAMPION,
    INT8_MODEL,
    SOURCE_MODEL,
)
from quantline.release.store_errors import MISSING, ignored, tracking_errors
from quantline.release.tracking import MODEL_ID
from quantline.temporary import temporary_folder
from quantline.tflite import read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quantline.release.registry import Registry

logger = logging.getLogger(__name__)

TRAINED = "trained_model"
_MODEL = "int8.tflite"
_REMEDY = (
    "Restore the run and its artifacts; or roll back ('quantline rollback'), or delete the alias "
    "'champion', to go on without this one"
)


def fetch(registry: Registry, names: Sequence[str]) -> dict[str, bytes]:
    """Return files of the champion, each checked against the hash that its release recorded.

    The saved model that is served is checked too, its code with it. Of a release without such
    hashes a warning says what cannot be checked.

    Args:
        registry: The registered model.
        names: The file names of artifacts of the run that recorded it.

    Returns:
        The files by name, and ``champion.json`` with its version, run and tags; without a
        champion, nothing.

    Raises:
        TrackingFailed: The registry, or the store of its files, does not answer.
        RegistryError: Its run, or a file of it, was deleted.
        RegistryError: A file is not the one that was recorded, or cannot be read.
    """
    with tracking_errors(f"read the champion of '{registry.name}'"):
        version = registry.version_of(CHAMPION)
    if version is None:
        return {}
    champion = {
        "model": registry.name,
        "version": int(version.version),
        "run_id": version.run_id,
        "tags": dict(version.tags),
    }
    files = _artifacts(registry, version, names)
    wrong = _wrong(registry, version, files)
    if INT8_MODEL in version.tags:
        with tracking_errors(f"fetch the champion of '{registry.name}'"):
            run = registry.client.get_run(version.run_id)
            served = saved_model_damage(
                registry.client, version.source, run.data.tags.get(MODEL_ID),
                version.tags[INT8_MODEL],
            )  # fmt: skip
        wrong += [f"in its saved model: {served}"] if served else []
    if wrong:
        raise _damaged(registry, version, wrong)
    return {VERSION: canonical_json(champion), **files}


def check_unchanged(registry: Registry, files: Mapping[str, bytes]) -> None:
    """Check that the files that a candidate was compared with are those of the champion.

    Where another version is champion by now, nothing is checked: to register the candidate fails.

    Args:
        registry: The registered model.
        files: What :func:`fetch` gave, as it lies on disk now.

    Raises:
        TrackingFailed: The registry does not answer.
        ResultError: A file has another hash than the champion's release recorded.
    """
    with tracking_errors(f"read the champion of '{registry.name}'"):
        version = registry.version_of(CHAMPION)
    if version is None or json.loads(files[VERSION])["version"] != int(version.version):
        return
    hashes = _hashes(registry, version)
    wrong = [
        _changed(name, content, hashes[name])
        for name, content in files.items()
        if name in hashes and sha256(content) != hashes[name]
    ]
    if wrong:
        raise ResultError(
            f"The candidate was not compared with the champion of '{registry.name}'",
            found="; ".join(wrong),
            expected=f"the files of version {version.version}, as its release recorded them",
            remedy="Run the pipeline with `from_nodes=fetch_champion`, which compares them anew",
        )


def fetch_trained(registry: Registry) -> bytes | dict[str, bytes]:
    """Return the trained model that the champion was made from.

    Returns:
        A file's bytes; of a SavedModel the bytes of each file by its path in the folder.

    Raises:
        TrackingFailed: The registry, or the store of its files, does not answer.
        RegistryError: There is no champion.
        RegistryError: The model is not there.
        RegistryError: It is not the model that was recorded.
    """
    with tracking_errors(f"read the champion of '{registry.name}'"):
        version = registry.version_of(CHAMPION)
        if version is None:
            raise registry.not_found(CHAMPION)
        found = _listed(registry, version, TRAINED)
    keras = next((path for path in found if path.endswith(".keras")), f"{TRAINED}/*.keras")
    name = found[0] if len(found) == 1 else keras
    content: bytes | dict[str, bytes]
    content = _artifacts(registry, version, [name], TRAINED, or_folders=True)[name]
    expected = version.tags.get(SOURCE_MODEL)
    digest = sha256_of_files(content) if isinstance(content, dict) else sha256(content)
    if expected is None:
        _warn(registry, version, [name])
    elif digest != expected:
        raise _damaged(registry, version, [_other(name, digest, expected)])
    return content


def _wrong(registry: Registry, version: Any, files: Mapping[str, bytes]) -> list[str]:
    """Return what is wrong with the files, a phrase each."""
    hashes = _hashes(registry, version)
    wrong = []
    for name, content in files.items():
        if name in hashes and sha256(content) != hashes[name]:
            wrong.append(_changed(name, content, hashes[name]))
        elif name in _READERS:
            wrong += _unreadable(name, content)
    unchecked = [name for name in files if name not in hashes]
    if unchecked:
        _warn(registry, version, unchecked)
    return wrong


def _hashes(registry: Registry, version: Any) -> dict[str, str]:
    """Return the hashes that the release recorded, by name."""
    hashes: dict[str, str] = {}
    try:
        hashes = dict(json.loads(version.tags.get(ARTIFACTS, "{}")))
    except (ValueError, TypeError, RecursionError) as error:
        said = f"its tag '{ARTIFACTS}' holds no hashes ({first_line(error)})"
        raise _damaged(registry, version, [said]) from error
    if INT8_MODEL in version.tags:
        hashes[_MODEL] = version.tags[INT8_MODEL]
    for name, value in hashes.items():
        if not (isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value)):
            said = f"its tags have {value!r:.40} for the SHA-256 of '{name}'"
            raise _damaged(registry, version, [said])
    return hashes


def _predictions(content: bytes) -> None:
    import pyarrow.parquet as pq

    found = pq.read_table(io.BytesIO(content)).schema
    if TASK.encode() in (found.metadata or {}):
        return  # those of other tasks are made anew
    if any(found.field(field.name).type != field.type for field in SCHEMA):
        raise ValueError(f"columns {', '.join(found.names)}")


# What reads the files that the gate compares, so that what is no such file is champion here.
_READERS: dict[str, Callable[[bytes], object]] = {
    _MODEL: lambda content: read(content, "the champion"),
    "int8_predictions.parquet": _predictions,
    "manifest.json": lambda content: evaluation_sha256(json.loads(content)),
    "ranges.json": lambda content: RangeSet.from_dict(json.loads(content)),
}


def _unreadable(name: str, content: bytes) -> list[str]:
    try:
        _READERS[name](content)
    except Exception as error:  # every format has its own errors for a damaged file
        said = error.found if isinstance(error, QuantlineError) else first_line(error)
        return [f"'{name}' cannot be read ({said})"]
    return []


def _changed(name: str, content: bytes, expected: str) -> str:
    return _other(name, sha256(content), expected)


def _other(name: str, digest: str, expected: str) -> str:
    return f"'{name}' has the SHA-256 {digest[:12]}, not {expected[:12]}"


def _warn(registry: Registry, version: Any, names: Sequence[str]) -> None:
    logger.warning(
        "The champion of '%s', version %s, was released without hashes of %s: whether they are "
        "what was recorded cannot be checked", registry.name, version.version, ", ".join(names),
    )  # fmt: skip


def _damaged(registry: Registry, version: Any, wrong: Sequence[str]) -> RegistryError:
    return RegistryError(
        f"The champion of '{registry.name}', version {version.version}, is damaged",
        found=f"of its run {version.run_id}: {'; '.join(wrong)}",
        expected="the files that its release recorded",
        remedy=_REMEDY,
    )


def _artifacts(
    registry: Registry,
    version: Any,
    names: Sequence[str],
    folder: str | None = None,
    *,
    or_folders: bool = False,
) -> dict[str, Any]:
    with (
        tracking_errors(f"fetch the champion of '{registry.name}'"),
        temporary_folder() as temporary,
    ):
        there = _listed(registry, version, folder)
        missing = [name for name in names if name not in there]
        if missing:
            raise RegistryError(
                f"The champion of '{registry.name}', version {version.version}, is not complete",
                found=f"in its run {version.run_id} no {', '.join(missing)}",
                expected="the files that its release recorded",
                remedy=_REMEDY,
            )
        get = registry.client.download_artifacts
        paths = {name: Path(get(version.run_id, name, str(temporary))) for name in names}
        folders = [f"'{name}' is a folder" for name, path in paths.items() if path.is_dir()]
        if folders and not or_folders:
            raise _damaged(registry, version, folders)
        return {name: _read(path) for name, path in paths.items()}


def _read(path: Path) -> bytes | dict[str, bytes]:
    if path.is_file():
        return path.read_bytes()
    files = (file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def _listed(registry: Registry, version: Any, folder: str | None) -> list[str]:
    with ignored(MISSING):  # the run
        return [
            artifact.path for artifact in registry.client.list_artifacts(version.run_id, folder)
        ]
    return []
