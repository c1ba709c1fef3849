"""Edits of a ``.tflite`` file that leave its computation as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from quantline.tflite.graph import IDENTIFIER, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def with_outputs(model: bytes, tensors: Sequence[int]) -> bytes:
    """Return the model with other outputs: these tensors of the main subgraph.

    Every activation that is an output can be read while XNNPACK runs the model at full speed,
    where an interpreter that preserves all tensors has to run without it. Signatures are dropped:
    they name outputs that are no longer there.

    Args:
        model: A ``.tflite`` file's bytes.
        tensors: Tensor indices, in the order in which they are to be output.
    """
    edited = parse(model)
    edited.subgraphs[0].outputs = np.asarray(tensors, np.int32)
    edited.signatureDefs = None
    return _pack(edited)


def with_ranges(model: bytes, ranges: Mapping[int, tuple[float, float]]) -> bytes:
    """Return the model with ``min`` and ``max`` written into the tensors' quantization fields.

    This is the form in which TensorFlow's calibrator hands ranges to its quantizer.

    Args:
        model: A float ``.tflite`` file's bytes.
        ranges: (min, max) by tensor index of the main subgraph.
    """
    edited = parse(model)
    for index, (low, high) in ranges.items():
        quantization = schema.QuantizationParametersT()
        quantization.min = np.asarray([low], np.float32)
        quantization.max = np.asarray([high], np.float32)
        edited.subgraphs[0].tensors[index].quantization = quantization
    return _pack(edited)


def with_static_batch(model: bytes) -> bytes:
    """Return the model with its unknown leading dimensions fixed to the batch of 1 they stand at.

    TensorFlow stores a model of any batch with shapes of batch 1 and a shape signature that has -1
    in the first place; without the signature the shapes hold as they are.
    """
    edited = parse(model)
    for subgraph in edited.subgraphs:
        for tensor in subgraph.tensors:
            signature = tensor.shapeSignature
            if (
                signature is not None
                and len(signature)
                and all(size >= 0 for size in signature[1:])
            ):
                tensor.shapeSignature = None
    return _pack(edited)


def _pack(model: Any) -> bytes:
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())
