from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from quantline.child import run_in_child, stage, words
from quantline.errors import ChildCrashed, ModelUnsupported

HELPER = """
import os, sys, time
from quantline.child import stage, words
from quantline.errors import ModelUnsupported

class Own:
    def __init__(self, value):
        self.value = value

def value_of(own):
    return own.value

def hold(size_mib):
    content = bytearray(size_mib << 20)
    time.sleep(0.3)
    os.abort()

def come_far():
    for name in ("loading", "converting"):
        stage(name)
    os.abort()

def announce_and_sleep():
    stage("loading")
    print("HIB Error", file=sys.stderr, flush=True)
    time.sleep(600)

def speak():
    os.write(2, b"from native code")
    return words()

def complain():
    for line in (
        "E0000 Check failed", "I0000 00:00:1.2 3 port.cc:153] oneDNN is on", "INFO: a delegate",
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    ):
        print(line, file=sys.stderr, flush=True)
    os.abort()

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


def test_a_kill_is_named_with_what_may_be_behind_it(helper) -> None:
    with pytest.raises(ChildCrashed, match=r"SIGKILL.*when memory runs out") as caught:
        run_in_child(helper.kill, what="x", timeout_s=60)
    assert "free memory" in caught.value.remedy


def test_the_last_stage_is_named(helper) -> None:
    with pytest.raises(ChildCrashed, match="SIGABRT at stage 'converting'; peak memory"):
        run_in_child(helper.come_far, what="x", timeout_s=60)


def test_without_a_stage_none_is_named(helper) -> None:
    with pytest.raises(ChildCrashed) as caught:
        run_in_child(helper.kill, what="x", timeout_s=60)
    assert "stage" not in caught.value.found


def test_a_stage_outside_of_a_child_goes_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stage("loading")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("parent_mib", [0, 900], ids=["small parent", "large parent"])
@pytest.mark.parametrize("child_mib", [1, 400])
def test_the_peak_memory_is_the_childs_own(helper, parent_mib: int, child_mib: int) -> None:
    """The kernel hands the parent's peak on to the child, so that a large one could hide it."""
    held = bytearray(parent_mib << 20)
    with pytest.raises(ChildCrashed) as caught:
        run_in_child(helper.hold, child_mib, what="x", timeout_s=60)
    del held
    peak_gib = float(re.search(r"peak memory (.+?) GiB", caught.value.found)[1])
    assert child_mib / 1024 < peak_gib < (child_mib + 200) / 1024


def test_chatter_is_not_taken_for_last_words(helper) -> None:
    with pytest.raises(ChildCrashed) as caught:
        run_in_child(helper.complain, what="x", timeout_s=60)
    assert caught.value.found.endswith("its last words: E0000 Check failed")


def test_arguments_may_be_of_classes_that_only_the_parents_path_leads_to(helper) -> None:
    assert run_in_child(helper.value_of, helper.Own(7), what="x", timeout_s=60) == 7


def test_an_interrupted_parent_ends_its_child(helper, tmp_path: Path) -> None:
    """As Ctrl-C does, and SIGTERM, which the command turns into the same exception."""
    code = (
        "import signal, child_helper; from quantline.child import run_in_child; "
        "signal.signal(signal.SIGTERM, signal.default_int_handler); "
        "run_in_child(child_helper.announce_and_sleep, what='x', timeout_s=60)"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("quantline-*/stages")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    assert children
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(30) != 0
    assert not any(Path(f"/proc/{each}").exists() for each in children)
    assert not list(tmp_path.glob("quantline-*"))


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
    assert "peak memory" in caught.value.found


def test_running_out_of_time_names_the_stage_and_the_last_words(helper) -> None:
    with pytest.raises(ChildCrashed, match=r"after 4 s at stage 'loading'.*words: HIB Error"):
        run_in_child(helper.announce_and_sleep, what="x", timeout_s=4)


def test_what_a_child_prints_stays_there_and_it_has_no_input(
    helper, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_in_child(helper.chatter, what="x", timeout_s=60) == ""
    assert capfd.readouterr() == ("", "")


def test_a_child_can_read_what_it_wrote_and_no_one_else_does(helper) -> None:
    assert run_in_child(helper.speak, what="x", timeout_s=60) == "from native code"
    assert words() == ""


def test_nothing_stays_on_disk(helper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    run_in_child(helper.pid, what="x", timeout_s=60)
    with pytest.raises(ChildCrashed):
        run_in_child(helper.kill, what="x", timeout_s=60)
    assert list((tmp_path / "temporary").iterdir()) == []
