"""The project as a release sees it: folders, result files, environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.release.active_run import ActiveRun

DEFAULT_ENVIRONMENT = "local"


@dataclass(frozen=True)
class Project:
    """A project folder, its result files, and the tracking store that its runs are recorded in.

    Attributes:
        folder: The project folder; the default tracking store and ``dvc.lock`` lie in it.
        mlflow: ``tracking_uri`` and ``experiment``; MLFLOW_TRACKING_URI comes before the former.
        files: The stages' files and folders by the names of their datasets.
        data: The data folder of the environment, from the project folder on.
        environment: The environment's name.
        running: The MLflow run of the chain that is under way; None outside of one.
        trained: The file that a training writes its model to.
    """

    folder: Path
    mlflow: Mapping[str, Any]
    files: Mapping[str, Path] = field(default_factory=dict)
    data: Path = Path("data")
    environment: str = DEFAULT_ENVIRONMENT
    running: ActiveRun | None = None
    trained: Path | None = None
