"""A file of the MLflow runs that a data folder has open, so that a later run can close them.

A killed process cannot close its run. What it wrote here before it made the run is enough to find
the run by.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from quantline.files import canonical_json, write_atomic

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

FILE = ".mlflow_run.json"


@dataclass(frozen=True)
class Entry:
    """An MLflow run that is open, or was when its process ended.

    Attributes:
        uri: The tracking store, without the password.
        experiment_id: The experiment.
        known_by: The value of a tag that no other run has; it was decided before the run was made.
        run_id: The run; empty until the store answered.
        host: The machine of the process that it belongs to.
        pid: The process.
        status: How it ended, where the store did not answer; empty otherwise.
        stage: The stage that it ended at, likewise.
        error: Why, likewise.
    """

    uri: str
    experiment_id: str
    known_by: str
    run_id: str
    host: str
    pid: str
    status: str = ""
    stage: str = ""
    error: str = ""


class OpenRuns:
    """The open MLflow runs of one data folder; the file exists only while there are some.

    Attributes:
        path: The file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def entries(self) -> list[Entry]:
        """Return the entries; what is none is left out, with a warning."""
        try:
            listed = json.loads(self.path.read_bytes())["runs"]
            return [_entry(values) for values in listed]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            logger.warning(
                "'%s' names no MLflow runs as it should: whether one is still open is not known, "
                "and the file is taken for empty.", self.path,
            )  # fmt: skip
            return []

    def put(self, entry: Entry) -> None:
        """Add an entry, or replace the one that is known by the same.

        Raises:
            OutputNotWritten: The folder cannot be written to.
        """
        self._write([*self._others(entry), entry])

    def drop(self, entry: Entry) -> None:
        """Remove an entry; with the last one the file goes.

        Raises:
            OutputNotWritten: The folder cannot be written to.
        """
        self._write(self._others(entry))

    def _others(self, entry: Entry) -> list[Entry]:
        return [known for known in self.entries() if known.known_by != entry.known_by]

    def _write(self, entries: list[Entry]) -> None:
        if entries:
            write_atomic(self.path, canonical_json({"runs": [asdict(entry) for entry in entries]}))
        else:
            self.path.unlink(missing_ok=True)


def _entry(values: Any) -> Entry:
    found = Entry(**values)
    if not all(isinstance(getattr(found, field.name), str) for field in fields(found)):
        raise TypeError(values)
    return found
