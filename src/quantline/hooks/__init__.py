"""Hooks around a run: checks, the lock, the origin of results, the log, the MLflow run."""

from quantline.hooks.checks import CheckParameters, CheckRetraining
from quantline.hooks.lineage import CheckLineage
from quantline.hooks.lock import LockDataFolder
from quantline.hooks.record import Release, StageLog

__all__ = [
    "CheckLineage",
    "CheckParameters",
    "CheckRetraining",
    "LockDataFolder",
    "Release",
    "StageLog",
]
