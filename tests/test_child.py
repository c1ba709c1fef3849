from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from quantline.child import captured_output, run_in_child, stage
from quantline.errors import (
    InternalError,
    ModelUnsupported,
    OutOfMemory,
    OutputNotWritten,
    ProcessError,
)

pytestmark = pytest.mark.fresh_children

HELPER = """
import os, sys, time
from quantline.child import stage, captured_output
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
    return captured_output()

def complain():
    for line in (
        "E0000 Check failed", "I0000 00:00:1.2 3 port.cc:153] oneDNN is on", "INFO: a delegate",
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    ):
        print(line, file=sys.stderr, flush=True)
    os.abort()

def complain_at_length():
    print(*(f"#{number} 0x{number} frame" for number in range(50)), sep=os.linesep, file=sys.stderr)
    sys.exit(3)

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

def load(seconds):
    stage("loading")
    time.sleep(seconds)
    stage("running")
    time.sleep(seconds)
    return seconds

def swallow():
    try:
        raise MemoryError("Unable to allocate 7 EiB")
    except MemoryError as error:
        raise ModelUnsupported("m is damaged", found="a", expected="b", remedy="c") from error

def fill_up():
    raise OSError(28, "No space left on device", "/somewhere")

def write(path):
    with open(path, "w") as stream:
        stream.write("x")

def connect(port):
    import socket
    socket.create_connection(("127.0.0.1", port), timeout=5)

def temporary():
    import tempfile
    with tempfile.NamedTemporaryFile() as stream:
        return stream.name

def sleep_with_file(path):
    import tempfile
    name = tempfile.mkdtemp()
    with open(path, "w") as stream:
        stream.write(f"{os.getpid()} {name}")
    time.sleep(600)

def modules(names):
    import importlib, importlib.util
    found = {}
    for name in names:
        spec = importlib.util.find_spec(name)
        found[name] = None if spec is None else spec.origin
    return found
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
    with pytest.raises(ProcessError) as caught:
        run_in_child(helper.abort, "Check failed: x", what="the conversion of 'm'", timeout_s=60)
    error = caught.value
    assert error.what.startswith("The conversion of 'm' crashed")
    assert "SIGABRT" in error.found
    assert "Check failed: x" in error.found
    assert "line 19" in error.found
    assert "line 15" not in error.found


def test_a_kill_is_named_with_what_may_be_behind_it(helper) -> None:
    with pytest.raises(OutOfMemory, match=r"SIGKILL.*when memory runs out") as caught:
        run_in_child(helper.kill, what="x", timeout_s=60)
    assert "free memory" in caught.value.remedy


def test_the_last_stage_is_named(helper) -> None:
    with pytest.raises(ProcessError, match="SIGABRT at stage 'converting'; peak memory"):
        run_in_child(helper.come_far, what="x", timeout_s=60)


def test_without_a_stage_none_is_named(helper) -> None:
    with pytest.raises(ProcessError) as caught:
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
    with pytest.raises(ProcessError) as caught:
        run_in_child(helper.hold, child_mib, what="x", timeout_s=60)
    del held
    peak_gib = float(re.search(r"peak memory (.+?) GiB", caught.value.found)[1])
    assert child_mib / 1024 < peak_gib < (child_mib + 200) / 1024


def test_chatter_is_not_taken_for_last_words(helper) -> None:
    with pytest.raises(ProcessError) as caught:
        run_in_child(helper.complain, what="x", timeout_s=60)
    assert caught.value.found.endswith("its last words: E0000 Check failed")


def test_of_many_last_words_three_lines_are_shown_and_a_file_holds_the_rest(
    helper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ProcessError) as caught:
        run_in_child(helper.complain_at_length, what="x", timeout_s=60)
    assert "words: #47 0x47 frame / #48 0x48 frame / #49 0x49 frame;" in caught.value.found
    assert Path(re.search(r"in '(.+)'", caught.value.found)[1]).read_text().startswith("#0 0x0")


def test_a_defects_traceback_is_in_a_file(
    helper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(InternalError) as caught:
        run_in_child(helper.fail, what="x", timeout_s=60)
    (log,) = tmp_path.glob("*.log")
    assert f"'{log}'" in caught.value.found
    assert "Traceback" not in str(caught.value)
    assert 'raise KeyError("a bug")' in log.read_text()


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
    assert not any(Path(f"/proc/{item}").exists() for item in children)
    assert not list(tmp_path.glob("quantline-*"))


def test_leaving_without_an_answer_is_a_crash_with_its_status(helper) -> None:
    with pytest.raises(ProcessError, match="exit status 7"):
        run_in_child(helper.leave, what="x", timeout_s=60)


@pytest.mark.parametrize(("name", "word"), [("fail", "KeyError: 'a bug'"), ("unpicklable", "ickl")])
def test_an_unforeseen_exception_is_a_defect_with_its_place(helper, name: str, word: str) -> None:
    with pytest.raises(InternalError, match=r"\.py:\d+") as caught:
        run_in_child(getattr(helper, name), what="x", timeout_s=60)
    assert word in caught.value.found
    assert "model" not in str(caught.value).lower()
    assert caught.value.exit_status == 2


def test_memory_that_runs_out_is_not_called_damage(helper) -> None:
    with pytest.raises(OutOfMemory, match="Unable to allocate 7 EiB") as caught:
        run_in_child(helper.swallow, what="x", timeout_s=60)
    assert "damaged" not in str(caught.value)


def test_a_full_disk_is_not_called_a_defect(helper, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputNotWritten, match="TMPDIR"):
        run_in_child(helper.fill_up, what="x", timeout_s=60)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("quantline.child.run.pickle.dump", full)
    with pytest.raises(OutputNotWritten, match="No space left on device"):
        run_in_child(helper.pid, what="x", timeout_s=60)


def test_an_answer_that_cannot_be_written_is_a_full_disk() -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"
    with pytest.raises(OutputNotWritten, match="could not write its answer"):
        run_in_child(exec, code, what="x", timeout_s=60)


def test_too_much_memory_ends_the_child_and_names_its_limit(helper) -> None:
    with pytest.raises(OutOfMemory, match=r"at most 0\.25 GiB.*`memory_gib`"):
        run_in_child(helper.hold, 600, what="x", timeout_s=60, memory_gib=0.25)
    with pytest.raises(ProcessError, match="SIGABRT"):
        run_in_child(helper.hold, 600, what="x", timeout_s=60, memory_gib=2)


def test_loading_has_a_limit_of_its_own(helper) -> None:
    with pytest.raises(ProcessError, match=r"after 1 s at stage 'loading'") as caught:
        run_in_child(helper.load, 600, what="x", timeout_s=60, limit="a_b", load_s=1)
    assert "`load_s`" in caught.value.remedy
    assert "`a_b`" not in caught.value.remedy
    assert run_in_child(helper.load, 0.6, what="x", timeout_s=60, load_s=1) == 0.6


@pytest.mark.parametrize("limit", [None, "conversion_timeout_s"])
def test_the_limit_that_was_met_is_the_one_that_is_named(limit: str | None) -> None:
    with pytest.raises(ProcessError) as caught:
        run_in_child(time.sleep, 600, what="x", timeout_s=0.5, limit=limit, load_s=60)
    assert ("timeout_s" in caught.value.remedy) == (limit is not None)
    assert "load_s" not in caught.value.remedy


def landlock() -> int:
    import ctypes

    return ctypes.CDLL(None).syscall(444, None, 0, 1) if sys.platform == "linux" else -1


@pytest.mark.skipif(landlock() < 4, reason="this kernel has no Landlock with network rules")
def test_a_confined_child_writes_in_its_own_folder_alone(helper, tmp_path: Path) -> None:
    import socket

    path = tmp_path / "out"
    run_in_child(helper.write, str(path), what="x", timeout_s=60)
    path.unlink()
    with pytest.raises(InternalError, match="PermissionError"):
        run_in_child(helper.write, str(path), what="x", timeout_s=60, confined=True)
    assert not path.exists()
    run_in_child(helper.write, os.devnull, what="x", timeout_s=60, confined=True)
    assert run_in_child(helper.temporary, what="x", timeout_s=60, confined=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        run_in_child(helper.connect, port, what="x", timeout_s=60)
        with pytest.raises(InternalError, match="PermissionError"):
            run_in_child(helper.connect, port, what="x", timeout_s=60, confined=True)


def test_where_a_process_cannot_be_confined_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from quantline.child import confine

    monkeypatch.setattr(confine, "_call", lambda *_: -1)
    assert "Landlock" in confine.confine(Path())[0]


def test_a_killed_parent_takes_its_child_with_it(helper, tmp_path: Path) -> None:
    code = (
        "import sys, child_helper; from quantline.child import run_in_child; "
        "run_in_child(child_helper.sleep_with_file, sys.argv[1], what='x', timeout_s=60)"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)}
    note = tmp_path / "note"
    parent = subprocess.Popen([sys.executable, "-c", code, str(note)], env=environment)
    deadline = time.monotonic() + 60
    while not note.exists() or " " not in note.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child, temporary = note.read_text().split(maxsplit=1)
    parent.kill()
    parent.wait()
    while (
        Path(f"/proc/{child}/stat").exists()
        and ") Z " not in Path(f"/proc/{child}/stat").read_text()
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # What is left lies in the folder that the next run removes.
    assert Path(temporary).is_relative_to(next(tmp_path.glob("quantline-*")))


SHADOWED = ("bisect", "json", "numpy", "pandas", "scipy", "secrets", "numbers")


@pytest.mark.parametrize("entry", ["", ".", "HERE"])
@pytest.mark.parametrize("end", ["", os.pathsep], ids=["as it is", "with an empty entry"])
def test_nothing_in_the_working_folder_is_imported(
    helper, entry: str, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "working"
    folder.mkdir()
    for name in SHADOWED:
        (folder / f"{name}.py").write_text(f"open({str(folder / 'ran')!r}, 'w').close()")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder) if entry == "HERE" else entry, *sys.path])
    monkeypatch.setenv("PYTHONPATH", f"{os.environ.get('PYTHONPATH', '')}{end}")
    found = run_in_child(helper.modules, SHADOWED, what="x", timeout_s=60)
    assert {name for name, origin in found.items() if origin and str(folder) in origin} == set()
    assert not (folder / "ran").exists()


def test_running_out_of_time_ends_the_child() -> None:
    with pytest.raises(ProcessError) as caught:
        run_in_child(time.sleep, 600, what="the sleep", timeout_s=0.5)
    assert caught.value.what == "The sleep took too long and was ended"
    assert "0.5 s" in caught.value.found
    assert "peak memory" in caught.value.found


def test_running_out_of_time_names_the_stage_and_the_last_words(helper) -> None:
    with pytest.raises(ProcessError, match=r"after 4 s at stage 'loading'.*words: HIB Error"):
        run_in_child(helper.announce_and_sleep, what="x", timeout_s=4)


def test_what_a_child_prints_stays_there_and_it_has_no_input(
    helper, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_in_child(helper.chatter, what="x", timeout_s=60) == ""
    assert capfd.readouterr() == ("", "")


def test_a_child_can_read_what_it_wrote_and_no_one_else_does(helper) -> None:
    assert run_in_child(helper.speak, what="x", timeout_s=60) == "from native code"
    assert captured_output() == ""


def test_nothing_stays_on_disk(helper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    run_in_child(helper.pid, what="x", timeout_s=60)
    with pytest.raises(ProcessError):
        run_in_child(helper.kill, what="x", timeout_s=60)
    assert list((tmp_path / "temporary").iterdir()) == []
