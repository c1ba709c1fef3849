"""Registering, promoting and rolling back: each can be run again after a crash at any point.

What was done is found by the tags of the version, and the rest follows. All writing happens under
the lock of the model, so that of two runs at once the second sees what the first one did.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quantline.errors import RegistryError
from quantline.release.lock import Lock, registry_lock
from quantline.release.registry import (
    CHALLENGER,
    CHAMPION,
    COMPARED_WITH,
    INT8_MODEL,
    NONE,
    PREVIOUS,
    PROMOTED,
    REASON,
    RELEASE,
    ROLLED_BACK,
    Registry,
)
from quantline.release.store_errors import MISSING, ignored

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model that passed its gate, logged with all its files.

    Attributes:
        release_id: What it is known by when the same release is run again.
        source: The URI of its files.
        run_id: The MLflow run that recorded it.
        model_id: The id of its logged model; None where it has none.
        compared_with: The version of the champion that the gate compared it with; None without one.
        tags: Further tags of its version; INT8_MODEL, the SHA-256 of its bytes, among them.
        card: The description of its version, Markdown.
    """

    release_id: str
    source: str
    run_id: str
    model_id: str | None
    compared_with: int | None
    tags: Mapping[str, str] = field(default_factory=dict)
    card: str = ""


def publish(registry: Registry, candidate: Candidate, *, promote: bool) -> Any:
    """Register a candidate as a version, as challenger or at once as champion.

    Args:
        registry: The registered model; it is made if it is not there.
        candidate: The model; its files are where ``source`` says already.
        promote: Whether it becomes champion at once, and does not wait as challenger.

    Returns:
        The model version, the same one if the release was run before.

    Raises:
        RegistryError: Another run was writing all the time.
        RegistryError: The champion is no longer the one that the candidate was compared with, or
            the candidate, or another of the same bytes, was champion and was rolled back.
    """
    registry.make()
    with registry_lock(registry.client, registry.name) as lock:
        _check_not_rolled_back(registry, candidate)
        version = _found(registry, candidate)
        if version is None or PROMOTED not in version.tags:
            compared_with = NONE if candidate.compared_with is None else candidate.compared_with
            _check_champion(registry, str(compared_with))
        if version is None:
            lock.check()
            made = registry.client.create_model_version(
                registry.name, candidate.source, candidate.run_id, model_id=candidate.model_id,
                tags={**candidate.tags, RELEASE: candidate.release_id,
                      COMPARED_WITH: str(compared_with)},
                description=candidate.card or None,
            )  # fmt: skip
            version = _found(registry, candidate) or made
        challenger = registry.version_of(CHALLENGER)
        if PROMOTED not in version.tags and not _is_later(challenger, version):
            lock.check()
            registry.client.set_registered_model_alias(registry.name, CHALLENGER, version.version)
            challenger = version
        if promote and challenger is not None and challenger.version == version.version:
            _promote(registry, version, lock)
    return registry.get(version.version)


def promote(registry: Registry) -> Any:
    """Make the challenger the champion.

    Returns:
        The champion's model version.

    Raises:
        RegistryError: Another run was writing all the time.
        RegistryError: There is no challenger.
        RegistryError: The champion is no longer the one that the challenger was compared with.
    """
    with registry_lock(registry.client, registry.name) as lock:
        challenger = registry.version_of(CHALLENGER)
        if challenger is None:
            raise registry.not_found(CHALLENGER)
        _promote(registry, challenger, lock)
    return registry.version_of(CHAMPION)


def roll_back(registry: Registry, reason: str) -> tuple[Any, Any]:
    """Make the previous champion champion again, and record why.

    Args:
        registry: The registered model.
        reason: Why, for whoever looks at the version that was champion.

    Returns:
        The model version that was champion, and the one that is.

    Raises:
        RegistryError: Another run was writing all the time.
        RegistryError: There is no champion.
        RegistryError: It is the first one, or the previous one was deleted.
    """
    with registry_lock(registry.client, registry.name) as lock:
        champion, *before = registry.lineage()
        if not before:
            number = champion.tags.get(PREVIOUS, NONE)
            raise RegistryError(
                f"The champion of '{registry.name}' cannot be rolled back",
                found=f"version {champion.version}, "
                + ("the first champion" if number == NONE else
                   f"whose predecessor, version {number}, was deleted"),
                expected="a champion that replaced another",
                remedy="Release another model, or move the alias by hand with MLflow",
            )  # fmt: skip
        # The reason first: a crash in between leaves a champion that says it is to go.
        registry.tag(champion, {ROLLED_BACK: _now(), REASON: reason})
        lock.check()
        registry.client.set_registered_model_alias(registry.name, CHAMPION, before[0].version)
    return registry.get(champion.version), before[0]


def _promote(registry: Registry, version: Any, lock: Lock) -> None:
    champion = registry.version_of(CHAMPION)
    if champion is None or champion.version != version.version:
        _check_champion(registry, version.tags.get(COMPARED_WITH, NONE))
        before = NONE if champion is None else str(champion.version)
        registry.tag(version, {PREVIOUS: before, PROMOTED: _now()})
        lock.check()
        registry.client.set_registered_model_alias(registry.name, CHAMPION, version.version)
    lock.check()
    registry.client.delete_registered_model_alias(registry.name, CHALLENGER)


def _found(registry: Registry, candidate: Candidate) -> Any | None:
    """Return the version of an earlier run of this release; the first, should there be two.

    A request that was repeated, because its first answer was lost, makes a second one.
    """
    first, *others = registry.with_tag(RELEASE, candidate.release_id) or [None]
    for other in others:
        with ignored(MISSING):
            registry.client.delete_model_version(registry.name, other.version)
    return first


def _is_later(one: Any | None, other: Any) -> bool:
    return one is not None and int(one.version) > int(other.version)


def _check_champion(registry: Registry, expected: str) -> None:
    champion = registry.version_of(CHAMPION)
    current = NONE if champion is None else str(champion.version)
    if current != expected:
        raise RegistryError(
            f"The champion of '{registry.name}' changed since the candidate was compared with it",
            found=_named(current),
            expected=_named(expected),
            remedy="Run the pipeline with `from_nodes=fetch_champion`: it compares the candidate "
            "with the present champion",
        )


def _check_not_rolled_back(registry: Registry, candidate: Candidate) -> None:
    """Refuse a candidate whose bytes were rolled back before."""
    for version in registry.with_tag(INT8_MODEL, candidate.tags[INT8_MODEL]):
        if ROLLED_BACK in version.tags:
            raise RegistryError(
                f"This candidate was champion of '{registry.name}' and was rolled back",
                found=f"version {version.version}, rolled back at {version.tags[ROLLED_BACK]}: "
                f"{version.tags.get(REASON, 'no reason given')}",
                expected="a candidate that nobody has turned down",
                remedy="Train or quantize another; to have this one again, move the alias by hand",
            )


def _named(number: str) -> str:
    return "no champion" if number == NONE else f"version {number} as champion"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
