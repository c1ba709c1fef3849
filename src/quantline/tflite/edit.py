"""Edits of a ``.tflite`` file that leave its computation as it is, and models cut out of it."""

from __future__ import annotations

import struct
from copy import copy
from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from quantline.tflite.graph import IDENTIFIER, Subgraph, parse, read, text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


_SMALL = 1 << 12
_AHEAD = 64  # for the root's offset and the identifier; keeps every buffer's alignment
# Offsets in the tables' indices of fields (schema.fbs: the third of SubGraph, the eighth of Model).
_OUTPUTS, _SIGNATURES = 8, 18


def with_outputs(model: bytes, tensors: Sequence[int]) -> bytes:
    """Return the model with other outputs: these tensors of the main subgraph, in this order.

    Every activation that is an output can be read while XNNPACK runs the model at full speed,
    where an interpreter that preserves all tensors has to run without it. Signatures are dropped:
    they name outputs that are no longer there. The new list is appended to the file and the
    subgraph pointed to it, which is much faster than packing a large model anew.
    """
    root = schema.Model.GetRootAs(model, 0)
    table = root.Subgraphs(0)._tab
    field = table.Pos + table.Offset(_OUTPUTS)
    start = -(-len(model) // 4) * 4  # vectors are aligned to their elements
    edited = bytearray(model.ljust(start, b"\0"))
    edited += np.asarray([len(tensors), *tensors], "<u4").tobytes()
    struct.pack_into("<I", edited, field, start - field)
    if root.SignatureDefsLength():
        signatures = root._tab.Vector(root._tab.Offset(_SIGNATURES))
        struct.pack_into("<I", edited, signatures - 4, 0)  # a vector begins with its length
    return bytes(edited)


def with_ranges(model: bytes, ranges: Mapping[int, tuple[float, float]]) -> bytes:
    """Return the model with (min, max) of main tensors written into their quantization fields.

    This is the form in which TensorFlow's calibrator hands ranges to its quantizer.
    """
    edited = parse(model)
    for index, (low, high) in ranges.items():
        quantization = schema.QuantizationParametersT()
        quantization.min = np.asarray([low], np.float32)
        quantization.max = np.asarray([high], np.float32)
        edited.subgraphs[0].tensors[index].quantization = quantization
    return pack(edited, len(model))


def with_static_batch(model: bytes) -> bytes:
    """Return the model with its unknown leading dimensions fixed to the batch of 1 they stand at.

    TensorFlow stores a model of any batch with shapes of batch 1 and a shape signature that has -1
    in the first place; without the signature the shapes hold as they are.
    """
    edited = parse(model)
    for subgraph in edited.subgraphs:
        for tensor in subgraph.tensors:
            signature = tensor.shapeSignature
            has_any = signature is not None and len(signature) > 0
            if has_any and all(size >= 0 for size in signature[1:]):
                tensor.shapeSignature = None
    return pack(edited, len(model))


def with_signature(model: bytes, key: str) -> bytes:
    """Return the model with this signature only: its subgraph is the main one.

    Subgraphs that it does not reach through control flow are dropped, with the constants that only
    they use.

    Raises:
        KeyError: It has no such signature.
    """
    edited = parse(model)
    kept = {text(item.signatureKey): item for item in edited.signatureDefs or ()}[key]
    keep_reached(edited, kept.subgraphIndex)
    kept.subgraphIndex = 0
    edited.signatureDefs = [kept]
    used = {tensor.buffer for subgraph in edited.subgraphs for tensor in subgraph.tensors}
    used |= {entry.buffer for entry in edited.metadata or ()}
    _keep_data(edited, used)
    return pack(edited, len(model))


def with_simulated_shapes(model: bytes) -> bytes:
    """Return the model with the shapes of inputs of QUANTIZE and DEQUANTIZE on their outputs.

    TensorFlow's converter leaves them out where it moved a simulated quantization of weights, and
    the runtime refuses such a model.
    """
    edited = parse(model)
    kinds = (schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE)
    for subgraph in edited.subgraphs:
        for operator in subgraph.operators or ():
            if edited.operatorCodes[operator.opcodeIndex].builtinCode in kinds:
                given = subgraph.tensors[operator.inputs[0]]
                written = subgraph.tensors[operator.outputs[0]]
                if given.hasRank and not written.hasRank:
                    written.shape, written.hasRank = given.shape, True
                    written.shapeSignature = given.shapeSignature
    return pack(edited, len(model))


def with_signature_names(
    model: bytes, inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> bytes:
    """Return the model with new names, by the present ones, in its signatures; others stay."""
    edited = parse(model)
    for signature in edited.signatureDefs or ():
        for ports, names in ((signature.inputs, inputs), (signature.outputs, outputs)):
            for port in ports:
                port.name = names.get(text(port.name), text(port.name))
    return pack(edited, len(model))


def _keep_data(model: Any, used: set[int]) -> None:
    """Drop the content of buffers that are not used."""
    for index, buffer in enumerate(model.buffers):
        if index not in used:
            buffer.data = None


def keep_reached(model: Any, first: int) -> None:
    """Make a subgraph the main one, and drop those that it does not reach through control flow."""
    order = [first]
    for index in order:  # grows while it is walked
        for _, _, called in _calls(model.subgraphs[index]):
            order += [number for number in dict.fromkeys(called) if number not in order]
    model.subgraphs = [model.subgraphs[index] for index in order]
    for subgraph in model.subgraphs:
        for options, field, called in _calls(subgraph):
            numbers = [order.index(number) for number in called]
            single = isinstance(getattr(options, field), int)
            setattr(options, field, numbers[0] if single else np.asarray(numbers, np.int32))


def _calls(subgraph: Any) -> list[tuple[Any, str, list[int]]]:
    """Return which options of operators, such as IF and WHILE, name which other subgraphs."""
    return [
        (options, field, np.atleast_1d(value).tolist())
        for operator in subgraph.operators or ()
        for options in (operator.builtinOptions, operator.builtinOptions2)
        if options is not None
        for field, value in vars(options).items()
        if "subgraph" in field.lower() and value is not None and np.min(value) >= 0
    ]


def pack_with_shared_data(model: Any, original: bytes) -> bytes:
    """Return an edited tree that reuses the packed weights of the file it was parsed from.

    A buffer may say where in the file its bytes are (``Buffer.offset``, meant for models above
    2 GB), so the original file is kept whole and pointed into, and the new tables follow it. For a
    model of 100 MB that is several times as fast.
    """
    base = np.frombuffer(original, np.uint8)
    first = base.ctypes.data
    shared = []
    for buffer in model.buffers:
        data = buffer.data
        if isinstance(data, np.ndarray) and data.size > _SMALL and data.base is not None:
            place = data.ctypes.data - first
            if 0 <= place < len(original):
                shared.append((buffer, place, data.size))
                buffer.data = None
    for buffer, place, size in shared:
        buffer.offset, buffer.size = _AHEAD + place, size
    tables = pack(model, 1 << 16)
    start = -(-(_AHEAD + len(original)) // _AHEAD) * _AHEAD
    root = start + int.from_bytes(tables[:4], "little")
    ahead = root.to_bytes(4, "little") + IDENTIFIER
    return b"".join([ahead.ljust(_AHEAD, b"\0"), original.ljust(start - _AHEAD, b"\0"), tables])


def pack(model: Any, size: int) -> bytes:
    """Return the bytes of an edited object tree, which are about so many."""
    # With enough room from the start the builder need not grow, which copies its content.
    builder = flatbuffers.Builder(size + size // 8 + (1 << 16))
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def extract(model: bytes, operators: Collection[int]) -> bytes:
    """Return a model of these operators of the main subgraph only.

    Its inputs are the tensors that they read from other operators and from the model's inputs, its
    outputs those that others, or the model's outputs, take from them. Bodies of control flow stay
    as they are; signatures and metadata are dropped.
    """
    main = read(model).main
    edited = parse(model)
    subgraph = edited.subgraphs[0]
    inputs, outputs = _borders(main, operators)
    subgraph.operators = [subgraph.operators[index] for index in sorted(operators)]
    subgraph.inputs = np.asarray(inputs, np.int32)
    subgraph.outputs = np.asarray(outputs, np.int32)
    edited.signatureDefs = edited.metadata = edited.metadataBuffer = None
    kept = [main.operators[index] for index in operators]
    tensors = [main.tensors_at((*operator.inputs, *operator.outputs)) for operator in kept]
    reached = {tensor.index for listed in tensors for tensor in listed}
    used = {subgraph.tensors[index].buffer for index in reached}
    used.update(tensor.buffer for body in edited.subgraphs[1:] for tensor in body.tensors)
    _keep_data(edited, used)
    held = [buffer.data for buffer in edited.buffers if buffer.data is not None]
    return pack(edited, sum(map(len, held)))


def _borders(main: Subgraph, chosen: Collection[int]) -> tuple[list[int], list[int]]:
    taken: dict[int, None] = {}  # in order, and each once
    given: dict[int, None] = {}
    wanted = set(main.outputs)
    for operator in main.operators:
        if operator.index in chosen:
            taken.update(dict.fromkeys(index for index in operator.inputs if index >= 0))
            given.update(dict.fromkeys(operator.outputs))
        else:
            wanted.update(operator.inputs)
    outer = main.tensors_at(index for index in taken if index not in given)
    computed = [tensor for tensor in outer if tensor.constant is None]
    inputs = [tensor.index for tensor in computed if not tensor.is_variable]
    return inputs, [index for index in given if index in wanted]


def with_isolated_operators(model: bytes, given: Sequence[int], outputs: Sequence[int]) -> bytes:
    """Return the model with new inputs in place of tensors that operators read from each other.

    One run then shows the result of each operator on exactly known values, at the speed of the
    whole model. Operators that no output needs any longer are left out.

    Args:
        model: A ``.tflite`` file's bytes, known to be readable.
        given: Tensors of the main subgraph. The new inputs follow the model's own in this order,
            and are of the same shapes, types, scales and zero points.
        outputs: Tensors of the main subgraph to output, in their order. A given one is output as
            its operator computes it.
    """
    edited = parse(model)
    edited.signatureDefs = None  # they name outputs that are no longer there
    main = edited.subgraphs[0]
    fed = {}
    for index in given:
        tensor = copy(main.tensors[index])
        tensor.name = (tensor.name or b"") + b";given"
        fed[index] = len(main.tensors)
        main.tensors.append(tensor)
    for operator in main.operators:
        read = operator.inputs if operator.inputs is not None else ()
        operator.inputs = np.asarray([fed.get(int(value), value) for value in read], np.int32)
    main.operators = _needed(main.operators, outputs)
    main.inputs = np.asarray([*main.inputs, *fed.values()], np.int32)
    main.outputs = np.asarray(outputs, np.int32)
    return pack_with_shared_data(edited, model)


def _needed(operators: Sequence[Any], outputs: Sequence[int]) -> list[Any]:
    """Return the operators that outputs need, and those without outputs, such as assignments."""
    needed = set(outputs)
    kept = []
    for operator in reversed(operators):
        given = operator.outputs if operator.outputs is not None else ()
        if not len(given) or needed.intersection(given):
            kept.append(operator)
            needed.update(operator.inputs)
    return kept[::-1]
