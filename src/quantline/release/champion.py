"""The champion's files, as its run recorded them: what a candidate is compared with."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.errors import ChampionIncomplete
from quantline.files import canonical_json
from quantline.release.answers import MISSING, translated, unless
from quantline.release.registry import CHAMPION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.release.registry import Registry

VERSION = "champion.json"
TRAINED = "trained_model"


def fetch(registry: Registry, names: Sequence[str]) -> dict[str, bytes]:
    """Return files of the champion.

    Args:
        registry: The registered model.
        names: The file names of artifacts of the run that recorded it.

    Returns:
        The files by name, and ``champion.json`` with its version, run and tags; without a
        champion, nothing.

    Raises:
        TrackingFailed: The registry, or the store of its files, does not answer.
        ChampionIncomplete: Its run, or a file of it, was deleted.
    """
    with translated(f"read the champion of '{registry.name}'"):
        version = registry.version_of(CHAMPION)
    if version is None:
        return {}
    told = {
        "model": registry.name,
        "version": int(version.version),
        "run_id": version.run_id,
        "tags": dict(version.tags),
    }
    return {
        VERSION: canonical_json(told),
        **_artifacts(registry, version, names),
    }


def fetch_trained(registry: Registry) -> bytes:
    """Return the trained model that the champion was made from, a ``.keras`` file.

    Raises:
        TrackingFailed: The registry, or the store of its files, does not answer.
        VersionNotFound: There is no champion.
        ChampionIncomplete: The model is not there, or is no ``.keras`` file.
    """
    with translated(f"read the champion of '{registry.name}'"):
        version = registry.version_of(CHAMPION)
        if version is None:
            raise registry.not_found(CHAMPION)
        found = _listed(registry, version, TRAINED)
    name = next((each for each in found if each.endswith(".keras")), f"{TRAINED}/*.keras")
    return _artifacts(registry, version, [name], TRAINED)[name]


def _artifacts(
    registry: Registry, version: Any, names: Sequence[str], folder: str | None = None
) -> dict[str, bytes]:
    with (
        translated(f"fetch the champion of '{registry.name}'"),
        tempfile.TemporaryDirectory(prefix="quantline-") as temporary,
    ):
        there = _listed(registry, version, folder)
        missing = [name for name in names if name not in there]
        if missing:
            raise ChampionIncomplete(
                f"The champion of '{registry.name}', version {version.version}, is not complete",
                found=f"in its run {version.run_id} no {', '.join(missing)}",
                expected="the files that its release recorded",
                remedy="Restore the run and its artifacts; or roll back, or delete the alias "
                "'champion', to go on without this one",
            )
        get = registry.client.download_artifacts
        return {name: Path(get(version.run_id, name, temporary)).read_bytes() for name in names}


def _listed(registry: Registry, version: Any, folder: str | None) -> list[str]:
    with unless(MISSING):  # the run
        return [each.path for each in registry.client.list_artifacts(version.run_id, folder)]
    return []
