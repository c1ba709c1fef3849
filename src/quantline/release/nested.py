"""Runs that a training of the user's opens in MLflow: nested under the run of its chain."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from quantline.release.variables import variables

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

PARENT = "mlflow.parentRunId"
_CONTEXT = "MLFLOW_RUN_CONTEXT"  # the tags, as JSON, of every run that is begun in the process


_NAME = {"mlflow.runName": "training"}  # MLflow's own are drawn, and a seed repeats them


def nested_under(uri: str, experiment_id: str, run_id: str) -> AbstractContextManager[None]:
    """Let the processes that are started meanwhile log to a store, in runs nested under this one.

    MLflow's variables say so: autologging heeds them, and what uses no MLflow does not.

    Args:
        uri: The tracking store.
        experiment_id: The experiment of the run.
        run_id: The run.
    """
    return variables(
        {
            "MLFLOW_TRACKING_URI": uri,
            "MLFLOW_EXPERIMENT_ID": experiment_id,
            _CONTEXT: json.dumps({**_NAME, **_given(), PARENT: run_id}),
        }
    )


def _given() -> dict[str, Any]:
    try:
        given = json.loads(os.environ.get(_CONTEXT) or "{}")
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def nested_runs(client: Any, run: Any) -> list[Any]:
    """Return the runs nested under a run."""
    wanted = f"tags.`{PARENT}` = '{run.info.run_id}'"
    return list(client.search_runs([run.info.experiment_id], wanted))


def close_nested(client: Any, run: Any) -> None:
    """Close the runs under this one that a process left open when it was ended."""
    for nested in nested_runs(client, run):
        if nested.info.status == "RUNNING":
            client.set_terminated(nested.info.run_id, "KILLED")
