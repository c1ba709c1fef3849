"""Recording runs in MLflow; the only package that imports it."""

from quantline.release.tracking import Run, start_run

__all__ = ["Run", "start_run"]
