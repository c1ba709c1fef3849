"""The errors that users can meet: one tree of classes, one shape for all of them.

Each error says what was wrong, what was found, what was expected and what to do next, in one
paragraph. Bad input ends a command with exit status 2; a model that fails a check that was asked
for ends it with 1.

::

    QuantlineError
    ├── ParameterError
    ├── ModelError
    │   ├── ModelUnreadable
    │   ├── ModelUnsupported
    │   └── UnsafeModel
    ├── DataError
    ├── MismatchError
    ├── ConversionError
    │   └── PinDoesNotFit
    ├── ResultError
    │   ├── ResultMissing
    │   └── OutputNotWritten
    ├── DependencyError
    │   ├── BackendUnavailable
    │   └── CompilerNotFound
    ├── CompilerError
    ├── DeviceError
    ├── ProcessError
    │   └── OutOfMemory
    ├── RunInProgress            exit status 75
    ├── RegistryError
    │   └── TrackingFailed
    ├── CheckFailed              exit status 1
    └── InternalError
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from quantline.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# What a library says may hold an object's address, which is another one each time.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+(?=>)")
# How much of a library's long text a message holds.
_MOST_LINES = 3
_LONGEST_LINE = 200

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that was noticed; many may be noticed before one of them stops a run.

    Attributes:
        name: What kind it is; stable, in snake_case.
        severity: ``error`` stops a run, ``warning`` is worth a look, ``note`` is information.
        found: What was found.
        expected: What was expected instead.
        remedy: What to do next, as a sentence.
    """

    name: str
    severity: Severity
    found: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return redacted(
            f"{self.name}: {_sentence(self.found)} Expected: {_sentence(self.expected)} "
            f"{_sentence(self.remedy)}"
        )


class QuantlineError(Exception):
    """The base of every error that a user can meet; its texts hold no passwords.

    Attributes:
        what: What was wrong, as a sentence.
        found: What was found.
        expected: What was expected instead.
        remedy: What to do next, as a sentence.
        details: The whole text of a library of which ``found`` holds an excerpt; empty where it
            holds all of it. :func:`quantline.error_output.kept` puts it into a file.
    """

    exit_status = 2

    def __init__(
        self, what: str, *, found: str, expected: str, remedy: str, details: str = ""
    ) -> None:
        super().__init__(redacted(what))
        self.what = redacted(what)
        self.found = _ADDRESS.sub("", redacted(found))
        self.expected = redacted(expected)
        self.remedy = redacted(remedy)
        self.details = redacted(details) if _is_long(details) else ""

    def __str__(self) -> str:
        return (
            f"{_sentence(self.what)} Found: {_sentence(self.found)} "
            f"Expected: {_sentence(self.expected)} {_sentence(self.remedy)}"
        )

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling between processes.
        texts = (self.what, self.found, self.expected, self.remedy, self.details)
        return _rebuild, (type(self), *texts)


class ParameterError(QuantlineError):
    """An argument, option or parameter is unknown, of the wrong type, or contradicts another."""


class ModelError(QuantlineError):
    """A model is not there, or is not one that Quantline takes."""


class ModelUnreadable(ModelError):
    """A file is not a model, or is a damaged one."""


class ModelUnsupported(ModelError):
    """A model is sound, but of a kind that Quantline, or what was asked for, does not take."""


class UnsafeModel(ModelError):
    """A model can do more than compute, such as run code or use files, and was not allowed to."""


class DataError(QuantlineError):
    """A dataset, a split, an example or a label cannot be used, or does not fit the model."""


class MismatchError(QuantlineError):
    """Files that are used together do not belong together: one was not made from the other."""


class ConversionError(QuantlineError):
    """A model could not be trained, imported or quantized."""


class PinDoesNotFit(ConversionError):
    """A pinned scale and zero point cannot represent the recorded range, or cannot be kept."""


class ResultError(QuantlineError):
    """A result is not what it was when it was written, or cannot be made again."""


class ResultMissing(ResultError):
    """A result that is needed was not made yet, or is damaged."""


class OutputNotWritten(ResultError):
    """A file could not be written; nothing was changed."""


class DependencyError(QuantlineError):
    """A package, a library or a program is not installed, or is of a version that does not fit."""


class BackendUnavailable(DependencyError):
    """The installed packages do not have what a back end calls."""


class CompilerNotFound(DependencyError):
    """``edgetpu_compiler`` is not where it was looked for."""


class CompilerError(QuantlineError):
    """``edgetpu_compiler`` crashed, ran out of time, or printed what it is not known to print."""


class DeviceError(QuantlineError):
    """An Edge TPU is not there, may not be opened, is in use, or failed."""


class ProcessError(QuantlineError):
    """Native code crashed, or ran out of time, in a child process."""


class OutOfMemory(ProcessError):
    """Memory ran out, or a child process held more of it than its limit allows."""


class RunInProgress(QuantlineError):
    """Another run works in the same data folder."""

    exit_status = 75  # EX_TEMPFAIL of sysexits.h: the same command may well succeed later


class RegistryError(QuantlineError):
    """A registered model, its lock or its champion does not allow what was asked."""


class TrackingFailed(RegistryError):
    """The MLflow tracking store could not be used."""


class CheckFailed(QuantlineError):
    """A model fails a check that was asked for, such as integer-only, a target or the gate."""

    exit_status = 1


class InternalError(QuantlineError):
    """A defect of Quantline or of a library, which is neither the model's nor the user's fault."""


def unfit_for_calibration(findings: Sequence[Finding], override: str = "") -> DataError:
    """Return one error for the findings that are errors.

    Args:
        findings: At least one of them an error.
        override: How to go on in spite of them, as a sentence.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    count = f"{len(errors)} errors" if len(errors) > 1 else "1 error"
    remedies = dict.fromkeys(_sentence(finding.remedy) for finding in errors)
    return DataError(
        f"The calibration set is not fit to calibrate with ({count})",
        found="; ".join(f"{finding.name}: {finding.found}" for finding in errors),
        expected="; ".join(dict.fromkeys(finding.expected for finding in errors)),
        remedy=" ".join([*remedies, *([_sentence(override)] if override else [])]),
    )


def suggest(name: str, known: Sequence[str], *, limit: int = 3) -> str:
    """Return the close matches of ``name`` among ``known`` as a sentence, or an empty string."""
    close = get_close_matches(name, known, n=limit, cutoff=0.6)
    return f"Did you mean {' or '.join(repr(match) for match in close)}?" if close else ""


def first_few(items: Sequence[object], limit: int = 10) -> str:
    """Join the first items with commas and say how many were left out."""
    shown = ", ".join(str(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"


def first_line(error: BaseException, text: str | None = None, limit: int = 300) -> str:
    """Return what another library's error says, in one line and without its details.

    Args:
        error: The error.
        text: The part of what it says that matters, if not all of it does.
        limit: How many characters are shown.
    """
    # Redacted before it is cut: half an address would not be known for one.
    said = redacted(str(error if text is None else text))
    lines = said.strip().splitlines() or [""]
    said = lines[0] if len(lines[0]) <= limit else f"{lines[0][:limit]} ..."
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def excerpt(text: str, is_relevant: Callable[[str], bool] | None = None) -> str:
    """Return the first lines of a library's long text that matter, joined with commas.

    They are three at most, each cut to 200 characters. The whole text belongs into the error's
    ``details``.

    Args:
        text: The text.
        is_relevant: Which lines matter; all of them where this is None, or true of none.
    """
    lines = _lines(redacted(text))
    relevant = [line for line in lines if is_relevant is None or is_relevant(line)] or lines
    return first_few([_cut(line) for line in relevant], _MOST_LINES)


def last_lines(text: str) -> str:
    """Return the last three lines of a library's long text, each cut to 200 characters."""
    return " / ".join(_cut(line) for line in _lines(redacted(text))[-_MOST_LINES:])


def _is_long(text: str) -> bool:
    lines = _lines(text)
    return len(lines) > _MOST_LINES or any(len(line) > _LONGEST_LINE for line in lines)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]} ..."


def _sentence(text: str) -> str:
    text = " ".join(text.split())  # one paragraph, whatever a library said
    return text if text.endswith((".", "?", "!", ":")) else f"{text}."


def _rebuild(
    cls: type[QuantlineError], what: str, found: str, expected: str, remedy: str, details: str
) -> QuantlineError:
    return cls(what, found=found, expected=expected, remedy=remedy, details=details)
