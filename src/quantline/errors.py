"""Every mistake a user can meet: one class a mistake, one shape for all of them.

Each error says what was wrong, what was found, what was expected and what to do next, in one
paragraph. Bad input ends a command with exit status 2; a model that fails a check that was asked
for ends it with 1.
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
            holds all of it. :func:`quantline.details.kept` puts it into a file.
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
    """A parameter is unknown, has the wrong type, or contradicts another."""


class NothingToRun(QuantlineError):
    """The options of the command name a pipeline, node or tag that does not exist."""


class ModelNotFound(QuantlineError):
    """The model file or folder is not there, or is empty."""


class ModelUnreadable(QuantlineError):
    """The file is there but is not a model that can be read."""


class ModelUnsupported(QuantlineError):
    """The model is sound but of a kind that Quantline does not take."""


class CodeNotAllowed(QuantlineError):
    """A model can do more than compute, such as run code or use files, and was not allowed to."""


class PackageMissing(QuantlineError):
    """An optional package that this input needs is not installed."""


class ModelAlreadyQuantized(QuantlineError):
    """A model given as float already holds quantized or float16 tensors."""


class ImportMismatch(QuantlineError):
    """The imported float ``.tflite`` and the original model disagree."""


class DatasetNotFound(QuantlineError):
    """The dataset, its version or its file does not exist or is not on disk."""


class SplitUnusable(QuantlineError):
    """A split is unknown, badly written or empty."""


class TooFewExamples(QuantlineError):
    """A split holds fewer examples than were asked for."""


class ExamplesOverlap(QuantlineError):
    """The calibration and the evaluation set share examples."""


class ExampleUnreadable(QuantlineError):
    """One example's file or record cannot be read."""


class TransformFailed(QuantlineError):
    """The declared transform cannot be built, or cannot be applied to an example."""


class InputMismatch(QuantlineError):
    """Examples have another shape or dtype than the model takes."""


class LabelMismatch(QuantlineError):
    """Labels do not name classes of the model."""


class SamplesNotFinite(QuantlineError):
    """Examples hold NaN or infinite values."""


class TrainingDiverged(QuantlineError):
    """A training ended with a loss that is not a number."""


class ManifestStale(QuantlineError):
    """The dataset on disk is not the one that the manifest names."""


class CalibrationUnfit(QuantlineError):
    """The calibration set would give a wrong model."""

    @classmethod
    def of(cls, findings: Sequence[Finding], override: str = "") -> CalibrationUnfit:
        """Put the findings that are errors into one paragraph.

        Args:
            findings: At least one of them an error.
            override: How to go on in spite of them, as a sentence.
        """
        errors = [finding for finding in findings if finding.severity == "error"]
        count = f"{len(errors)} errors" if len(errors) > 1 else "1 error"
        remedies = dict.fromkeys(_sentence(error.remedy) for error in errors)
        return cls(
            f"The calibration set is not fit to calibrate with ({count})",
            found="; ".join(f"{error.name}: {error.found}" for error in errors),
            expected="; ".join(dict.fromkeys(error.expected for error in errors)),
            remedy=" ".join([*remedies, *([_sentence(override)] if override else [])]),
        )


class NotRecordable(QuantlineError):
    """The ranges of this model cannot be recorded."""


class RangesMismatch(QuantlineError):
    """The ranges were recorded from another model, or do not cover it."""


class ConversionFailed(QuantlineError):
    """The converter refused the model."""


class SchemeUnsupported(QuantlineError):
    """A back end, or TensorFlow Lite itself, cannot give this model the scheme asked for."""


class BackendUnavailable(QuantlineError):
    """The installed packages do not have what a back end calls."""


class PinDoesNotFit(QuantlineError):
    """A pinned scale and zero point cannot hold what was recorded, or are not to be had."""


class InternalError(QuantlineError):
    """A defect of Quantline or of a library, which is neither the model's nor the user's fault."""


class ChildCrashed(QuantlineError):
    """Native code died, or ran out of time, in a child process."""


class OutOfMemory(ChildCrashed):
    """Memory ran out, or a child process held more of it than its limit allows."""


class TemporaryFolderUnusable(QuantlineError):
    """The folder for temporary files is full, or cannot be written."""


class DelegateMissing(QuantlineError):
    """The Edge TPU's runtime library is not installed, or the file is another library."""


class DelegateUnfit(QuantlineError):
    """The Edge TPU's runtime library and the interpreter do not fit each other."""


class DeviceMissing(QuantlineError):
    """No Edge TPU is there, or not the one that was asked for."""


class DeviceDenied(QuantlineError):
    """This user may not open the Edge TPU."""


class DeviceBusy(QuantlineError):
    """Another process holds the Edge TPU."""


class DeviceFailed(QuantlineError):
    """The Edge TPU, or the way to it, failed at work."""


class RuntimeOutdated(QuantlineError):
    """A model was compiled for a newer Edge TPU runtime than the one that is installed."""


class ModelNotCompiled(QuantlineError):
    """A model was to run on the Edge TPU that was not compiled for it."""


class OutputNotWritten(QuantlineError):
    """A result could not be written; nothing was changed."""


class ResultMissing(QuantlineError):
    """A result that this stage needs was not made yet, or is damaged."""


class ResultsUnrelated(QuantlineError):
    """Results on disk were not made from each other, or were changed after they were written."""


class VerdictNotReproduced(QuantlineError):
    """A result says something else of the model to be released than what is computed again."""


class RunInProgress(QuantlineError):
    """Another run works in the same data folder."""

    exit_status = 75  # EX_TEMPFAIL of sysexits.h: the same command may well succeed later


class TrackingFailed(QuantlineError):
    """The MLflow tracking store could not be used."""


class RegistryBusy(QuantlineError):
    """Another run holds the lock of a registered model, or took it over."""


class ChampionChanged(QuantlineError):
    """A candidate was judged against another champion than the one of now, or was rolled back."""


class ChampionIncomplete(QuantlineError):
    """The champion's run, or a file of it, is not there any more."""


class ChampionDamaged(QuantlineError):
    """A file of the champion is not the one that its release recorded, or cannot be read."""


class SavedModelDamaged(QuantlineError):
    """The store holds another saved model than the one that a release recorded."""


class CandidateRefused(QuantlineError):
    """A candidate did not pass its gate; it is recorded, and not registered."""

    exit_status = 1


class VersionNotFound(QuantlineError):
    """An alias of a registered model names no version."""


class NothingToRollBack(QuantlineError):
    """The champion replaced no other, or one that was deleted."""


class ChampionNotComparable(QuantlineError):
    """The champion was evaluated on other examples, or is a model for something else."""


class ModelsUnrelated(QuantlineError):
    """A quantized or compiled model was not made from the model that it is compared with."""


class NothingToScore(QuantlineError):
    """A folder holds no models together with what the Edge TPU compiler made of them."""


class FilesUnrelated(QuantlineError):
    """Files that are to be saved as one model belong to different ones."""


class GoldenUnfit(QuantlineError):
    """Golden vectors are damaged, or are those of another model."""


class GoldenBroken(QuantlineError):
    """A model does not give the outputs that its golden vectors hold."""

    exit_status = 1


class TargetNotKept(QuantlineError):
    """A model breaks the contract of the target that it was held to."""

    exit_status = 1


class CompilerNotFound(QuantlineError):
    """``edgetpu_compiler`` is not where it was looked for."""


class CompilerUnusable(QuantlineError):
    """``edgetpu_compiler`` is there, but does not run on this machine."""


class CompilerStopped(QuantlineError):
    """``edgetpu_compiler`` crashed, gave up, or ran out of time or memory."""


class CompilerOutputUnknown(QuantlineError):
    """``edgetpu_compiler`` printed something that it is not known to print."""


class NotCompilable(QuantlineError):
    """``edgetpu_compiler`` refuses the model."""

    exit_status = 1


class NothingMapped(QuantlineError):
    """No operator of a model would run on the Edge TPU."""

    exit_status = 1


class NotIntegerOnly(QuantlineError):
    """Integer-only was asked for and the model holds something else."""

    exit_status = 1


class OutputLost(QuantlineError):
    """An output of a quantized model is constant, or saturated, where the float model's varies."""

    exit_status = 1


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
