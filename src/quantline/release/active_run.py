"""The MLflow run of a pipeline run that ends with a release, open from start to end.

Whatever ends the chain closes it. After SIGKILL, or where the store did not answer, the next run in
the same data folder closes it, whatever stage that begins with: :mod:`quantline.release.open_runs`.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.errors import OutputNotWritten, QuantlineError, TrackingFailed
from quantline.redaction import redacted
from quantline.release.nested import close_nested, nested_under
from quantline.release.open_runs import Entry, OpenRuns
from quantline.release.provenance import identity
from quantline.release.registry import RELEASE
from quantline.release.store_errors import MISSING, ignored, tracking_errors
from quantline.release.tracking import (
    ABANDONED,
    ERROR,
    FAILED_STAGE,
    FINISHED,
    MODEL_ID,
    RUNNING,
    VALUE_LIMIT,
    Store,
    address,
    delete_run,
    delete_unfinished,
    log_parameters,
    open_run,
    project_tags,
    reopen,
    run_name,
    runs_with,
)
from quantline.release.variables import variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from quantline.release.tracking import Project

logger = logging.getLogger(__name__)

OPENED = "quantline.opened_as"
STAGE = "quantline.stage"
_SQLITE = "sqlite:///"


class ActiveRun:
    """The MLflow run of the pipeline run in progress.

    Attributes:
        tags: What is known of it from the start: what runs, where, and its stage.
    """

    def __init__(
        self,
        store: Store,
        project: Project,
        pipelines: Sequence[str],
        model: str,
        own_tags: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare the run's tags; :meth:`open` creates it.

        Args:
            store: The tracking store.
            project: The project; its data folder keeps the open_runs.
            pipelines: The pipelines that run.
            model: The registered model's name.
            own_tags: The user's tags.
        """
        self._store = store
        self._journal = OpenRuns(project.folder / project.data)
        self._warned, self._is_duplicate = False, False
        self._name = run_name(project, model)
        self._entry = Entry(
            uri=redacted(store.uri), experiment_id=store.experiment_id, known_by=uuid.uuid4().hex,
            run_id="", host=socket.gethostname(), pid=str(os.getpid()),
        )  # fmt: skip
        self.tags = {
            **(own_tags or {}),
            **project_tags(project.folder),
            "quantline.environment": project.environment,
            "quantline.pipelines": ", ".join(pipelines),
            "quantline.host": self._entry.host,
            "quantline.pid": self._entry.pid,
            STAGE: "start",
        }

    def open(self) -> None:
        """Make the run in the store.

        Raises:
            OutputNotWritten: The data folder cannot be written to.
            TrackingFailed: The store does not take it.
        """
        self._journal.put(self._entry)
        tags = {**self.tags, OPENED: self._entry.known_by}
        with tracking_errors("open a run"):
            run = open_run(self._store, tags, OPENED, self._name)
        self._entry = replace(self._entry, run_id=run.info.run_id)
        self._journal.put(self._entry)

    def at(self, stage: str) -> None:
        """Tag the run with its stage; a store that does not answer must not stop the stage."""
        self.tags[STAGE] = stage
        try:
            with _short_timeout(), tracking_errors("name the stage that the run is in"):
                self._store.client.set_tag(self._entry.run_id, STAGE, stage)
        except TrackingFailed as error:
            if not self._warned:
                logger.warning("%s", error)
            self._warned = True

    def lent(self) -> AbstractContextManager[None]:
        """Let processes that are started meanwhile log runs of their own under this one."""
        return nested_under(self._store.uri, self._store.experiment_id, self._entry.run_id)

    def begin_release(self, files: Mapping[str, Path]) -> None:
        """Make this the release's run before it is filled, so that after a kill it can be found.

        Args:
            files: The stages' files; where they are not complete, the release says so itself.

        Raises:
            TrackingFailed: The store does not take it.
        """
        try:
            release_id = identity(files, json.loads(files["gate"].read_bytes()))
        except (QuantlineError, OSError, ValueError, LookupError, TypeError, AttributeError):
            return
        with tracking_errors("record the results"):
            run = self.becomes(release_id)
            if not self._is_duplicate:
                reopen(self._store, run, self.tags)

    def becomes(self, release_id: str) -> Any:
        """Continue as the run of a release, or as that of an earlier process, if there is one.

        One release has one run. If an earlier one is complete, that of this chain only says how
        the chain went, and is deleted when it went well; if it is not, this one is deleted at once.

        Args:
            release_id: The release.

        Returns:
            The ``mlflow.entities.Run``.
        """
        earlier = runs_with(self._store, RELEASE, release_id)
        if earlier and MODEL_ID in earlier[0].data.tags:
            self._is_duplicate = True
            return earlier[0]
        mine = self._entry
        self._store.client.set_tag(mine.run_id, RELEASE, release_id)
        run = open_run(
            self._store, {RELEASE: release_id}, RELEASE, self._name, chosen=self._take_over
        )
        if self._entry is not mine:
            self._journal.drop(mine)
        return run

    def _take_over(self, run: Any) -> None:
        """Write another run to the file of open runs before this one is deleted."""
        taken = run.info.run_id
        if taken != self._entry.run_id:
            known_by = run.data.tags.get(OPENED, taken)
            self._entry = replace(self._entry, run_id=taken, known_by=known_by)
            self._journal.put(self._entry)

    def finish(self, *, nothing_released: bool = False) -> None:
        """Remove the run from the file of open runs; delete it if an earlier run has everything.

        Args:
            nothing_released: Whether nothing was released, because everything was there.
        """
        try:
            if self._is_duplicate or nothing_released:
                with tracking_errors("delete the run of a release that was recorded before"):
                    delete_run(self._store, self._store.client.get_run(self._entry.run_id))
            self._journal.drop(self._entry)
        except QuantlineError as error:  # what was released is released
            logger.warning("%s", error)

    def end(
        self, status: str, stage: str, error: BaseException, parameters: Mapping[str, Any]
    ) -> None:
        """Close the run as failed; if the store does not answer, the next pipeline run closes it.

        Args:
            status: ``FAILED`` or ``KILLED``.
            stage: The stage it ended at.
            error: Why; its text is kept.
            parameters: The pipeline's parameters, for a run that has no results.
        """
        said = redacted(str(error) or type(error).__name__)[:VALUE_LIMIT]
        self._entry = replace(self._entry, status=status, stage=stage, error=said)
        try:
            self._journal.put(self._entry)
            # Of a store that just failed only a little more is asked.
            with (
                _short_timeout(isinstance(error, TrackingFailed)),
                tracking_errors("record the failure"),
            ):
                _close(self._store, self._entry, parameters)
            self._journal.drop(self._entry)
        except QuantlineError as also:
            logger.warning("%s", also)  # the reason that matters is the first one


def close_abandoned(project: Project) -> None:
    """Close the runs that dead processes left open; warn of those that cannot be closed yet.

    Whoever calls it has the data folder to itself.
    """
    open_runs = OpenRuns(project.folder / project.data)
    for entry in open_runs.entries():
        uri = _uri_of(entry, project)
        try:
            if not _is_deleted(uri):
                with (
                    _short_timeout(),
                    tracking_errors("close the run that an earlier process left open"),
                ):
                    _close(_store(uri, entry), entry, {})
            open_runs.drop(entry)
        except (TrackingFailed, OutputNotWritten) as error:
            logger.warning(
                "%s The next run tries again; without the file '%s' none does.",
                error,
                open_runs.path,
            )


def _uri_of(entry: Entry, project: Project) -> str:
    """Return the URI of the run's store, with its password and after a move of the project."""
    current = address(project)
    return current if redacted(current) == entry.uri or _is_deleted(entry.uri) else entry.uri


def _store(uri: str, entry: Entry) -> Store:
    from mlflow import MlflowClient

    return Store(MlflowClient(uri), uri, entry.experiment_id)


def _is_deleted(uri: str) -> bool:
    """Return True for a database file that was deleted: connecting would create it again."""
    if not uri.startswith(_SQLITE):
        return False
    path = uri.removeprefix(_SQLITE).partition("?")[0]
    return not path.startswith((":", "file:")) and not Path(path).exists()


def _close(store: Store, entry: Entry, parameters: Mapping[str, Any]) -> None:
    for run in _runs(store, entry):
        delete_unfinished(store.client, run)
        close_nested(store.client, run)
        if RELEASE not in run.data.tags:  # what was released has the parameters of its results
            log_parameters(store, run, parameters)
        run_id, is_complete = run.info.run_id, MODEL_ID in run.data.tags
        if entry.status:
            status, tags = entry.status, {FAILED_STAGE: entry.stage, ERROR: entry.error}
        elif run.info.status in (RUNNING, "SCHEDULED"):
            status = FINISHED if is_complete else "KILLED"
            tags = {ABANDONED: f"{_now()}: process {entry.pid} on '{entry.host}' was gone"}
            if not is_complete:
                tags[FAILED_STAGE] = run.data.tags.get(STAGE, "start")
        else:
            continue
        for key, value in tags.items():
            store.client.set_tag(run_id, key, value)
        store.client.set_terminated(run_id, status)


def _runs(store: Store, entry: Entry) -> list[Any]:
    if not entry.run_id:  # its making was not answered
        wanted = f"tags.`{OPENED}` = '{entry.known_by}'"
        return list(store.client.search_runs([entry.experiment_id], wanted))
    with ignored(MISSING):
        run = store.client.get_run(entry.run_id)
        return [run] if run.info.lifecycle_stage == "active" else []
    return []


def _short_timeout(chosen: bool = True) -> AbstractContextManager[None]:
    """Limit requests to one try of a few seconds: only a status depends on the answer."""
    bounds = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
    return variables(bounds if chosen else {})


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
