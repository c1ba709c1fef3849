"""Versions, challenger and champion, in a real store: again, at once, and after kill -9."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.release.candidates import passed

from quantline.errors import RegistryError
from quantline.release.lock import registry_lock
from quantline.release.promotion import promote, publish, roll_back
from quantline.release.registry import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    REASON,
    ROLLED_BACK,
    Registry,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "shirts"
FORK = multiprocessing.get_context("fork")
# What changes the registry: a process is killed before or after each of them.
WRITES = {
    "create_registered_model",
    "create_model_version",
    "set_registered_model_alias",
    "set_model_version_tag",
    "delete_registered_model_alias",
    "delete_registered_model",
    "rename_registered_model",
}


@pytest.fixture
def run_id(client: Any) -> str:
    experiment = client.create_experiment("shirts", artifact_location="file:///nowhere")
    return str(client.create_run(experiment).info.run_id)


@pytest.fixture
def registry(client: Any) -> Registry:
    return Registry(client, NAME)


def number(registry: Registry, alias: str) -> int | None:
    found = registry.version_of(alias)
    return None if found is None else int(found.version)


def versions(registry: Registry) -> list[int]:
    found = registry.client.search_model_versions(f"name = '{NAME}'")
    return sorted(int(other.version) for other in found)


def models(registry: Registry) -> list[str]:
    return [model.name for model in registry.client.search_registered_models()]


def test_a_candidate_waits_as_challenger_until_it_is_approved(
    registry: Registry, run_id: str
) -> None:
    waiting = publish(registry, passed(1, run_id, None), promote=False)
    assert waiting.tags["model"] == "1"
    assert (number(registry, CHALLENGER), number(registry, CHAMPION)) == (1, None)
    assert promote(registry).version == waiting.version
    assert (number(registry, CHALLENGER), number(registry, CHAMPION)) == (None, 1)
    assert models(registry) == [NAME], "the lock is given back"
    with pytest.raises(RegistryError, match="no challenger"):
        promote(registry)


def test_the_same_release_twice_is_one_version(registry: Registry, run_id: str) -> None:
    for _ in range(2):
        publish(registry, passed(1, run_id, None), promote=True)
    assert versions(registry) == [1]
    publish(registry, passed(2, run_id, 1), promote=True)
    publish(registry, passed(1, run_id, None), promote=True)
    assert number(registry, CHAMPION) == 2, "an old release, run again, brings back no old champion"


def test_a_repeated_request_leaves_no_second_version(registry: Registry, run_id: str) -> None:
    registry.make()
    for _ in range(2):
        registry.client.create_model_version(
            NAME, "file:///nowhere/1", run_id, tags={"quantline.release_id": "release-1"}
        )
    assert publish(registry, passed(1, run_id, None), promote=True).version == 1
    assert versions(registry) == [1]


def test_a_candidate_compared_with_another_champion_is_not_registered(
    registry: Registry, run_id: str
) -> None:
    publish(registry, passed(1, run_id, None), promote=True)
    with pytest.raises(RegistryError, match="Found: version 1 as champion"):
        publish(registry, passed(2, run_id, None), promote=True)
    assert versions(registry) == [1]


def test_a_challenger_is_not_promoted_over_a_champion_it_was_not_compared_with(
    registry: Registry, run_id: str
) -> None:
    publish(registry, passed(1, run_id, None), promote=True)
    publish(registry, passed(2, run_id, 1), promote=True)
    publish(registry, passed(3, run_id, 2), promote=False)
    roll_back(registry, "too slow on the phone")
    with pytest.raises(RegistryError):
        promote(registry)
    assert number(registry, CHAMPION) == 1


def test_a_later_challenger_is_not_pushed_aside_by_an_old_release(
    registry: Registry, run_id: str
) -> None:
    for item in (1, 2, 1):
        publish(registry, passed(item, run_id, None), promote=False)
    assert number(registry, CHALLENGER) == 2


def test_what_was_rolled_back_is_not_promoted_by_another_release_of_the_same_bytes(
    registry: Registry, run_id: str
) -> None:
    publish(registry, passed(1, run_id, None), promote=True)
    publish(registry, passed(2, run_id, 1), promote=True)
    roll_back(registry, "worse at night")
    again = replace(passed(2, run_id, 1), release_id="of the next night")
    with pytest.raises(RegistryError, match="worse at night"):
        publish(registry, again, promote=True)
    assert versions(registry) == [1, 2]


def test_a_lock_that_this_process_no_longer_holds_is_not_waited_for(
    registry: Registry, run_id: str
) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException), registry_lock(registry.client, NAME):
        raise MlflowException("no answer")
    assert models(registry) == [f"{NAME}.lock"]
    publish(registry, passed(1, run_id, None), promote=True)
    assert models(registry) == [NAME]


def test_a_lock_that_is_held_is_waited_for_and_then_told(registry: Registry) -> None:
    with (
        registry_lock(registry.client, NAME),
        pytest.raises(RegistryError, match=rf"process {os.getpid()} on '.*' holds it"),
        registry_lock(registry.client, NAME, wait_s=0),
    ):
        raise AssertionError


def test_rolling_back_follows_the_promotions(registry: Registry, run_id: str) -> None:
    for item in (1, 2, 3):
        publish(registry, passed(item, run_id, item - 1 or None), promote=True)
    assert [other.version for other in registry.lineage()] == [3, 2, 1]
    left, now = roll_back(registry, "worse at night")
    assert (left.version, now.version) == (3, 2)
    assert left.tags[REASON] == "worse at night"
    assert ROLLED_BACK in left.tags
    with pytest.raises(RegistryError, match="worse at night"):
        publish(registry, passed(3, run_id, 2), promote=True)
    publish(registry, passed(4, run_id, 2), promote=True)
    assert registry.version_of(CHAMPION).tags[PREVIOUS] == "2"
    roll_back(registry, "and this one")
    roll_back(registry, "and this one")
    assert number(registry, CHAMPION) == 1
    with pytest.raises(RegistryError, match="the first champion"):
        roll_back(registry, "no more")


def test_a_deleted_predecessor_is_named(registry: Registry, run_id: str) -> None:
    for item in (1, 2):
        publish(registry, passed(item, run_id, item - 1 or None), promote=True)
    registry.client.delete_model_version(NAME, "1")
    with pytest.raises(RegistryError, match="version 1, was deleted"):
        roll_back(registry, "gone")


class Killed:
    """A client whose process dies of SIGKILL before or after its n-th write."""

    def __init__(self, client: Any, nth: int, *, after: bool) -> None:
        self._client, self._left, self._after = client, nth, after

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        return self._counted(call) if name in WRITES else call

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return call(*arguments, **named)
            finally:
                if self._left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        return counted


def die_at(store: str, run_id: str, nth: int, after: bool) -> None:
    from mlflow import MlflowClient

    registry = Registry(Killed(MlflowClient(store), nth, after=after), NAME)
    publish(registry, passed(2, run_id, 1), promote=True)


def in_fork(function: Callable[..., None], *arguments: Any) -> Any:
    process = FORK.Process(target=function, args=arguments)
    process.start()
    return process


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_promotion_killed_at_any_step_is_completed_by_the_next_run(
    registry: Registry, run_id: str, store: str, tmp_path: Path, after: bool
) -> None:
    publish(registry, passed(1, run_id, None), promote=True)
    fresh = (tmp_path / "mlflow.db").read_bytes()
    for nth in range(1, 20):
        (tmp_path / "mlflow.db").write_bytes(fresh)
        process = in_fork(die_at, store, run_id, nth, after)
        process.join(60)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        assert number(registry, CHAMPION) in (1, 2), "there is one champion at every moment"
        publish(registry, passed(2, run_id, 1), promote=True)
        assert (number(registry, CHAMPION), number(registry, CHALLENGER)) == (2, None)
        assert registry.version_of(CHAMPION).tags[PREVIOUS] == "1"
        assert versions(registry) == [1, 2]
        assert models(registry) == [NAME], "no lock is left"
    assert nth > 8, "every step was cut off once"


def publish_one(store: str, run_id: str, number: int, answers: Any) -> None:
    from mlflow import MlflowClient

    registry = Registry(MlflowClient(store), NAME)
    try:
        publish(registry, passed(number, run_id, 1), promote=True)
        answers.put((number, "promoted"))
    except RegistryError:
        answers.put((number, "late"))


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(
    registry: Registry, run_id: str, store: str
) -> None:
    publish(registry, passed(1, run_id, None), promote=True)
    answers = FORK.Queue()
    processes = [in_fork(publish_one, store, run_id, item, answers) for item in (2, 3)]
    told = dict(answers.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(60)
    assert sorted(told.values()) == ["late", "promoted"]
    winner = next(value for value, outcome in told.items() if outcome == "promoted")
    champion = registry.version_of(CHAMPION)
    assert champion.tags["model"] == str(winner)
    assert versions(registry) == [1, 2], "the other one was not registered"
    assert models(registry) == [NAME]


class GivenBackWhileRead:
    """A client that reads a lock just as it is deleted: the model is found, its tags are gone."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_registered_model(self, name: str) -> Any:
        found = self._client.get_registered_model(name)
        if found.tags["owner"] != "another":
            return found
        self._client.delete_registered_model(name)
        return SimpleNamespace(tags={})


def test_a_lock_that_is_given_back_while_it_is_read_is_free(
    registry: Registry, run_id: str
) -> None:
    tags = {"owner": "another", "place": "elsewhere/1", "pid": "1", "expires_s": "9e9"}
    registry.client.create_registered_model(f"{NAME}.lock", tags)
    reading = Registry(GivenBackWhileRead(registry.client), NAME)
    assert publish(reading, passed(1, run_id, None), promote=True).version == 1
    assert models(registry) == [NAME]
