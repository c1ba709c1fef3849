"""What a compiler would make of a graph, group by group, and a graph as a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from tests.edgetpu import programs

from quantline.edgetpu.mapping.partition import live_operators
from quantline.tflite.edit import pack
from quantline.tflite.graph import Graph, Operator, Subgraph


def compiled(graph: Graph, *groups: set[int], program: bytes = b"") -> Graph:
    """Put each group of operators into an Edge TPU operator; what is dead is dropped.

    Tensors are numbered anew, from the last to the first, so that numbers tell nothing.
    """
    main = graph.main
    placed = {index: group for group in groups for index in group}
    waiting = {operator.index: operator for operator in live_operators(main)}
    operators: list[Operator] = []
    made = set(main.inputs) | {e.index for e in main.tensors if e.constant is not None} | {-1}
    while waiting:
        for index in list(waiting):
            group = placed.get(index, {index})
            members = [waiting[index] for index in sorted(group)] if index in waiting else []
            inside = {output for member in members for output in member.outputs}
            needed = {one for member in members for one in member.inputs} - inside
            if not members or not needed <= made:
                continue
            for member in members:
                del waiting[member.index]
            made |= inside
            used = {one for operator in live_operators(main) if operator not in members
                    for one in operator.inputs} | set(main.outputs)  # fmt: skip
            if index in placed:
                ends = tuple(sorted(inside & used))
                begins = tuple(e for e in sorted(needed) if main.tensors[e].constant is None)
                told = program or programs.pair()
                operators.append(
                    Operator(0, "edgetpu-custom-op", True, 1, begins, ends, {}, (), told)
                )
            else:
                operators += members
    kept = {one for operator in operators for one in (*operator.inputs, *operator.outputs)} - {-1}
    order = sorted(kept | set(main.inputs) | set(main.outputs), reverse=True)
    number = {old: new for new, old in enumerate(order)} | {-1: -1}

    def anew(indices: Any) -> tuple[int, ...]:
        return tuple(number[index] for index in indices)

    return Graph(
        (
            Subgraph(
                0,
                "main",
                tuple(replace(main.tensors[old], index=new) for new, old in enumerate(order)),
                tuple(
                    replace(
                        operator,
                        index=at,
                        inputs=anew(operator.inputs),
                        outputs=anew(operator.outputs),
                    )
                    for at, operator in enumerate(operators)
                ),
                anew(main.inputs),
                anew(main.outputs),
            ),
        ),
        (),
        3,
        "",
    )


def file(graph: Graph) -> bytes:
    """A graph as a ``.tflite`` file; its operators have default options."""
    model = schema.ModelT()
    model.version, model.buffers, model.operatorCodes = 3, [schema.BufferT()], []
    subgraph = schema.SubGraphT()
    subgraph.tensors, subgraph.operators = [], []
    for other in graph.main.tensors:
        tensor = schema.TensorT()
        tensor.name, tensor.shape = other.name, np.asarray(other.shape, np.int32)
        tensor.type = getattr(schema.TensorType, other.dtype.upper())
        tensor.quantization = schema.QuantizationParametersT()
        if other.quantization is not None:
            tensor.quantization.scale = np.asarray(other.quantization.scales, np.float32)
            tensor.quantization.zeroPoint = np.asarray(other.quantization.zero_points, np.int64)
        if other.constant is not None:
            tensor.buffer = len(model.buffers)
            model.buffers.append(schema.BufferT())
            model.buffers[-1].data = other.constant
        subgraph.tensors.append(tensor)
    for given in graph.main.operators:
        code = schema.OperatorCodeT()
        code.builtinCode = schema.BuiltinOperator.CUSTOM
        if given.is_custom:
            code.customCode = given.type
        else:
            code.builtinCode = getattr(schema.BuiltinOperator, given.type)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), given.version
        operator = schema.OperatorT()
        operator.opcodeIndex = len(model.operatorCodes)
        operator.inputs, operator.outputs = (
            np.asarray(indices, np.int32) for indices in (given.inputs, given.outputs)
        )
        if given.custom_options:
            operator.customOptions = np.frombuffer(given.custom_options, np.uint8)
        model.operatorCodes.append(code)
        subgraph.operators.append(operator)
    subgraph.inputs, subgraph.outputs = (
        np.asarray(indices, np.int32) for indices in (graph.main.inputs, graph.main.outputs)
    )
    model.subgraphs = [subgraph]
    return pack(model, 1 << 16)
