"""Checks before any node runs: of the configuration, and of a retraining."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines

from quantline import recipe
from quantline.configuration import check_datasets_of, read_mlflow, read_parameters
from quantline.contract.targets import load
from quantline.pipelines.retrain import CHECKED, check_retraining, retrain_model
from quantline.project_files import check_datasets

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline


class CheckParameters:
    """The hook that checks every parameter before any node runs."""

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
        recipe.check_all(parameters, _taken_by_nodes())
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


def _taken_by_nodes() -> set[str]:
    """Return the top-level keys that nodes take, a project's own nodes among them."""
    names = set().union(*(pipeline.inputs() for pipeline in pipelines.values()))
    marked = {name.removeprefix("params:") for name in names if name.startswith("params:")}
    return {name.partition(".")[0] for name in marked}


class CheckRetraining:
    """The hook that checks a retraining before any node runs, so that a refusal changes no file."""

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Check it, if it is part of the run.

        Raises:
            QuantlineError: It cannot make the next version of the model that the parameters name.
        """
        if any(node.func is retrain_model for node in pipeline.nodes):
            check_retraining(*(catalog.load(name) for name in CHECKED))
