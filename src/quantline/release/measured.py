"""The numbers of a release in MLflow: on its run, on its logged model, and over its training."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from quantline.release.flatten import flatten
from quantline.release.inputs import EVALUATION, set_of
from quantline.release.tracking import batched
from quantline.tasks import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping

# What an entry of the summary is not about, if it is about the logged model at all.
_OTHERS = ("float.", "gate.")
_NOT_OF_EXAMPLES = re.compile(r"\.(size|latency|speed)_")
_BAD = re.compile(r"[^\w.\- :/]")  # what MLflow takes in no name
_NOT_IN_A_PART = re.compile(r"[^\w\- ]")  # nor what a path may mean
_METRICS, _KEY = 1000, 250  # how many a request, and the characters of a name

# The names of mlflow.evaluate (mlflow.models.evaluation.evaluators) for what is the same number.
MLFLOW_NAMES: dict[str, dict[str, str]] = {
    "classification": {"top1": "accuracy_score", "loss": "log_loss"},
    "binary": {
        "auc": "roc_auc",
        "accuracy": "accuracy_score",
        "f1": "f1_score",
        "precision": "precision_score",
        "recall": "recall_score",
    },
    "regression": {
        "mae": "mean_absolute_error",
        "rmse": "root_mean_squared_error",
        "r2": "r2_score",
    },
    "anomaly": {"auc": "roc_auc"},
}
_EXAMPLES = "example_count"


def log_metrics(client: Any, run: Any, model_id: str, read: Mapping[str, Any]) -> None:
    """Log every number of the summary on the run, and those of the logged model on that too.

    A number that is there already with the same value is not logged again.

    Args:
        client: The ``MlflowClient``.
        run: The run, as the store has it now.
        model_id: Its logged model.
        read: What is in ``summary.json`` and ``manifest.json``.
    """
    from mlflow.entities import Metric

    examples = set_of(read["manifest"], EVALUATION)
    logged = client.get_logged_model(model_id).metrics or []
    of_model = {metric.key: metric.value for metric in sorted(logged, key=lambda m: m.timestamp)}
    now_ms, metrics = int(time.time() * 1000), []
    for key, value in {**_numbers(read["summary"]), **_renamed(read["summary"])}.items():
        is_models = not key.startswith(_OTHERS)
        known = run.data.metrics.get(key) == value
        if known and (not is_models or of_model.get(key) == value):
            continue
        more: dict[str, Any] = {"model_id": model_id} if is_models else {}
        if is_models and _is_of_examples(key):
            more |= {"dataset_name": examples.name, "dataset_digest": examples.digest}
        metrics.append(Metric(key, value, now_ms, 0, **more))
    for batch in batched(metrics, _METRICS):
        client.log_batch(run.info.run_id, metrics=batch)


def log_training(client: Any, run: Any, history: Mapping[str, Any]) -> None:
    """Log the numbers of each epoch as steps of ``training/NAME``, from 0 as autologging does.

    They have the time at which the run began, so that what is logged again is the same.

    Args:
        client: The ``MlflowClient``.
        run: The run.
        history: A list of numbers by name, one an epoch; None is one that is not finite.
    """
    from mlflow.entities import Metric

    points = [
        Metric(_epoch_key(name), float(value), run.info.start_time, step)
        for name, values in history.items()
        for step, value in enumerate(values)
        if value is not None
    ]
    for batch in batched(points, _METRICS):
        client.log_batch(run.info.run_id, metrics=batch)


def _numbers(summary: Mapping[str, Any]) -> dict[str, float]:
    return {
        _key(key): float(value)
        for key, value in flatten(summary)
        if isinstance(value, (bool, int, float))
    }


def _renamed(summary: Mapping[str, Any]) -> dict[str, float]:
    """Return the int8 model's numbers that MLflow has a name of its own for, by that name."""
    scores = summary["int8"]
    names = MLFLOW_NAMES.get(scores.get("task", DEFAULT.name), {})
    found = {new: float(scores[name]) for name, new in names.items() if name in scores}
    count = scores.get("labelled_examples")
    return {**found, _EXAMPLES: float(count)} if found and count is not None else found


def _is_of_examples(key: str) -> bool:
    """Return True for a number that was measured on the evaluation set."""
    if key.startswith(("int8.", "comparison.")):
        return _NOT_OF_EXAMPLES.search(key) is None
    return "." not in key


def _key(name: str) -> str:
    return _BAD.sub("_", name)[:_KEY]


def _epoch_key(name: str) -> str:
    """Return the key of a curve: MLflow's pages show what has a slash in a part of its own."""
    return f"training/{_NOT_IN_A_PART.sub('_', name) or '_'}"[:_KEY]
