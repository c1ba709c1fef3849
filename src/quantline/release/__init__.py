"""Recording, judging and releasing; the only package that imports MLflow."""

from quantline.release.champion import fetch
from quantline.release.project import Project
from quantline.release.registry import Registry
from quantline.release.release import release
from quantline.release.tracking import connect, record_failure

__all__ = ["Project", "Registry", "connect", "fetch", "record_failure", "release"]
