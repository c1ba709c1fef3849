"""What happens around a run: parameters are checked, stages announced, a release's end is told."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import MemoryDataset

from quantline import recipe
from quantline.configuration import check_datasets_of, read_mlflow, read_parameters
from quantline.contract.targets import load
from quantline.errors import TrackingFailed
from quantline.pipelines.release.pipeline import RECORDED
from quantline.project_files import check_datasets
from quantline.release.outcome import REFUSED, notify, refusal, told

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

    from quantline.release import Project
    from quantline.release.tracking import Store

logger = logging.getLogger(__name__)


def stage_of(node: Node) -> str:
    """Return the stage that a node belongs to: every node has it as its one tag."""
    return str(min(node.tags))


class CheckParameters:
    """Checks every parameter before any node runs."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Check the parameters of this run.

        Raises:
            ParameterError: A parameter is unknown or mistyped, or names a target that is none; or
                another file of configuration cannot be read.
        """
        # Parameters hold paths; like the catalog's, they start from the project folder.
        os.chdir(context.project_path)
        parameters = read_parameters(context.config_loader, lambda: context.params)
        recipe.check_all(parameters)
        validation = recipe.check(recipe.Validation, parameters.get("validation", {}))
        if validation.target is not None:
            load(validation.target)
        read_mlflow(context.config_loader)
        check_datasets_of(context.config_loader)

    @hook_impl(tryfirst=True)
    def after_catalog_created(self, catalog: DataCatalog) -> None:
        """Check that the catalog has every dataset of the pipelines.

        Raises:
            ParameterError: It lacks one.
        """
        names = set().union(*(pipeline.datasets() for pipeline in pipelines.values()))
        needed = {name for name in names if not name.startswith("params:")}
        check_datasets(needed - {"parameters", "project"}, catalog)


class StageLog:
    """Says which node of which stage begins."""

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Announce a node."""
        logger.info("%s: %s", stage_of(node), node.name)


class Release:
    """Names the project to the stages that release, and tells how a run with a release ended."""

    def __init__(self) -> None:
        self._context: KedroContext | None = None
        self._project: Project | None = None
        self._store: Store | None = None
        self._stage = "start"

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep what the project is known by."""
        self._context, self._project, self._store, self._stage = context, None, None, "start"

    @hook_impl
    def after_catalog_created(self, catalog: DataCatalog) -> None:
        """Add the dataset ``project``, which is no file."""
        from quantline.release import Project

        if self._context is None:
            return
        self._project = Project(
            Path(self._context.project_path),
            read_mlflow(self._context.config_loader).model_dump(),
            {name: Path(catalog[name].filepath) for name in RECORDED},
        )
        catalog["project"] = MemoryDataset(self._project, copy_mode="assign")

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Reach the tracking store before a run that ends with a release, not after it.

        Other stages, as DVC runs them, need none, and leave no record.
        """
        if self._project is not None and set(pipelines["release"].nodes) <= set(pipeline.nodes):
            from quantline.release import connect

            self._store = connect(self._project)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Remember the stage, for the record of a failure."""
        self._stage = stage_of(node)

    @hook_impl
    def after_pipeline_run(self, catalog: DataCatalog) -> None:
        """Tell what became of the candidate.

        Raises:
            CandidateRefused: It did not pass its gate.
        """
        if self._store is None:
            return
        self._store = None  # what follows is no failure to be recorded
        outcome = catalog["release"].load()
        notify(self._settings(), outcome)
        if outcome["outcome"] == REFUSED:
            raise refusal(outcome)
        logger.info("%s", told(outcome))

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Record the failure, with the stage and the reason."""
        self.abandon("FAILED", error)

    def abandon(self, status: str, error: BaseException) -> None:
        """Record a run that ends without a release, with a status and the reason."""
        if self._store is None or self._context is None or self._project is None:
            return
        from quantline.release import record_failure

        store, self._store = self._store, None
        try:
            if not isinstance(error, TrackingFailed):  # such a store would only fail once more
                record_failure(store, self._project, self._context.params,
                               status=status, stage=self._stage, error=error)  # fmt: skip
        except TrackingFailed as also:
            logger.warning("%s", also)  # the reason that matters is the first one
        ended = {"outcome": status.lower(), "stage": self._stage, "why": [str(error)]}
        notify(self._settings(), ended)

    def _settings(self) -> recipe.Release:
        assert self._context is not None  # noqa: S101 - no run without one
        return recipe.check(recipe.Release, self._context.params["release"])
