"""Recording, judging and releasing; the only package that imports MLflow."""

from quantline.release.champion import fetch, fetch_trained
from quantline.release.project import Project
from quantline.release.registry import Registry
from quantline.release.release import release
from quantline.release.tracking import connect, record_failure

__all__ = ["Project", "Registry", "connect", "fetch", "fetch_trained", "record_failure", "release"]
