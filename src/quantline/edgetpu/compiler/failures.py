"""The failures of ``edgetpu_compiler``, by what it prints, and what to do about each.

The compiler has one exit status for all of them and few words. The wording is that of version 16.0
and of older ones where they differ, from issue threads of ``google-coral/edgetpu`` and others; what
a remedy says beyond the message itself, Coral's maintainers or other users answered there.
"""

from __future__ import annotations

import re
import signal

from quantline.edgetpu.compiler.output import last_words
from quantline.edgetpu.vocabulary import Failure
from quantline.errors import (
    CheckFailed,
    CompilerError,
    DependencyError,
    OutputNotWritten,
    QuantlineError,
)

_SEARCH = "let the compiler search for the longest part that compiles (`search_delegate=True`)"
_OLDER = (
    "Replace the operator, or convert the model with an older TensorFlow; the check against the "
    "target 'edgetpu' names every operator that is too new"
)
_REINSTALL = (
    "Install Google's package 'edgetpu-compiler' again, and do not move the program: it is a "
    "script that needs the folder 'edgetpu_compiler_bin' next to it, in a path without spaces"
)
_SMALLER = f"Use a smaller input or split the model; if that was not asked for yet, {_SEARCH}"
_KNOWN_TO_IT = "operators of TensorFlow Lite 2.5 or so, with which version 16.0 was built"


# The first that is found counts: causes stand before the general words that follow them.
FAILURES: tuple[Failure, ...] = (
    Failure(
        r"Didn't find op for builtin opcode '\w+' version '\d+'|Op builtin_code out of range: \d+",
        CheckFailed, "The model has an operator that is newer than the Edge TPU compiler",
        _KNOWN_TO_IT, _OLDER),
    Failure(r"only supports static-sized tensors with a graph that has dynamic-sized tensors",
        CheckFailed, "The model has tensors whose size is not known before it runs",
        "sizes that are known beforehand, the batch included",
        "Convert the model with a fixed input shape and a batch of 1, and without control flow or "
        "loops: unroll recurrent layers"),
    Failure(r"Encountered unresolved custom op: \S+", CheckFailed,
        "The model has a custom operator that the Edge TPU compiler does not know",
        "built-in operators; of custom ones the compiler knows TFLite_Detection_PostProcess",
        "Express the operator in built-in ones, or take it out and do its work after the model"),
    Failure(
        r"Model not quantized", CheckFailed, "The Edge TPU compiler finds the model not quantized",
        "int8 or uint8 in all operators",
        "Quantize the whole model, activations included, with the scheme int8"),
    Failure(r"large activation tensors", CheckFailed,
        "The model's activations are too large for the Edge TPU",
        "intermediate tensors that fit into the chip's memory of 8 MB along with parameters",
        f"{_SMALLER}. For an older runtime version it may compile too, but with little or nothing "
        "mapped"),
    Failure(r"Compilation timeout", CompilerError,
        "The Edge TPU compiler reached its own time limit, usually because of large activations",
        "an attempt within the limit", f"{_SMALLER}, or raise `compiler_timeout_s`"),
    Failure(r"No space left on device", OutputNotWritten,
        "The Edge TPU compiler had no room for its files",
        "free space for the compiled model in the folder for temporary files",
        "Free space, or name another folder in the environment variable TMPDIR, and run again"),
    Failure(r"std::bad_alloc|Cannot allocate memory|Out of memory", CompilerError,
        "The Edge TPU compiler ran out of memory", "memory of several times the model's size",
        "Free memory or compile on a machine with more of it"),
    Failure(r"Exec format error", DependencyError,
        "The Edge TPU compiler is not made for this machine's processor",
        "an x86-64 machine; versions from 2.1 on are made for no other",
        "Compile the model on an x86-64 Debian or Ubuntu, or in Coral's notebook on Colab, and "
        "bring the compiled file here"),
    Failure(r"error while loading shared libraries|ld-linux-x86-64\.so\.2: No such file",
        DependencyError, "The Edge TPU compiler misses a part of its installation",
        "the libraries that came with it", _REINSTALL),
    Failure(r"Permission denied", DependencyError,
        "The Edge TPU compiler may not be run, or may not use its files",
        "permission to run it and the files next to it", _REINSTALL),
    Failure(
        r"Segmentation fault", CompilerError, "The Edge TPU compiler crashed", "a compiled model",
        f"{_SMALLER}; reported for large fully connected layers"),
    Failure(r"terminating with uncaught exception", CompilerError, "The Edge TPU compiler crashed",
        "a compiled model", f"{_SMALLER}; see that every tensor is quantized"),
    Failure(r"Did not get operators, tensors, or buffers", CheckFailed,
        "The Edge TPU compiler cannot read the model",
        "a .tflite file of TensorFlow Lite 2.5 or so",
        "Convert the model anew, with an older TensorFlow if it is the same again"),
    Failure(r"Node number \d+ \(\w+\) failed to prepare|Model failed in Tflite interpreter",
        CheckFailed, "The TensorFlow Lite inside the Edge TPU compiler cannot run the model",
        _KNOWN_TO_IT,
        "Replace or take out the operator that is named; one that newer versions of TensorFlow "
        "Lite accept may be refused there"),
    Failure(r"Internal compiler error", CompilerError,
        "The Edge TPU compiler failed without saying why", "a compiled model",
        "Run it again: for the same model, 14.1 was reported to fail at times only. Use version "
        f"16.0, which names more causes. {_SMALLER}"),
    Failure(r"Model could not be parsed|Invalid model", CheckFailed,
        "The Edge TPU compiler cannot read the model",
        "a .tflite file of TensorFlow Lite 2.5 or so",
        "Convert the model anew, with an older TensorFlow if it is the same again, and quantize it "
        "in full: version 1 of the compiler says no more of one that is not"),
    Failure(r"^Compilation failed!", CheckFailed,
        "The Edge TPU compiler refuses the model and gives no reason", "a compiled model",
        f"{_SMALLER}. Reported for recurrent layers and one-dimensional convolutions"),
    Failure(r"\A\s*Edge TPU Compiler version \S+\s*\Z", CompilerError,
        "The Edge TPU compiler ended after it had text its version", "a compiled model",
        f"{_SMALLER}. Reported for models that were cut into segments"),
)  # fmt: skip


def explain(stdout: str, stderr: str, status: int) -> QuantlineError:
    """Turn a failed compilation into an error with a remedy.

    The standard error is the compiler's, of the TensorFlow Lite inside it, or of the shell; the
    exit status is negative for a signal.
    """
    text = "\n".join([*stdout.splitlines(), *stderr.splitlines()])
    ended = _ended(status)
    for failure in FAILURES:
        match = re.search(failure.pattern, text, re.MULTILINE)
        if match is not None:
            return failure.to_error(f"'{_line_at(text, match)}' ({ended})")
    remedy = f"Run the same command by hand. {_SMALLER}"
    if "SIGKILL" in ended:
        remedy = (
            "Unless it was ended by hand, the system ended it for want of memory: free memory, or "
            "compile on a machine with more of it"
        )
    return CompilerError(
        "The Edge TPU compiler failed in a way that is not known",
        found=f"{ended}; its last words: '{last_words(text)}'",
        expected="a compiled model",
        remedy=remedy,
    )


def _line_at(text: str, match: re.Match[str]) -> str:
    start = text.rfind("\n", 0, match.start()) + 1
    end = text.find("\n", match.start())
    return text[start : end if end >= 0 else None].strip() or last_words(text)


def _ended(status: int) -> str:
    # The program on PATH is a shell script: it tells of its child's signal as a shell does.
    number = -status if status < 0 else status - 128
    try:
        return f"signal {signal.Signals(number).name}"
    except ValueError:
        return f"exit status {status}"
