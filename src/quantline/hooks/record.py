"""The log of the stages, and the MLflow run of a chain that ends with a release."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import MemoryDataset

from quantline import recipe
from quantline.configuration import read_mlflow
from quantline.pipelines.release import RECORDED
from quantline.redaction import redact_logs
from quantline.release.release import REFUSED, notify, refusal, summary_line

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

    from quantline.release.active_run import ActiveRun
    from quantline.release.tracking import Project

logger = logging.getLogger(__name__)

_TRAINING = "training"


def stage_of(node: Node) -> str:
    """Return the stage that a node belongs to, its tag; a project's own node may have none."""
    return str(min(node.tags, default=node.name))


class StageLog:
    """The hook that logs the start of each node, with its stage."""

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Announce a node."""
        logger.info("%s: %s", stage_of(node), node.name)


class Release:
    """The hook that records a chain that ends with a release as an MLflow run."""

    def __init__(self) -> None:
        self._context: KedroContext | None = None
        self._project: Project | None = None
        self._running: ActiveRun | None = None
        self._stage, self._released = "start", False
        self._lent = ExitStack()

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember the context of the project."""
        redact_logs()
        self._context, self._project, self._running = context, None, None
        self._stage, self._released = "start", False

    @hook_impl
    def after_catalog_created(self, catalog: DataCatalog) -> None:
        """Add the dataset ``project``, which is no file."""
        from quantline.release.tracking import Project

        if self._context is None:
            return
        loader = self._context.config_loader
        self._project = Project(
            Path(self._context.project_path),
            read_mlflow(loader).model_dump(),
            {name: Path(catalog[name].filepath) for name in RECORDED},
            data=Path(catalog["release"].filepath).parents[1],
            environment=self._context.env or loader.default_run_env,
            trained=Path(catalog["trained_model"].filepath),
        )
        catalog["project"] = MemoryDataset(self._project, copy_mode="assign")

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Close what a killed run left open; open the run of a chain that ends with a release.

        So a store that cannot be reached is known of before the chain, not after it. Other stages,
        as DVC runs them, need none, and leave no record.
        """
        from quantline.release.active_run import ActiveRun, close_abandoned
        from quantline.release.tracking import connect

        if self._project is None:
            return
        close_abandoned(self._project)
        if set(pipelines["release"].nodes) <= set(pipeline.nodes):
            assert self._context is not None  # noqa: S101 - no project without one
            model = recipe.check(recipe.Model, self._context.params["model"])
            names = run_params.get("pipeline_names") or ["__default__"]
            settings = self._settings()
            self._running = ActiveRun(
                connect(self._project), self._project, names, settings.name(model), settings.tags
            )
            self._running.open()
            catalog["project"].save(replace(self._project, running=self._running))

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Tag the MLflow run with its stage, and begin the release."""
        stage, before = stage_of(node), self._stage
        self._stage = stage
        if self._running is not None and stage != before:
            self._running.at(stage)
            if stage == _TRAINING:  # by the user's own code, which may log by MLflow
                self._lent.enter_context(self._running.lent())
            if node in pipelines["release"].nodes and self._project is not None:
                self._running.begin_release(self._project.files)

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Remember that the release node has run; end what a training was given."""
        self._lent.close()
        self._released = self._released or node in pipelines["release"].nodes

    @hook_impl
    def after_pipeline_run(self, catalog: DataCatalog) -> None:
        """Report the outcome of the candidate.

        Raises:
            CheckFailed: It did not pass its gate.
        """
        if self._running is None:
            return
        running, self._running = self._running, None  # what follows is no failure to be recorded
        running.finish(nothing_released=not self._released)
        if not self._released:
            return  # with '--only-missing-outputs' there was nothing to do
        outcome = catalog["release"].load()
        notify(self._settings(), outcome)
        if outcome["outcome"] == REFUSED:
            raise refusal(outcome)
        logger.info("%s", summary_line(outcome))

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Record the failure, with the stage and the reason."""
        self.abandon("FAILED", error)

    def abandon(self, status: str, error: BaseException) -> None:
        """Close the run of a chain that ends without a release, with a status and the reason."""
        self._lent.close()
        if self._running is None or self._context is None:
            return
        running, self._running = self._running, None
        if self._released:  # and the release stays made, whatever a later stage came to
            running.finish()
        else:
            running.end(status, self._stage, error, self._context.params)
        ended = {"outcome": status.lower(), "stage": self._stage, "why": [str(error)]}
        notify(self._settings(), ended)

    def _settings(self) -> recipe.Release:
        assert self._context is not None  # noqa: S101 - no run without one
        return recipe.check(recipe.Release, self._context.params["release"])
