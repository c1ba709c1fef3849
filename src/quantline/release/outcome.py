"""The outcome of a release: as a line, as an error, and as JSON for a user's command."""

from __future__ import annotations

import logging
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

from quantline.errors import CheckFailed, first_line
from quantline.files import canonical_json
from quantline.redaction import redacted_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline import recipe

logger = logging.getLogger(__name__)

# What may become of a candidate.
PROMOTED, WAITING, SUPERSEDED = "promoted", "waiting", "superseded"
UNCHANGED, REFUSED = "unchanged", "refused"

_TOLD = {
    PROMOTED: "{model}: version {version} is the champion",
    WAITING: "{model}: version {version} is the challenger; 'quantline promote' approves it",
    SUPERSEDED: "{model}: version {version} was released before, and others followed it",
    UNCHANGED: "{model}: the candidate is version {version}, the champion, byte for byte",
}


def told(outcome: Mapping[str, Any]) -> str:
    """Return the outcome of a candidate that passed, as one line."""
    return _TOLD[outcome["outcome"]].format(**outcome)


def refusal(outcome: Mapping[str, Any]) -> CheckFailed:
    """Return the error for a candidate that did not pass its gate."""
    more = "more examples, " if outcome["verdict"] == "undecided" else ""
    helps = "".join(f"{advice}. " for advice in outcome.get("advice", [])[:1])
    return CheckFailed(
        f"The candidate is {outcome['verdict']}, and '{outcome['model']}' stays as it is",
        found=" ".join(outcome["why"]),
        expected="a candidate that keeps every rule of `gate`",
        remedy=f"{helps}Take {more}another model, or change the rules of `gate`; gate.json "
        f"has every rule, and the MLflow run {outcome['run_id']} everything else",
    )


def notify(settings: recipe.Release, values: Mapping[str, Any]) -> None:
    """Run the user's command with values as JSON on its standard input, if there is one.

    Whatever becomes of it changes nothing of the release: it is a warning.

    Args:
        settings: ``notify``, the command line, split as a shell would, and its time limit.
        values: What it gets on its standard input, without the passwords in it.
    """
    if settings.notify is None:
        return
    try:
        subprocess.run(  # noqa: S603 - the user's own command
            shlex.split(settings.notify), input=canonical_json(redacted_values(values)), check=True,
            timeout=settings.notify_timeout_s, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip()
        last = f"; it said: {said.splitlines()[-1]}" if said else ""
        logger.warning("The command `notify` failed: %s%s", first_line(error), last)
