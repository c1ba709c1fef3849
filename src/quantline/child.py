"""Running a function in a child process, so that a crash in native code is an error with a name."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from quantline.errors import ChildCrashed, QuantlineError
from quantline.progress import waiting

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_LAST_LINES = 5


def run_in_child(function: Callable[..., T], *arguments: Any, what: str, timeout_s: float) -> T:
    """Call an importable function in a fresh Python process and return its result.

    Args:
        function: A module-level function.
        arguments: Its arguments; they and the result must be picklable.
        what: What the child does, for messages, such as ``the conversion of 'model.keras'``.
        timeout_s: After how many seconds the child is ended.

    Raises:
        ChildCrashed: The child died of a signal, ran out of time, or failed without a word.
        QuantlineError: Whatever error of ours the function raised.
    """
    with tempfile.TemporaryDirectory(prefix="quantline-") as folder:
        call, answer, errors = (Path(folder) / name for name in ("call", "answer", "stderr"))
        call.write_bytes(
            pickle.dumps((sys.path, function.__module__, function.__name__, arguments))
        )
        with errors.open("wb") as stderr, waiting(what):
            try:
                done = subprocess.run(  # noqa: S603 - our own interpreter and module
                    [sys.executable, "-m", "quantline.child", str(call), str(answer)],
                    stdin=subprocess.DEVNULL,
                    stdout=stderr,
                    stderr=stderr,
                    timeout=timeout_s,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise ChildCrashed(
                    f"{what[0].upper()}{what[1:]} took too long and was ended",
                    found=f"no answer after {timeout_s:g} s",
                    expected=f"an answer within {timeout_s:g} s",
                    remedy="Use a smaller model; 'conversion.timeout_s' limits the conversion",
                ) from error
        if not answer.exists():
            raise _crashed(what, done.returncode, errors.read_text(errors="replace"))
        is_result, value = pickle.loads(answer.read_bytes())  # noqa: S301 - written by our own child
    if is_result:
        return value  # type: ignore[no-any-return]
    raise value


def _crashed(what: str, status: int, stderr: str) -> ChildCrashed:
    lines = [line for line in stderr.splitlines() if line.strip()]
    cause = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    said = f"; its last words: {' / '.join(lines[-_LAST_LINES:])}" if lines else ""
    return ChildCrashed(
        f"{what[0].upper()}{what[1:]} crashed in its child process",
        found=f"{cause}{said}",
        expected="a result",
        remedy="The model, or a library it is run with, is at fault: try another version of the "
        "model; nothing of this run was kept from the crash",
    )


def _main(call: str, answer: str) -> None:
    import importlib

    paths, module, name, arguments = pickle.loads(Path(call).read_bytes())  # noqa: S301
    sys.path[:] = paths
    try:
        outcome = (True, getattr(importlib.import_module(module), name)(*arguments))
    except QuantlineError as error:
        outcome = (False, error)
    partial = Path(f"{answer}.partial")
    partial.write_bytes(pickle.dumps(outcome))
    partial.rename(answer)


if __name__ == "__main__":
    _main(*sys.argv[1:])
