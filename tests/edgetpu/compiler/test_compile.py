"""Compiling with a stand-in for ``edgetpu_compiler``: no real compiler is run here.

What the stand-in prints was published by users of the real one, see ``published_output``; the
compiled files are written by the tests, but for one of the real compiler's that lies beside the
repository.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.edgetpu import compiling, pairs, programs
from tests.edgetpu import published_output as published
from tests.edgetpu.conftest import Model
from tests.edgetpu.stand_in_compiler import install

from quantline.edgetpu.compiler.compile import CompilerOptions, compile_model
from quantline.edgetpu.compiler.process import Compiler, find_compiler
from quantline.edgetpu.vocabulary import Evidence
from quantline.errors import (
    CheckFailed,
    CompilerError,
    CompilerNotFound,
    DependencyError,
    ModelUnreadable,
    ModelUnsupported,
    ParameterError,
)

CACHED = 640


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model, and what a compiler would make of it: two operators mapped, one left."""
    model = Model()
    at = model.unary("LOGISTIC", model.unary("LOGISTIC", model.tensor(1, 8)))
    graph = model.graph(model.unary("ELU", at))
    path = tmp_path_factory.mktemp("compiled") / "compiled.tflite"
    program = programs.pair(CACHED)
    path.write_bytes(compiling.file(compiling.compiled(graph, {0, 1}, program=program)))
    return compiling.file(graph), path


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Where the compiler's temporary folders are; nothing may be left there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def stand_in(tmp_path, files):
    def made(**scenario):
        scenario = {"compiled": [str(files[1])], "stdout": published.V16} | scenario
        script = install(tmp_path / "bin", calls=str(tmp_path / "calls"), **scenario)
        return Compiler(script, scenario.get("version", "16.0.384591198"))

    return made


def calls(tmp_path):
    return [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]


def test_what_comes_out(tmp_path, files, stand_in):
    model, compiled = files
    stdout = published.V16.replace("4.21MiB", f"{CACHED}.00B")
    stdout = stdout.replace("5.57MiB", f"{compiled.stat().st_size / 1024:.2f}KiB")
    compilation = compile_model(model, compiler=stand_in(stdout=stdout))
    assert compilation.compiler_version == "16.0.384591198"
    assert compilation.duration_ms == 1524
    assert compilation.evidence is Evidence.READ
    assert compilation.warnings == ()
    assert compilation.command_line == (
        "edgetpu_compiler", "--show_operations", "--timeout_sec", "180", "--out_dir", "out",
        "model.tflite",
    )  # fmt: skip
    assert calls(tmp_path) == [list(compilation.command_line[1:])]
    result = compilation.model
    assert result.content == compiled.read_bytes()
    assert result.log.splitlines()[1:3] == [
        "Input: model.tflite",
        "Output: out/model_edgetpu.tflite",
    ]
    assert (result.record.mapped_operators, result.record.cpu_operators) == (264, 3)
    assert result.parsed.cached_bytes == CACHED
    assert [operator.type for operator in result.parsed.left] == ["ELU"]


def test_plain_data_says_what_is_read_and_what_is_parsed(files, stand_in):
    told = json.loads(json.dumps(compile_model(files[0], compiler=stand_in()).to_dict()))
    assert told["evidence"] == told["models"][0]["evidence"] == "read"
    assert told["models"][0]["parsed"]["evidence"] == "parsed"
    assert told["models"][0]["parsed"]["cached_bytes"] == CACHED
    assert told["models"][0]["mapped_operators"] == 264


def test_where_the_words_and_the_file_differ_it_is_said(files, stand_in):
    stdout = published.V16.replace("Edge TPU subgraphs: 1", "Edge TPU subgraphs: 3")
    compilation = compile_model(
        files[0], compiler=stand_in(stdout=stdout, stderr="WARNING: something\n")
    )
    text = "\n".join(compilation.warnings)
    assert "the compiler names 3 subgraphs, the file holds 1" in text
    assert "parameters on chip" in text
    assert "4,414,505" in text
    assert "holds 640" in text
    assert compilation.warnings[-1] == "WARNING: something"


@pytest.mark.parametrize(
    ("table", "said"),
    [(published.V16_LOG.split("\n\n", 1)[1], "printed operators and those of its log differ"),
     ("No table.", "its log is not in the known format")],
)  # fmt: skip
def test_a_log_that_says_something_else_is_no_failure_but_is_said(files, stand_in, table, said):
    compilation = compile_model(files[0], compiler=stand_in(log=table))
    assert said in "\n".join(compilation.warnings)


@pairs.needed
def test_the_words_and_a_file_of_the_real_compiler_agree(stand_in):
    record = min(pairs.compiled(), key=lambda item: item["compiled_size_bytes"])
    cached, size = record["on_chip_cached_parameter_bytes"], record["compiled_size_bytes"]
    stdout = published.V16.replace("4.21MiB", f"{cached / 1024:.2f}KiB")
    stdout = stdout.replace("5.57MiB", f"{size / 1024:.2f}KiB")
    given = str(pairs.PAIRS / record["compiled"])
    compilation = compile_model(
        (pairs.PAIRS / record["model"]).read_bytes(),
        compiler=stand_in(stdout=stdout, compiled=[given]),
    )
    assert compilation.warnings == ()
    assert compilation.model.parsed.cached_bytes == cached


def test_every_option_reaches_the_compiler(tmp_path, files, stand_in):
    options = CompilerOptions(
        min_runtime_version=13, multiple_subgraphs=True, search_delegate=True,
        attempt_timeout_s=90,
    )  # fmt: skip
    compile_model(files[0], options, stand_in())
    assert calls(tmp_path) == [[
        "--show_operations", "--min_runtime_version", "13", "--enable_multiple_subgraphs",
        "--search_delegate", "--delegate_search_step", "1",
        "--timeout_sec", "90", "--out_dir", "out", "model.tflite",
    ]]  # fmt: skip


def test_an_older_compiler_gets_no_option_that_it_does_not_have(tmp_path, files, stand_in):
    compile_model(files[0], compiler=stand_in(version="15.0.340273435"))
    assert "--timeout_sec" not in calls(tmp_path)[0]


def test_failed_attempts_of_a_search_that_succeeds_are_no_failure(files, stand_in):
    options = CompilerOptions(search_delegate=True)
    compilation = compile_model(files[0], options, stand_in(stdout=published.SEARCHED))
    assert compilation.model.record.cut_at == ("tfl.dequantize", "Sigmoid1")
    assert compilation.model.record.attempts == 2


def test_a_model_of_which_nothing_is_mapped_fails_though_the_compiler_does_not(files, stand_in):
    with pytest.raises(CheckFailed, match=r"0 of 157 operators.*unsupported data type") as caught:
        compile_model(files[0], compiler=stand_in(stdout=published.NONE_MAPPED))
    assert caught.value.exit_status == 1


def test_an_exit_status_of_zero_without_a_file_is_a_failure(files, stand_in):
    with pytest.raises(CheckFailed, match="large activation tensors"):
        compile_model(
            files[0],
            compiler=stand_in(stdout=published.LARGE_ACTIVATIONS, compiled=[], status=0),
        )


def test_files_without_the_words_are_not_believed(files, stand_in):
    with pytest.raises(CompilerError, match="Good morning"):
        compile_model(files[0], compiler=stand_in(stdout="Good morning\n"))
    other = published.V16.replace("Output model: X", "Output model: Z")
    with pytest.raises(CompilerError, match=r"Output model: model_edgetpu\.tflite"):
        compile_model(files[0], compiler=stand_in(stdout=other))


def test_a_damaged_compiled_file_is_not_believed(tmp_path, files, stand_in):
    damaged = tmp_path / "damaged"
    damaged.write_bytes(files[1].read_bytes()[:-200])
    with pytest.raises(ModelUnreadable):
        compile_model(files[0], compiler=stand_in(compiled=[str(damaged)]))


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_signal_is_named(files, stand_in, number):
    script = stand_in(stdout="Edge TPU Compiler version 16.0\nStarted ...\n", signal=number)
    with pytest.raises(CompilerError) as caught:
        compile_model(files[0], compiler=script)
    text = str(caught.value)
    assert number.name in text
    assert ("memory" in text) == (number == signal.SIGKILL)


def is_running(number: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{number}/status").read_text()
    except OSError:
        return False


def gone(number: int, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while is_running(number) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_running(number)


def test_a_slow_compiler_is_ended_with_its_child(tmp_path, files, stand_in):
    child = tmp_path / "child"
    script = stand_in(child_file=str(child), delay_s=60)
    for limit_s in (0.5, 5.0):  # on a busy machine the child is late
        started = time.monotonic()
        with pytest.raises(CompilerError, match=rf"no end after {limit_s:g} s"):
            compile_model(files[0], CompilerOptions(timeout_s=limit_s), script)
        assert time.monotonic() - started < limit_s + 10
        if child.exists():
            break
    assert gone(int(child.read_text()))


def test_a_child_does_not_outlive_a_compiler_that_crashed(tmp_path, files, stand_in):
    child = tmp_path / "child"
    with pytest.raises(CompilerError):
        compile_model(
            files[0],
            compiler=stand_in(stdout="", child_file=str(child), signal=signal.SIGSEGV),
        )
    assert gone(int(child.read_text()))


def test_interrupted_by_hand_nothing_goes_on(tmp_path, files, stand_in):
    child = tmp_path / "child"

    def interrupt(*_):
        if child.exists() and child.read_text():
            raise KeyboardInterrupt

    script = stand_in(child_file=str(child), delay_s=60)
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            compile_model(files[0], compiler=script)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert gone(int(child.read_text()))


@pytest.mark.parametrize(
    ("changes", "found"),
    [({"min_runtime_version": 9}, "`min_runtime_version=9`"),
     ({"attempt_timeout_s": -1}, "`attempt_timeout_s=-1`"),
     ({"timeout_s": 0.0}, "`timeout_s=0.0`")],
)  # fmt: skip
def test_options_are_refused_before_the_compiler_runs(tmp_path, files, stand_in, changes, found):
    with pytest.raises(ParameterError) as caught:
        compile_model(files[0], replace(CompilerOptions(), **changes), stand_in())
    assert found in caught.value.found
    assert not (tmp_path / "calls").exists()


def test_an_older_compiler_cannot_search(files, stand_in):
    with pytest.raises(ParameterError, match=r"15\.0\.340273435"):
        compile_model(
            files[0], CompilerOptions(search_delegate=True), stand_in(version="15.0.340273435")
        )


def test_a_compiled_model_is_not_compiled_again(tmp_path, files, stand_in):
    with pytest.raises(ModelUnsupported, match="already"):
        compile_model(files[1].read_bytes(), compiler=stand_in())
    with pytest.raises(ModelUnreadable):
        compile_model(b"no model at all", compiler=stand_in())
    assert not (tmp_path / "calls").exists()


def test_found_by_its_path_or_on_path(tmp_path, monkeypatch, files, stand_in):
    script = stand_in().path
    assert find_compiler(str(script)) == Compiler(script, "16.0.384591198")
    monkeypatch.setenv("PATH", str(script.parent), prepend=os.pathsep)
    assert find_compiler().path == script
    assert compile_model(files[0]).compiler_version == "16.0.384591198"


def test_found_through_a_link(tmp_path, stand_in):
    link = tmp_path / "linked"
    link.symlink_to(stand_in().path)
    assert find_compiler(link).path == stand_in().path


def test_where_there_is_none_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for path in (None, tmp_path / "nowhere", tmp_path):
        with pytest.raises(CompilerNotFound) as caught:
            find_compiler(path)
        assert "apt repository" in caught.value.remedy
        assert "not on PyPI" in caught.value.remedy


def script(path: Path, text: str, mode: int = 0o755) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_another_program_of_that_name_is_not_the_compiler(tmp_path):
    other = script(tmp_path / "edgetpu_compiler", "#!/bin/sh\necho edgecompiler 0.1.1\n")
    with pytest.raises(DependencyError, match=r"printed 'edgecompiler 0.1.1'.*another project"):
        find_compiler(other)


def test_it_speaks_english_and_leaves_nothing_in_the_folder_for_temporary_files(tmp_path):
    text = '#!/bin/sh\ntouch "$TMPDIR/left" && echo "Edge TPU Compiler version $LC_ALL"\n'
    assert find_compiler(script(tmp_path / "edgetpu_compiler", text)).version == "C"


def test_a_program_that_may_not_be_run(tmp_path):
    plain = script(tmp_path / "edgetpu_compiler", "#!/bin/sh\n", mode=0o644)
    with pytest.raises(DependencyError, match=r"Permission denied.*chmod"):
        find_compiler(plain)


def foreign_program(path: Path) -> Path:
    """The first bytes of a program for another processor: ELF, 64 bits, machine 183 (AArch64)."""
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + b"\x02\0" + b"\xb7\0"
    path.write_bytes(head.ljust(120, b"\0"))
    path.chmod(0o755)
    return path


def test_a_program_for_another_processor(tmp_path):
    with pytest.raises(DependencyError, match="Exec format error"):
        find_compiler(foreign_program(tmp_path / "edgetpu_compiler"))


def wrapper(folder: Path) -> Path:
    """A script as that of the package, which starts a loader of its own beside it."""
    return script(
        folder / "edgetpu_compiler",
        '#!/bin/bash\nd="$(dirname "${BASH_SOURCE[0]}")"\n'
        '${d}/edgetpu_compiler_bin/ld-linux-x86-64.so.2 edgetpu_compiler "$@"\n',
    )


def test_the_package_s_script_on_another_processor(tmp_path):
    (tmp_path / "edgetpu_compiler_bin").mkdir()
    foreign_program(tmp_path / "edgetpu_compiler_bin" / "ld-linux-x86-64.so.2")
    with pytest.raises(DependencyError, match="not made for this machine's processor"):
        find_compiler(wrapper(tmp_path))


def test_the_package_s_script_without_its_folder(tmp_path):
    with pytest.raises(DependencyError, match=r"misses a part.*edgetpu_compiler_bin"):
        find_compiler(wrapper(tmp_path))
