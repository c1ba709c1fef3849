"""What happens around a run: parameters are checked, stages announced, full runs recorded."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines

from quantline import recipe
from quantline.contract.targets import load
from quantline.errors import ParameterError, TrackingFailed, suggest

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

    from quantline.release.tracking import Run

logger = logging.getLogger(__name__)

# The files of a run that become MLflow artifacts.
RECORDED = (
    "manifest",
    "float_import",
    "preflight_report",
    "ranges",
    "calibration_report",
    "int8_model",
    "recipe",
    "golden_vectors",
    "validation_report",
    "golden_report",
    "kernels_report",
    "layers_report",
    "edgetpu_report",
    "summary",
    "summary_plot",
)


def stage_of(node: Node) -> str:
    """Return the stage that a node belongs to: every node has it as its one tag."""
    return str(min(node.tags))


class CheckParameters:
    """Checks every parameter before any node runs."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Check the parameters of this run.

        Raises:
            ParameterError: A parameter is unknown or mistyped, or names a target that is none.
        """
        # Parameters hold paths; like the catalog's, they start from the project folder.
        os.chdir(context.project_path)
        _check_environment(context)
        try:
            parameters = context.params
        except Exception as error:  # the YAML reader's errors have no common base
            raise ParameterError(
                "The parameters cannot be read",
                found=f"{type(error).__name__}: {' '.join(str(error).split())}",
                expected="YAML files in conf/base, and in conf/ENV with --env=ENV",
                remedy="Correct the file it names",
            ) from error
        recipe.check_all(parameters)
        validation = recipe.check(recipe.Validation, parameters.get("validation", {}))
        if validation.target is not None:
            load(validation.target)


def _check_environment(context: KedroContext) -> None:
    """Refuse an environment without a folder: Kedro would go on without any parameters."""
    folder = Path(context.config_loader.conf_source)
    name = context.config_loader.env or context.config_loader.default_run_env
    if folder.is_dir() and not (folder / name).is_dir():
        known = sorted(each.name for each in folder.iterdir() if each.is_dir())
        raise ParameterError(
            f"There is no environment '{name}'",
            found=f"in '{folder}': {', '.join(known) or 'no folder'}",
            expected=f"a folder '{folder / name}', which may be empty",
            remedy=suggest(name, known) or "Correct '--env' or KEDRO_ENV, or make the folder",
        )


class StageLog:
    """Says which node of which stage begins."""

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Announce a node."""
        logger.info("%s: %s", stage_of(node), node.name)


class TrackRun:
    """Records a run of the whole chain, down to its report, as one MLflow run."""

    def __init__(self) -> None:
        self._context: KedroContext | None = None
        self._run: Run | None = None
        self._stage: str | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep what a record needs to know."""
        self._context, self._run, self._stage = context, None, None

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Open a run for the whole chain only: single stages, as DVC runs them, open none.

        Nor does a resumed chain: what its first part was run with is not known here.
        """
        is_whole = set(pipeline.nodes) == set(pipelines["__default__"].nodes)
        if self._context is None or not is_whole or run_params["only_missing_outputs"]:
            return
        from quantline.release.tracking import start_run

        project = Path(self._context.project_path)
        settings = self._context.config_loader["mlflow"]
        self._run = start_run(project, settings, self._context.params)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Remember the stage, for the record of a failure."""
        self._stage = stage_of(node)

    @hook_impl
    def after_pipeline_run(self, catalog: DataCatalog) -> None:
        """Complete the record from the files that the stages wrote."""
        if self._run is not None:
            self._run.complete({name: Path(catalog[name].filepath) for name in RECORDED})
            self._run = None

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Close the record as failed, with the stage and the reason."""
        self.abandon("FAILED", error)

    def abandon(self, status: str, error: BaseException) -> None:
        """Close the run, if one is open, with a status and the reason."""
        if self._run is not None:
            run, self._run = self._run, None
            try:
                run.fail(status, self._stage or "start", error)
            except TrackingFailed as also:
                logger.warning("%s", also)  # the reason that matters is the first one
