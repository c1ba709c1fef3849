"""A release: everything recorded, and what passed its gate registered and promoted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.release.answers import translated
from quantline.release.outcome import PROMOTED, REFUSED, SUPERSEDED, UNCHANGED, WAITING
from quantline.release.promotion import Candidate, publish
from quantline.release.record import Recorded, record
from quantline.release.registry import CHALLENGER, CHAMPION, INT8_MODEL, RELEASE, Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline import recipe
    from quantline.release.project import Project
    from quantline.release.tracking import Store


def release(
    store: Store,
    project: Project,
    parameters: Mapping[str, Any],
    settings: recipe.Release,
) -> dict[str, Any]:
    """Record a candidate, and register it if it passed its gate.

    Run again from the same files, after whatever ended it, it completes what was begun.

    Args:
        store: The tracking store.
        project: The project, with the files that the stages wrote.
        parameters: The parameters that the results were made with.
        settings: The labels, and whether it is promoted at once.

    Returns:
        ``outcome`` (``promoted``; ``waiting`` for approval; ``superseded``, where it was released
        before and another followed; ``unchanged``, where it is the champion's model byte for byte;
        ``refused``), ``verdict``, ``why`` (each rule that did not
        pass, with its reason), ``model``, ``version`` (null where none was registered), ``run_id``
        and ``release_id``.

    Raises:
        TrackingFailed: The store or the registry does not take it.
        RegistryBusy: Another run was writing to the registry all the time.
        ChampionChanged: The champion is no longer the one that the candidate was compared with.
    """
    labels = None if settings.labels is None else Path(settings.labels)
    recorded = record(store, project, parameters, labels)
    gate = recorded.gate
    name = settings.model or gate["model"]
    result = {
        "model": name,
        "verdict": gate["verdict"],
        "why": gate["reasons"],
        "run_id": recorded.run_id,
        "release_id": recorded.release_id,
    }
    if gate["verdict"] != "passed":
        return {**result, "outcome": REFUSED, "version": None}
    registry = Registry(store.client, name)
    with translated(f"register the candidate as '{name}'"):
        champion = registry.version_of(CHAMPION)
        if champion is not None and _is_same_model(champion, recorded):
            return {**result, "outcome": UNCHANGED, "version": int(champion.version)}
        version = publish(
            registry,
            Candidate(
                release_id=recorded.release_id,
                source=store.client.get_logged_model(recorded.model_id).artifact_location,
                run_id=recorded.run_id,
                model_id=recorded.model_id,
                compared_with=gate["champion_version"],
                tags=recorded.tags,
            ),
            promote=settings.promotion == "at_once",
        )
    return {**result, "outcome": _outcome(version), "version": int(version.version)}


def _outcome(version: Any) -> str:
    if CHAMPION in version.aliases:
        return PROMOTED
    return WAITING if CHALLENGER in version.aliases else SUPERSEDED


def _is_same_model(champion: Any, recorded: Recorded) -> bool:
    """Whether another release made the champion, and of the same bytes."""
    if champion.tags.get(RELEASE) == recorded.release_id:
        return False
    return bool(champion.tags.get(INT8_MODEL) == recorded.tags[INT8_MODEL])
