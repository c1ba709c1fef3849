"""The program ``edgetpu_compiler``: finding it, and running it so that nothing outlives the run."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quantline.edgetpu.compiler.failures import explain
from quantline.edgetpu.compiler.output import VERSION, last_words
from quantline.errors import CompilerError, CompilerNotFound, DependencyError
from quantline.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "edgetpu_compiler"

_VERSION_TIMEOUT_S = 30.0
_GET_IT = (
    "It is the package 'edgetpu-compiler' of Google's apt repository coral-edgetpu-stable (see "
    "https://coral.ai/docs/edgetpu/compiler), for Debian and Ubuntu on x86-64 only, and not on "
    "PyPI: 'edgecompiler' there is another project's"
)


@dataclass(frozen=True)
class Compiler:
    """A compiler that runs here."""

    path: Path
    version: str  # its version, such as `16.0.384591198`

    @property
    def major(self) -> int:
        """The first number of its version; 0 where it is none."""
        first = self.version.partition(".")[0]
        return int(first) if first.isdecimal() else 0


@dataclass(frozen=True)
class ProcessResult:
    """The result of a run."""

    stdout: str
    stderr: str
    status: int | None  # the exit status, negative for a signal; None where time ran out


def find_compiler(path: str | Path | None = None) -> Compiler:
    """Find ``edgetpu_compiler`` and ask it for its version.

    Args:
        path: The program; if None, the one on ``PATH``.

    Raises:
        CompilerNotFound: There is none.
        DependencyError: It does not run on this machine, or is another program.
        CompilerError: It crashed, or gave no answer.
    """
    found = shutil.which(NAME) if path is None else path
    if found is None or not Path(found).is_file():
        raise CompilerNotFound(
            "The Edge TPU compiler was not found",
            found=f"no program '{NAME}' on PATH" if path is None else f"no file '{path}'",
            expected=f"'{NAME}' on PATH, or its path; this machine is {platform.system()} on "
            f"{platform.machine()}",
            remedy=_GET_IT,
        )
    # Links are followed: the script looks for its other parts next to itself.
    program = Path(found).resolve()
    with temporary_folder() as folder:
        ended = run([str(program), "--version"], folder, _VERSION_TIMEOUT_S)
    version = VERSION.search(ended.stdout)
    if version is not None:
        return Compiler(program, version[1])
    if ended.status is None:
        raise timed_out(ended, _VERSION_TIMEOUT_S)
    if ended.status:
        raise explain(ended.stdout, ended.stderr, ended.status)
    raise DependencyError(
        "This program is not the Edge TPU compiler, or does not answer as it does",
        found=f"'{program} --version' printed '{last_words(ended.stdout + ended.stderr)}'",
        expected="'Edge TPU Compiler version ...'",
        remedy=_GET_IT,
    )


def run(command: Sequence[str], folder: Path, timeout_s: float) -> ProcessResult:
    """Run a program in a process group of its own, of which nothing is left afterwards.

    It works in the folder, and is killed after so many seconds.

    Raises:
        DependencyError: The system refuses to start it.
    """
    printed, complained = folder / "stdout", folder / "stderr"
    with printed.open("wb") as stdout, complained.open("wb") as stderr:
        try:
            # The shell's messages are read too: in English.
            environment = {**os.environ, "LC_ALL": "C", "TMPDIR": str(folder)}
            process = subprocess.Popen(  # noqa: S603 - the program that the user named
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=stdout,
                stderr=stderr, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise DependencyError(
                "The Edge TPU compiler does not start",
                found=f"'{command[0]}': {error.strerror or error}",
                expected="an executable program for this machine "
                f"({platform.system()} on {platform.machine()})",
                remedy=f"Make it executable ('chmod +x') if it is the right program. {_GET_IT}",
            ) from error
        status: int | None = None
        try:
            with suppress(subprocess.TimeoutExpired):
                status = process.wait(timeout_s)
        finally:  # also on Ctrl-C: the compiler compiles in a child process of its own
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    output, errors = (path.read_text("utf-8", "replace") for path in (printed, complained))
    return ProcessResult(output, errors, status)


def timed_out(ended: ProcessResult, timeout_s: float) -> CompilerError:
    """Return the error of a run that was killed as its time was over."""
    return CompilerError(
        "The Edge TPU compiler took too long and was ended",
        found=f"no end after {timeout_s:g} s; its last words: '{last_words(ended.stdout)}'",
        expected=f"an end within {timeout_s:g} s",
        remedy="Raise `compiler_timeout_s`, or use a smaller input: large "
        "activations take the longest",
    )
