"""The release of a candidate: recorded and, if it passed its gate, registered and promoted."""

from __future__ import annotations

import logging
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline import recipe
from quantline.errors import CheckFailed, RegistryError, first_line
from quantline.files import canonical_json
from quantline.redaction import redacted_values
from quantline.release.flavor.log import link_version, saved_model_damage
from quantline.release.promotion import Candidate, publish
from quantline.release.record import Recorded, record
from quantline.release.registry import (
    CHALLENGER,
    CHAMPION,
    INT8_MODEL,
    RELEASE,
    Registry,
)
from quantline.release.store_errors import tracking_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.release.tracking import Project, Store


logger = logging.getLogger(__name__)

# What may become of a candidate.
PROMOTED, WAITING, SUPERSEDED = "promoted", "waiting", "superseded"
UNCHANGED, REFUSED = "unchanged", "refused"

_SUMMARIES = {
    PROMOTED: "{model}: version {version} is the champion",
    WAITING: "{model}: version {version} is the challenger; 'quantline promote' approves it",
    SUPERSEDED: "{model}: version {version} was released before, and others followed it",
    UNCHANGED: "{model}: the candidate is version {version}, the champion, byte for byte",
}


def summary_line(outcome: Mapping[str, Any]) -> str:
    """Return the outcome of a candidate that passed, as one line."""
    return _SUMMARIES[outcome["outcome"]].format(**outcome)


def refusal(outcome: Mapping[str, Any]) -> CheckFailed:
    """Return the error for a candidate that did not pass its gate."""
    more = "more examples, " if outcome["verdict"] == "undecided" else ""
    helps = "".join(f"{advice}. " for advice in outcome.get("advice", [])[:1])
    return CheckFailed(
        f"The candidate is {outcome['verdict']}, and '{outcome['model']}' stays as it is",
        found=" ".join(outcome["why"]),
        expected="a candidate that keeps every rule of `gate`",
        remedy=f"{helps}Take {more}another model, or change the rules of `gate`; gate.json "
        f"has every rule, and the MLflow run {outcome['run_id']} everything else",
    )


def notify(settings: recipe.Release, values: Mapping[str, Any]) -> None:
    """Run the user's command with values as JSON on its standard input, if there is one.

    Whatever becomes of it changes nothing of the release: it is a warning.

    Args:
        settings: ``notify``, the command line, split as a shell would, and its time limit.
        values: What it gets on its standard input, without the passwords in it.
    """
    if settings.notify is None:
        return
    try:
        subprocess.run(  # noqa: S603 - the user's own command
            shlex.split(settings.notify), input=canonical_json(redacted_values(values)), check=True,
            timeout=settings.notify_timeout_s, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip()
        last = f"; it said: {said.splitlines()[-1]}" if said else ""
        logger.warning("The command `notify` failed: %s%s", first_line(error), last)


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
    recorded = record(store, project, parameters, labels, name, settings.tags)
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
                card=recorded.card,
            ),
            promote=settings.promotion == "at_once",
        )
        link_version(store.client, recorded.model_id, version)
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
