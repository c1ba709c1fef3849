"""The release of a candidate: recorded and, if it passed its gate, registered and promoted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline import recipe
from quantline.errors import RegistryError
from quantline.release.outcome import PROMOTED, REFUSED, SUPERSEDED, UNCHANGED, WAITING
from quantline.release.promotion import Candidate, publish
from quantline.release.record import Recorded, record
from quantline.release.registry import CHALLENGER, CHAMPION, INT8_MODEL, RELEASE, Registry
from quantline.release.store_errors import tracking_errors
from quantline.release.stored import saved_model_damage

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        RegistryError: Another run was writing to the registry all the time.
        RegistryError: The champion is no longer the one that the candidate was compared with.
        RegistryError: What the store has of the model is not what was saved.
    """
    name = settings.name(recipe.check(recipe.Model, parameters["model"]))
    labels = None if settings.labels is None else Path(settings.labels)
    recorded = record(store, project, parameters, labels, name)
    gate = recorded.gate
    result = {
        "model": name,
        "verdict": gate["verdict"],
        "why": gate["reasons"],
        "advice": gate.get("advice", []),
        "run_id": recorded.run_id,
        "release_id": recorded.release_id,
    }
    if gate["verdict"] != "passed":
        return {**result, "outcome": REFUSED, "version": None}
    registry = Registry(store.client, name)
    with tracking_errors(f"register the candidate as '{name}'"):
        champion = registry.version_of(CHAMPION)
        if champion is not None and _is_same_model(champion, recorded):
            return {**result, "outcome": UNCHANGED, "version": int(champion.version)}
        source = store.client.get_logged_model(recorded.model_id).artifact_location
        _check_saved(store, recorded, source)
        version = publish(
            registry,
            Candidate(
                release_id=recorded.release_id,
                source=source,
                run_id=recorded.run_id,
                model_id=recorded.model_id,
                compared_with=gate["champion_version"],
                tags=recorded.tags,
            ),
            promote=settings.promotion == "at_once",
        )
    return {**result, "outcome": _outcome(version), "version": int(version.version)}


def _check_saved(store: Store, recorded: Recorded, source: str) -> None:
    """Refuse to register a model whose files in the store are damaged."""
    wrong = saved_model_damage(store.client, source, recorded.model_id, recorded.tags[INT8_MODEL])
    if wrong:
        raise RegistryError(
            f"The model that the run {recorded.run_id} recorded is damaged, and is not registered",
            found=wrong,
            expected=f"the files that were saved in '{source}'",
            remedy=f"Run 'mlflow runs delete --run-id {recorded.run_id}', then the "
            "pipeline with `pipelines=release`, which records it anew",
        )


def _outcome(version: Any) -> str:
    if CHAMPION in version.aliases:
        return PROMOTED
    return WAITING if CHALLENGER in version.aliases else SUPERSEDED


def _is_same_model(champion: Any, recorded: Recorded) -> bool:
    """Return True if the champion has the same bytes and was made by another release."""
    if champion.tags.get(RELEASE) == recorded.release_id:
        return False
    return bool(champion.tags.get(INT8_MODEL) == recorded.tags[INT8_MODEL])
