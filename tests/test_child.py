from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from quantline.child import run_in_child
from quantline.errors import ChildCrashed, ModelUnsupported

if TYPE_CHECKING:
    from pathlib import Path

HELPER = """
import os, sys
from quantline.errors import ModelUnsupported

def refuse(name):
    raise ModelUnsupported(f"{name} is refused", found="a", expected="b", remedy="Do c")

def fail():
    raise KeyError("a bug")

def abort(last):
    for line in range(20):
        print("line", line, file=sys.stderr, flush=True)
    print(last, file=sys.stderr, flush=True)
    os.abort()

def kill():
    os.kill(os.getpid(), 9)

def leave():
    os._exit(7)

def chatter():
    print("to stdout")
    print("to stderr", file=sys.stderr)
    return sys.stdin.read()

def pid():
    return os.getpid()

def unpicklable():
    return lambda: None
"""


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """A module that only this process's sys.path leads to."""
    (tmp_path / "child_helper.py").write_text(HELPER)
    monkeypatch.syspath_prepend(tmp_path)
    import importlib
    import sys

    sys.modules.pop("child_helper", None)
    return importlib.import_module("child_helper")


def test_the_result_comes_back() -> None:
    array = np.arange(6, dtype=np.int8).reshape(2, 3)
    result = run_in_child(np.transpose, array, what="x", timeout_s=60)
    np.testing.assert_array_equal(result, array.T)
    assert result.dtype == np.int8


def test_it_is_another_process(helper) -> None:
    assert run_in_child(helper.pid, what="x", timeout_s=60) != os.getpid()


def test_an_error_of_ours_passes_through_whole(helper) -> None:
    with pytest.raises(ModelUnsupported) as caught:
        run_in_child(helper.refuse, "model.keras", what="x", timeout_s=60)
    assert str(caught.value) == "model.keras is refused. Found: a. Expected: b. Do c."


def test_an_abort_names_what_was_done_the_signal_and_the_last_words(helper) -> None:
    with pytest.raises(ChildCrashed) as caught:
        run_in_child(helper.abort, "Check failed: x", what="the conversion of 'm'", timeout_s=60)
    error = caught.value
    assert error.what.startswith("The conversion of 'm' crashed")
    assert "SIGABRT" in error.found
    assert "Check failed: x" in error.found
    assert "line 19" in error.found
    assert "line 15" not in error.found


def test_a_kill_is_named(helper) -> None:
    with pytest.raises(ChildCrashed, match="SIGKILL"):
        run_in_child(helper.kill, what="x", timeout_s=60)


def test_leaving_without_an_answer_is_a_crash_with_its_status(helper) -> None:
    with pytest.raises(ChildCrashed, match="exit status 7"):
        run_in_child(helper.leave, what="x", timeout_s=60)


@pytest.mark.parametrize(("name", "word"), [("fail", "KeyError: 'a bug'"), ("unpicklable", "ickl")])
def test_an_unforeseen_exception_is_a_crash_that_quotes_it(helper, name: str, word: str) -> None:
    with pytest.raises(ChildCrashed, match="exit status 1") as caught:
        run_in_child(getattr(helper, name), what="x", timeout_s=60)
    assert word in caught.value.found


def test_running_out_of_time_ends_the_child() -> None:
    with pytest.raises(ChildCrashed) as caught:
        run_in_child(time.sleep, 600, what="the sleep", timeout_s=0.5)
    assert caught.value.what == "The sleep took too long and was ended"
    assert "0.5 s" in caught.value.found


def test_what_a_child_prints_stays_there_and_it_has_no_input(
    helper, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_in_child(helper.chatter, what="x", timeout_s=60) == ""
    assert capfd.readouterr() == ("", "")


def test_nothing_stays_on_disk(helper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    run_in_child(helper.pid, what="x", timeout_s=60)
    with pytest.raises(ChildCrashed):
        run_in_child(helper.kill, what="x", timeout_s=60)
    assert list((tmp_path / "temporary").iterdir()) == []
