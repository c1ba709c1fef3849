"""Models that went through the real compiler, as their structure, and what became of them.

'compiler_facts.json' is written by 'scripts/collect_edgetpu_facts.py', which says what it keeps.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from quantline.edgetpu.scoring.truth import Truth
from quantline.edgetpu.vocabulary import Placement
from quantline.tflite.graph import Graph, Operator, Quantization, Subgraph, Tensor

FILE = Path(__file__).parent / "compiler_facts.json"


@cache
def facts() -> list[dict[str, Any]]:
    """Return a record for each model."""
    return json.loads(FILE.read_text())


def graph(fact: dict[str, Any]) -> Graph:
    """Return a model of the same structure, whose weights are all alike."""
    main = Subgraph(
        0,
        "main",
        tuple(_tensor(index, *values) for index, values in enumerate(fact["tensors"])),
        tuple(_operator(index, *values) for index, values in enumerate(fact["operators"])),
        tuple(fact["inputs"]),
        tuple(fact["outputs"]),
    )
    return Graph((main,), (), 3, "")


def truth(fact: dict[str, Any]) -> Truth:
    """Return what the compiler did with the model."""
    found = fact["compiler"]
    target = {
        index: Placement(side) for side in ("edgetpu", "cpu", "dead") for index in found[side]
    }
    return Truth(
        source=found["source"],
        targets=tuple(target[index] for index in range(len(fact["operators"]))),
        subgraphs=found["edgetpu_subgraphs"],
        parameter_bytes=found["on_chip_cached_parameter_bytes"] + found["streamed_parameter_bytes"],
        streamed_bytes=found["streamed_parameter_bytes"],
        runtime_version=max(found["min_runtime"], default=None),
    )


def _tensor(
    index: int, dtype: str, shape: list[int], stored: Any, scales: int, point: int
) -> Tensor:
    constant = None
    if stored not in (None, "state"):
        nonzero = point + 1 if point < 1 else point - 1
        values = {"zero": point, "nonzero": nonzero}.get(str(stored), stored)
        filled = np.broadcast_to(np.asarray(values, dtype).reshape(-1), (int(np.prod(shape)),))
        constant = np.frombuffer(filled.tobytes(), np.uint8)
    quantization = None
    if scales:
        quantization = Quantization(tuple(map(float, range(1, scales + 1))), (point,) * scales, 0)
    return Tensor(
        index, f"t{index}", dtype, tuple(shape), constant, stored == "state", quantization
    )


def _operator(
    index: int,
    kind: str,
    version: int,
    inputs: list[int],
    outputs: list[int],
    options: dict[str, int],
) -> Operator:
    return Operator(index, kind, False, version, tuple(inputs), tuple(outputs), options)
