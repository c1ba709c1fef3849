"""Recording, judging and releasing candidates; the only package that imports MLflow."""

from quantline.release.active_run import ActiveRun, close_abandoned
from quantline.release.champion import check_unchanged, fetch, fetch_trained
from quantline.release.registry import Registry
from quantline.release.release import release
from quantline.release.tracking import Project, connect

__all__ = [
    "ActiveRun",
    "Project",
    "Registry",
    "check_unchanged",
    "close_abandoned",
    "connect",
    "fetch",
    "fetch_trained",
    "release",
]
