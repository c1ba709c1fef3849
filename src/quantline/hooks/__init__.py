"""Hooks around a run: checks, the lock, the origin of results, the log, the MLflow run."""

from quantline.hooks.checks import CheckParameters, CheckRetraining
from quantline.hooks.lineage import StateOrigin
from quantline.hooks.lock import HoldLock
from quantline.hooks.record import Release, StageLog

__all__ = [
    "CheckParameters",
    "CheckRetraining",
    "HoldLock",
    "Release",
    "StageLog",
    "StateOrigin",
]
