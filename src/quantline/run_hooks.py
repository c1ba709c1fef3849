"""Hooks around a run: it holds the lock of its data folder, and its results say what they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from quantline import lineage, recipe
from quantline.configuration import data_folder
from quantline.datasets import ResultDataset
from quantline.files import remove_partials
from quantline.lineage import MadeFrom, Maker
from quantline.pipeline_registry import register_pipelines
from quantline.run_lock import RunLock

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import DataCatalog
    from kedro.pipeline.node import Node

_PARAMETERS = "params:"


class HoldLock:
    """Lets one run at a time write to a data folder."""

    def __init__(self) -> None:
        self._context: KedroContext | None = None
        self._lock: RunLock | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep what says which folder it is."""
        self._context = context

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self) -> None:
        """Take the lock, and remove what a killed run left half-written.

        Raises:
            RunInProgress: Another run holds it.
        """
        self.release()  # of a run in this process that was interrupted
        assert self._context is not None  # noqa: S101 - no run without one
        folder = Path(self._context.project_path) / data_folder(self._context.config_loader)
        limits = recipe.check(recipe.Limits, self._context.params.get("limits", {}))
        self._lock = RunLock.acquire(folder, limits.lock_wait_s)
        for layer in (folder, *(path for path in folder.glob("*/") if path.name != "01_raw")):
            remove_partials(layer)

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        """Give the lock back."""
        self.release()

    @hook_impl(trylast=True)
    def on_pipeline_error(self) -> None:
        """Give the lock back."""
        self.release()

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


class Lineage:
    """Refuses results that do not belong together, and has results say what they are made from."""

    def __init__(self) -> None:
        self._makers: dict[str, list[Maker]] = {}
        self._rerun = "kedro run"

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Find out which step writes which result."""
        env = context.config_loader.env
        self._rerun = f"kedro run --env {env}" if env else "kedro run"
        self._makers = {}
        for pipeline in register_pipelines().values():
            for node in pipeline.nodes:
                self._add(node)

    @hook_impl
    def before_node_run(self, node: Node, catalog: DataCatalog) -> None:
        """Check that what a step takes belongs together.

        Raises:
            ResultsUnrelated: It does not.
        """
        lineage.check(node.inputs, lambda name: _result(catalog, name), self._makers, self._rerun)

    @hook_impl
    def after_node_run(
        self,
        node: Node,
        catalog: DataCatalog,
        inputs: dict[str, Any],
        outputs: dict[str, Any],
    ) -> None:
        """Give each result the statement that is saved with it."""
        taken = {name: _result(catalog, name) for name in node.inputs}
        written = {name: _result(catalog, name) for name in outputs}
        made = MadeFrom(
            inputs={name: str(result.sha256()) for name, result in taken.items() if result},
            outputs={
                name: result.sha256_of(outputs[name])
                for name, result in written.items()
                if result is not None and not result.has_statement
            },
            parameters={
                name.removeprefix(_PARAMETERS): inputs[name]
                for name in node.inputs
                if name.startswith(_PARAMETERS)
            },
        )
        for result in written.values():
            if result is not None:
                result.made_from = made

    def _add(self, node: Node) -> None:
        maker = Maker(
            node.name,
            frozenset(name for name in node.inputs if _is_result(name)),
            tuple(node.outputs),
        )
        for output in node.outputs:
            makers = self._makers.setdefault(output, [])
            if maker not in makers:
                makers.append(maker)


def _is_result(name: str) -> bool:
    return not name.startswith(_PARAMETERS) and name not in {"parameters", "project"}


def _result(catalog: DataCatalog, name: str) -> ResultDataset | None:
    if not _is_result(name) or name not in catalog:
        return None
    dataset = catalog[name]
    return dataset if isinstance(dataset, ResultDataset) else None
