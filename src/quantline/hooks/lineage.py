"""The origin of results: stated in each of them, and checked before a node takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines

from quantline import lineage
from quantline.datasets import ResultDataset
from quantline.lineage import MadeFrom, Maker

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import DataCatalog
    from kedro.pipeline.node import Node

_PARAMETERS = "params:"


class CheckLineage:
    """The hook that checks the origin of a node's inputs, and states that of its outputs."""

    def __init__(self) -> None:
        self._makers: dict[str, list[Maker]] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Map each result to the nodes that write it."""
        self._makers = {}
        for pipeline in pipelines.values():
            for node in pipeline.nodes:
                self._add(node)

    @hook_impl
    def before_node_run(self, node: Node, catalog: DataCatalog) -> None:
        """Check that the inputs of a node belong together.

        Raises:
            MismatchError: It does not.
        """
        lineage.check(node.inputs, lambda name: _result(catalog, name), self._makers)

    @hook_impl
    def after_node_run(
        self,
        node: Node,
        catalog: DataCatalog,
        inputs: dict[str, Any],
        outputs: dict[str, Any],
    ) -> None:
        """Attach to each output the statement of origin that is saved with it."""
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
