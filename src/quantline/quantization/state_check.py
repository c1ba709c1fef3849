"""A check for variables that a model assigns and tables that it reads: state, and no constants."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from quantline.errors import ModelUnsupported, first_few

if TYPE_CHECKING:
    from collections.abc import Iterable

_ASSIGN = re.compile(r"Assign(Add|Sub)?VariableOp|ResourceScatter\w+|ResourceStridedSliceAssign")
_LOOKUP = re.compile(r"LookupTable\w*|HashTable\w*|MutableHashTable\w*")


def refuse_state(path: str, concrete: Any) -> None:
    """Refuse a function that changes its variables, or looks values up in a table."""
    graph = concrete.graph.as_graph_def()
    functions = {function.signature.name: function for function in graph.library.function}
    captured = {inner.name.partition(":")[0]: outer for outer, inner in concrete.graph.captures}
    handles = _assigned(graph.node, set(captured), functions)
    names = {id(variable.handle): variable.name for variable in concrete.graph.variables}
    assigned = sorted(
        {names.get(id(captured[handle]), handle).partition(":")[0] for handle in handles}
    )
    if assigned:
        random = [name for name in assigned if "seed_generator" in name]
        raise ModelUnsupported(
            f"'{path}' assigns variables while it runs",
            found=f"the variables {first_few([repr(name) for name in assigned], 5)}",
            expected="a model whose outputs depend on its inputs alone",
            remedy="It draws random numbers: give these as an input, or leave the layer out at "
            "inference"
            if len(random) == len(assigned)
            else "Make the state an input and an output: a recurrent layer with stateful=False, "
            "return_state=True and 'initial_state' from an input, which its caller hands on",
        )
    everything = [
        *graph.node,
        *(node for function in functions.values() for node in function.node_def),
    ]
    tables = sorted({node.name for node in everything if _LOOKUP.fullmatch(node.op)})
    if tables:
        raise ModelUnsupported(
            f"'{path}' looks values up in a table",
            found=first_few([repr(name) for name in tables], 3),
            expected="a model that computes with numbers alone",
            remedy="Look the values up in the program that calls the model (StringLookup and "
            "IntegerLookup give indices from 0), and export the model from behind that layer",
        )


def _assigned(nodes: Iterable[Any], names: set[str], functions: dict[str, Any]) -> set[str]:
    """Return the resources that a graph, or a function that it calls, assigns."""
    found: set[str] = set()
    aliases = {name: name for name in names}
    for node in nodes:
        given = [aliases.get(name.partition(":")[0]) for name in node.input]
        if node.op == "Identity" and given and given[0]:
            aliases[node.name] = given[0]
        if _ASSIGN.fullmatch(node.op) and given[0]:
            found.add(given[0])
        called = [functions.get(value.func.name) for value in node.attr.values()
                  if value.HasField("func")]  # fmt: skip
        for function in (found for found in called if found is not None and any(given)):
            arguments = [argument.name for argument in function.signature.input_arg]
            # An If hands on all but its condition.
            handed = given[len(given) - len(arguments) :]
            inner = dict(zip(arguments, handed, strict=False))
            wanted = {argument for argument, outer in inner.items() if outer}
            for argument in _assigned(function.node_def, wanted, functions):
                outer = inner[argument]
                assert outer is not None  # noqa: S101 - only those were asked for
                found.add(outer)
    return found
