"""A release over HTTP: an MLflow server that keeps the artifacts too, and what may go wrong."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.release.candidates import TRAINED
from tests.release.released import Desk
from tests.release.troubled import CUT, HANG, LOSE, NOTHING, REFUSE, Request, between

from quantline.errors import RegistryError, TrackingFailed
from quantline.release.champion import fetch, fetch_trained
from quantline.release.promotion import promote, roll_back

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("quick")
FORK = multiprocessing.get_context("fork")
IDS = re.compile(r"\d+/[0-9a-f]{32}|\d+/models|m-[0-9a-f]{32}|quantline_model_\w+")


@pytest.fixture
def desk(server: str, tmp_path: Path) -> Desk:
    return Desk(tmp_path, server, f"test_{uuid.uuid4().hex[:12]}")


def kind(request: Request) -> str:
    """Return what a request is about: its address without ids, and the tag it sets, if any."""
    key = re.search(rb'"key": ?"([\w.]+)"|"alias": ?"(\w+)"|"(description)"', request.body)
    return f"{request.method} {IDS.sub('*', request.path)} {key[0].decode() if key else ''}"


def once(fate: str) -> Callable[[Request], str]:
    """Let the first of each kind of write meet this fate, and pass what is sent again."""
    met: set[str] = set()

    def decide(request: Request) -> str:
        if not request.writes or kind(request) in met:
            return NOTHING
        met.add(kind(request))
        return fate

    return decide


def test_a_release_from_the_record_to_the_rollback(desk: Desk) -> None:
    first = desk.release(1)
    assert (first["outcome"], first["version"]) == ("promoted", 1)
    desk.check_champion(1, version=1)
    assert desk.release(1) == first, "the same release again is the same version"
    desk.check_champion(1, version=1)

    files = fetch(desk.registry, ["int8.tflite", "recipe.json"])
    assert files["int8.tflite"] == (desk.folder / "1" / "int8.tflite").read_bytes()
    assert fetch_trained(desk.registry) == TRAINED

    waiting = desk.release(2, compared_with=1, promotion="after_approval")
    assert (waiting["outcome"], desk.aliases()) == ("waiting", (1, 2))
    promote(desk.registry)
    desk.check_champion(2, version=2)
    refused = desk.release(3, compared_with=2, verdict="refused")
    assert (refused["outcome"], refused["version"]) == ("refused", None)
    assert refused["why"] == ["absolute.top1: candidate 3 has 0.5."]
    assert [run.info.status for run in desk.runs()] == ["FINISHED"] * 3

    roll_back(desk.registry, "too slow on the phone")
    desk.check_champion(1, version=1)
    # The next night makes the same bytes again, and finds them no worse than the champion.
    with pytest.raises(RegistryError, match="too slow on the phone"):
        desk.release(2, compared_with=1, promotion="at_once")
    assert desk.versions() == [1, 2]


def test_a_champion_without_its_files_is_not_a_store_that_fails(desk: Desk) -> None:
    desk.release(1)
    with pytest.raises(RegistryError, match=r"no lost\.json, ranges\.json"):
        fetch(desk.registry, ["int8.tflite", "lost.json", "ranges.json"])

    def no_artifacts(request: Request) -> str:
        return REFUSE if "mlflow-artifacts" in request.path else NOTHING

    with between(desk.url, no_artifacts) as url:
        away = Desk(desk.folder, url, desk.name)
        with pytest.raises(TrackingFailed, match="could not fetch the champion"):
            fetch(away.registry, ["int8.tflite"])
        with pytest.raises(TrackingFailed, match="too many 500 error responses"):
            fetch_trained(away.registry)


@pytest.mark.parametrize("fate", [LOSE, REFUSE])
def test_each_request_may_fail_once(desk: Desk, fate: str) -> None:
    met: list[Request] = []
    decide = once(fate)

    def noted(request: Request) -> str:
        decided = decide(request)
        met.extend([request] if decided != NOTHING else [])
        return decided

    with between(desk.url, noted) as url:
        assert desk.release(1, url)["outcome"] == "promoted"
    desk.check_champion(1, version=1)
    assert len(met) > 30, "every kind of request"


def test_a_server_that_goes_down_at_each_step(desk: Desk) -> None:
    """One release, begun again and again, that each time comes one step further."""
    behind: list[str] = []
    down = False

    def decide(request: Request) -> str:
        nonlocal down
        if not down and step(request) and kind(request) not in behind:
            behind.append(kind(request))
            down = True
        return REFUSE if down else NOTHING

    said: list[Any] = []
    with between(desk.url, decide) as url:
        while not said or down:
            down = False
            try:
                desk.release(1, url)
            except TrackingFailed as error:
                said.append(error)
    assert len(said) > 13
    assert {failure.found for failure in said} == {
        "no answer from the server: ResponseError: too many 500 error responses"
    }
    assert all("`pipelines=release`" in finding.remedy for finding in said)
    desk.check_champion(1, version=1)


def step(request: Request) -> bool:
    """Whether it is a write of its own kind: of the files of a folder one is enough."""
    name = request.path.rsplit("/", maxsplit=1)[-1]
    return request.writes and ("artifacts" not in request.path or name in {"gate.json", "MLmodel"})


def release_in_fork(desk: Desk, number: int, url: str, answers: Any, **settings: Any) -> Any:
    def run() -> None:
        try:
            answers.put((number, desk.release(number, url, **settings)["outcome"]))
        except RegistryError:
            answers.put((number, "late"))

    process = FORK.Process(target=run)
    process.start()
    return process


def test_a_release_killed_at_each_step(desk: Desk) -> None:
    """As above, but the process dies of SIGKILL, and the server has done what it asked for last."""
    behind: list[str] = []
    process: Any = None
    dying = False

    def decide(request: Request) -> str:
        nonlocal dying
        if dying or not step(request) or kind(request) in behind:
            return NOTHING
        behind.append(kind(request))
        dying = True
        os.kill(process.pid, signal.SIGKILL)
        return CUT if "artifacts" in request.path else LOSE

    answers = FORK.Queue()
    with between(desk.url, decide) as url:
        while process is None or dying:
            dying = False
            process = release_in_fork(desk, 1, url, answers)
            process.join(60)
            assert process.exitcode == (-signal.SIGKILL if dying else 0)
    assert answers.get(timeout=10) == (1, "promoted")
    assert len(behind) > 13
    desk.check_champion(1, version=1)


def test_of_two_releases_at_once_one_wins_and_the_other_gets_an_error(desk: Desk) -> None:
    desk.release(1)
    answers = FORK.Queue()
    processes = [release_in_fork(desk, item, desk.url, answers, compared_with=1) for item in (2, 3)]
    told = dict(answers.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(60)
    assert sorted(told.values()) == ["late", "promoted"]
    desk.check_champion(next(index for index in told if told[index] == "promoted"), version=2)
    assert desk.versions() == [1, 2], "the other one was not registered"
    assert len(desk.runs()) == 3, "but it is recorded"


def test_an_upload_cut_off_in_the_middle_is_made_again(desk: Desk) -> None:
    fate = CUT

    def cut(request: Request) -> str:
        return fate if request.path.endswith("trained.keras") else NOTHING

    with between(desk.url, cut) as url:
        with pytest.raises(TrackingFailed, match="record the results"):
            desk.release(1, url)
        assert (desk.aliases(), desk.versions()) == ((None, None), [])
        fate = NOTHING
        assert desk.release(1, url)["outcome"] == "promoted"
    desk.check_champion(1, version=1)


def test_a_server_that_never_answers_is_given_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    asked: list[str] = []

    def hang(request: Request) -> str:
        asked.append(request.path)
        return HANG

    started = time.monotonic()
    with between(desk.url, hang) as url, pytest.raises(TrackingFailed) as caught:
        desk.release(1, url)
    assert caught.value.found == "no answer from the server: TimeoutError: timed out"
    assert len(asked) == 2, "asked again, as often as the environment says"
    assert time.monotonic() - started < 10
