"""Every known failure of the compiler, in the words that users published; no compiler is run."""

from __future__ import annotations

import pytest
from tests.edgetpu import published_output as published

from quantline.edgetpu.compiler.failures import FAILURES, explain
from quantline.errors import (
    CheckFailed,
    CompilerError,
    DependencyError,
    OutputNotWritten,
)

V16 = "Edge TPU Compiler version 16.0.384591198\n"
V14 = "Edge TPU Compiler version 14.1.317412892\n"
TIMER = "Started a compilation timeout timer of 180 seconds.\n"
END = "Compilation child process completed within timeout period.\nCompilation failed! \n"
INTERPRETER = (
    "Compilation failed: Model failed in Tflite interpreter. Please ensure model can be loaded/run "
    "in Tflite interpreter.\n"
)
NOT_PARSED = (
    "ERROR: Registration failed.\n\nInvalid model: model.tflite\nModel could not be parsed\n"
)
SCRIPT = "/usr/bin/edgetpu_compiler: line 3: "
LOADER = "/usr/bin/edgetpu_compiler_bin/ld-linux-x86-64.so.2"

# What was printed: the error, a part of the line that is quoted, a part of what to do.
PUBLISHED = {
    "large activations": (
        published.LARGE_ACTIVATIONS, CheckFailed,
        "Compilation failed due to large activation tensors in model", "search_delegate",
    ),
    "its own time limit": (
        f"{V16}{TIMER}Compilation timeout. This is usually caused by large activations.\n"
        "Compilation failed! \n", CompilerError, "Compilation timeout", "compiler_timeout_s",
    ),
    "dynamic sizes": (
        f"{V16}{TIMER}ERROR: Attempting to use a delegate that only supports static-sized tensors "
        f"with a graph that has dynamic-sized tensors.\n{INTERPRETER}{END}", CheckFailed,
        "has dynamic-sized tensors", "a batch of 1",
    ),
    "newer version of an operator": (
        f"{V16}ERROR: Didn't find op for builtin opcode 'TRANSPOSE_CONV' version '4'. An older "
        "version of this builtin might be supported. Are you using an old TFLite binary with a "
        f"newer model?\n\n{NOT_PARSED}", CheckFailed, "'TRANSPOSE_CONV' version '4'", "older",
    ),
    "newer version, in older words": (
        "Edge TPU Compiler version 2.0.267685300\nERROR: Didn't find op for builtin opcode 'RELU' "
        f"version '2'\n\n{NOT_PARSED}", CheckFailed, "'RELU' version '2'", "older TensorFlow",
    ),
    "newer operator": (
        f"{V16}ERROR: Op builtin_code out of range: 150. Are you using old TFLite binary with newer"
        f" model?\n{NOT_PARSED}", CheckFailed, "out of range: 150", "the target 'edgetpu'",
    ),
    "not quantized": (
        f"{V14}Invalid model: model.tflite\nModel not quantized\n", CheckFailed,
        "Model not quantized", "with the scheme int8",
    ),
    "custom operator": (
        f"{V16}{TIMER}ERROR: Encountered unresolved custom op: Atan.\nERROR: Node number 1 (Atan) "
        f"failed to prepare.\n\n{INTERPRETER}{END}", CheckFailed, "custom op: Atan",
        "built-in ones",
    ),
    "refused by TensorFlow Lite": (
        "Edge TPU Compiler version 2.1.302470888\nERROR: :160 NumOutputs(node) != 4 (1 != 4)\n"
        "ERROR: Node number 121 (TFLite_Detection_PostProcess) failed to prepare.\n\n"
        "Internal compiler error. Aborting! \n", CheckFailed,
        "Node number 121 (TFLite_Detection_PostProcess) failed", "operator that is named",
    ),
    "no subgraph": (
        f"{V14}Invalid model: model.tflite\nModel could not be parsed\n"
        "ERROR: Did not get operators, tensors, or buffers in subgraph 0.\n", CheckFailed,
        "Did not get operators", "Convert the model anew",
    ),
    "not parsed": (
        f"{V16}Invalid model: model.tflite\nModel could not be parsed\n", CheckFailed,
        "Invalid model: model.tflite", "Convert the model anew",
    ),
    "no more than invalid": (
        "Edge TPU Compiler version 1.0.249710469\nInvalid model: model.tflite\n", CheckFailed,
        "Invalid model: model.tflite", "quantize it in full",
    ),
    "internal error": (
        f"{V14}\nInternal compiler error. Aborting! \n", CompilerError,
        "Internal compiler error. Aborting!", "Run it again",
    ),
    "exception": (
        f"{V16}{TIMER}libc++abi: terminating with uncaught exception of type std::out_of_range: "
        f"vector\n{END}", CompilerError, "std::out_of_range: vector", "every tensor",
    ),
    "no reason given": (f"{V16}{TIMER}{END}", CheckFailed, "Compilation failed!", "recurrent"),
    "the version only": (
        "Edge TPU Compiler version 15.0.340273435\n", CompilerError, "version 15.0.340273435",
        "cut into segments",
    ),
}  # fmt: skip

# What a shell, a loader or the system says: on standard error, with the shell's exit status.
SYSTEM = {
    "crash": (
        f"{SCRIPT} 1531 Segmentation fault      (core dumped) "
        f"{LOADER} --library-path edgetpu_compiler_bin edgetpu_compiler\n", 139, CompilerError,
        "signal SIGSEGV", "smaller input",
    ),
    "other processor": (
        f"{SCRIPT}{LOADER}: cannot execute binary file: Exec format error\n", 126,
        DependencyError, "Exec format error", "x86-64 Debian",
    ),
    "moved": (
        f"{SCRIPT}{LOADER}: No such file or directory\n", 127, DependencyError,
        "No such file or directory", "edgetpu_compiler_bin",
    ),
    "library missing": (
        "edgetpu_compiler: error while loading shared libraries: libc++.so.1: cannot open shared "
        "object file: No such file or directory\n", 127, DependencyError, "libc++.so.1",
        "Install Google's package",
    ),
    "not permitted": (
        f"{SCRIPT}{LOADER}: Permission denied\n", 126, DependencyError, "Permission denied",
        "again",
    ),
    "disk full": (
        "model_edgetpu.tflite: No space left on device\n", 1, OutputNotWritten,
        "No space left on device", "TMPDIR",
    ),
    "memory": (
        "terminate called after throwing an instance of 'std::bad_alloc'\n", 134, CompilerError,
        "std::bad_alloc", "Free memory",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_failures(name):
    printed, error, quoted, remedy = PUBLISHED[name]
    # TensorFlow Lite prints its errors to standard error: with both, neither place matters.
    lines = printed.splitlines(keepends=True)
    apart = [line for line in lines if not line.startswith(("ERROR", "libc++abi"))]
    complaints = [line for line in lines if line.startswith(("ERROR", "libc++abi"))]
    for stdout, stderr in ((printed, ""), ("".join(apart), "".join(complaints))):
        found = explain(stdout, stderr, 1)
        assert type(found) is error
        assert quoted in found.found
        assert "exit status 1" in found.found
        assert remedy in found.remedy
        assert "\n" not in str(found)


@pytest.mark.parametrize("name", SYSTEM)
def test_failures_of_the_system(name):
    stderr, status, error, quoted, remedy = SYSTEM[name]
    found = explain(V16, stderr, status)
    assert type(found) is error
    assert quoted in found.found
    assert remedy in found.remedy


def test_a_model_that_is_refused_fails_a_check_and_a_crash_is_none():
    assert explain(published.LARGE_ACTIVATIONS, "", 1).exit_status == 1
    assert explain(f"{V14}\nInternal compiler error. Aborting!\n", "", 1).exit_status == 2


def test_what_is_not_known_is_quoted_by_its_last_lines():
    found = explain(f"{V16}{TIMER}One.\nTwo.\nThree.\n", "Four.\n", 3)
    assert type(found) is CompilerError
    assert "exit status 3" in found.found
    assert "One. / Two. / Three. / Four." in found.found
    assert "by hand" in found.remedy


@pytest.mark.parametrize("status", [-9, 137])
def test_a_killed_compiler_points_at_memory(status):
    found = explain(f"{V16}{TIMER}", "", status)
    assert "signal SIGKILL" in found.found
    assert "memory" in found.remedy


def test_every_known_failure_is_met_here():
    texts = [text for text, *_ in PUBLISHED.values()] + [V16 + text for text, *_ in SYSTEM.values()]
    reached = {explain(text, "", 1).what for text in texts}
    assert reached == {item.what for item in FAILURES}
