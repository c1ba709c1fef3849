"""A check of a SavedModel for operators that do more than compute, before TensorFlow loads it."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.errors import first_few
from quantline.loading.saved_model_operators import (
    FROM_TEXT_FILE,
    PRINT,
    PRINT_TARGETS,
    RESTORING,
    SAVING,
    is_harmless,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_MAIN = ""  # the name of the graph that is no function


def refused_operators(saved_model: Any, folder: str) -> list[str]:
    """Return the operators of a SavedModel that do more than compute, with their places."""
    found: list[str] = []
    for meta_graph in saved_model.meta_graphs:
        found += _Judge(meta_graph, Path(folder)).refused()
    return list(dict.fromkeys(found))


class _Judge:
    """Judges one graph with its functions.

    Every SavedModel holds operators that write and read a checkpoint. They are allowed in parts
    that loading and calling the model do not run: those that only save it or only restore it.
    """

    def __init__(self, meta_graph: Any, folder: Path) -> None:
        self._meta, self._folder = meta_graph, folder
        self._functions = {
            function.signature.name: function for function in meta_graph.graph_def.library.function
        }
        self._nodes = {node.name: node for node in meta_graph.graph_def.node}

    def refused(self) -> list[str]:
        """Return the operators that do more than compute."""
        found = [
            f"the asset '{asset.filename}', which is outside of the folder"
            for asset in self._meta.asset_file_def
            if not self._is_inside(asset.filename)
        ]
        found += self._refused_in(self._meta.graph_def.node, _MAIN)
        for function in self._meta.graph_def.library.function:
            found += self._refused_in(function.node_def, function.signature.name)
        return found

    def _refused_in(self, nodes: Iterable[Any], function: str) -> Iterator[str]:
        """Yield one text, if any: all refused operators of a function, or of the main graph."""
        operators = dict.fromkeys(node.op for node in nodes if not self._is_fine(node, function))
        if operators:
            place = f"the function {function!r}" if function else "the main graph"
            yield f"{first_few(list(operators))} in {place}"

    def _is_fine(self, node: Any, function: str) -> bool:
        fine = is_harmless(node.op)
        if node.op == PRINT:
            fine = node.attr["output_stream"].s in PRINT_TARGETS or not node.attr["output_stream"].s
        elif node.op in FROM_TEXT_FILE:
            fine = self._reads_asset(node, function)
        elif node.op in SAVING | RESTORING:
            places = self._run_or_restoring if node.op in SAVING else self._run
            fine = (function or node.name) not in places[bool(function)]
        return fine

    @cached_property
    def _run(self) -> tuple[set[str], set[str]]:
        """The nodes of the main graph, and the functions, that loading or calling may run."""
        ends = {
            _node(name)
            for signature in self._meta.signature_def.values()
            for info in signature.outputs.values()
            for name in _tensors(info)
        }
        for collection in self._meta.collection_def.values():
            ends |= {_node(name) for name in collection.node_list.value}
        return self._with_functions(self._upstream(ends))

    @cached_property
    def _run_or_restoring(self) -> tuple[set[str], set[str]]:
        restoring = self._upstream([_node(self._meta.saver_def.restore_op_name)])
        return self._with_functions(self._run[0] | restoring)

    def _with_functions(self, nodes: set[str]) -> tuple[set[str], set[str]]:
        called = {name for node in nodes for name in _called(self._nodes[node])}
        called |= set(self._meta.object_graph_def.concrete_functions)
        return nodes, self._reachable(called)

    def _upstream(self, names: Iterable[str]) -> set[str]:
        return _closure(names, self._nodes, lambda node: map(_node, node.input))

    def _reachable(self, names: Iterable[str]) -> set[str]:
        return _closure(
            names, self._functions, lambda function: chain(*map(_called, function.node_def))
        )

    # Sources of the text file of a lookup table

    @cached_property
    def _assets(self) -> set[str]:
        return {_node(asset.tensor_info.name) for asset in self._meta.asset_file_def}

    @cached_property
    def _callers(self) -> dict[str, list[tuple[str, Any]]]:
        callers: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        for node in self._meta.graph_def.node:
            for name in _called(node):
                callers[name].append((_MAIN, node))
        for function in self._functions.values():
            for node in function.node_def:
                for name in _called(node):
                    callers[name].append((function.signature.name, node))
        return callers

    def _is_inside(self, filename: str) -> bool:
        path = (self._folder / "assets" / filename).resolve()
        return path.is_relative_to(self._folder.resolve())

    def _reads_asset(self, node: Any, function: str) -> bool:
        """Return True if the file that a node reads is an asset, wherever the node is run."""
        name = _node(node.input[1]) if len(node.input) > 1 else ""
        if not function:
            return self._is_asset(name)
        arguments = [argument.name for argument in self._functions[function].signature.input_arg]
        if name not in arguments:
            return False
        index = arguments.index(name)
        callers = self._callers[function]
        in_main = all(
            owner == _MAIN and self._is_asset(_node(caller.input[index]))
            for owner, caller in callers
        )
        bound = self._bound_asset(function, index - len(arguments))
        return in_main and bound is not False and (bool(callers) or bool(bound))

    def _is_asset(self, name: str) -> bool:
        node = self._nodes.get(name)
        if node is not None and node.op == "Identity":
            return self._is_asset(_node(node.input[0]))
        if node is not None and node.op == "ReadVariableOp":
            return self._holds_asset(_node(node.input[0]))
        return name in self._assets

    def _holds_asset(self, variable: str) -> bool:
        """Return True for a variable that is only ever assigned assets; TensorFlow 2 makes such."""
        users = [node for node in self._nodes.values() if variable in map(_node, node.input)]
        assigned = [node for node in users if node.op == "AssignVariableOp"]
        known = {"AssignVariableOp", "ReadVariableOp", "VarIsInitializedOp"}
        return (
            bool(assigned)
            and {node.op for node in users} <= known
            and all(_node(node.input[1]) in self._assets for node in assigned)
        )

    def _bound_asset(self, function: str, from_end: int) -> bool | None:
        """Return True if the object graph binds an asset to this argument; None if nothing."""
        graph = self._meta.object_graph_def
        if function not in graph.concrete_functions:
            return None
        bound = list(graph.concrete_functions[function].bound_inputs)
        if len(bound) < -from_end:
            return False  # it is a free input, which takes any text
        return bool(graph.nodes[bound[from_end]].HasField("asset"))


def _closure(
    names: Iterable[str], known: dict[str, Any], following: Callable[[Any], Iterable[str]]
) -> set[str]:
    """Return what is known of these names, and all that follows from them."""
    seen: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in seen and name in known:
            seen.add(name)
            left += following(known[name])
    return seen


def _node(tensor: str) -> str:
    """Return the node that a tensor or a control input belongs to."""
    return tensor.removeprefix("^").partition(":")[0]


def _tensors(info: Any) -> list[str]:
    """Return the tensors of a signature's output."""
    sparse = info.coo_sparse
    parts = [part.name for part in info.composite_tensor.components]
    return [
        info.name, sparse.values_tensor_name, sparse.indices_tensor_name,
        sparse.dense_shape_tensor_name, *parts,
    ]  # fmt: skip


def _called(node: Any) -> Iterator[str]:
    """Yield the functions that a node calls."""
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        elif value.HasField("list"):
            yield from (function.name for function in value.list.func)
