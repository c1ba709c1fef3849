"""Record the structure of models that the real Edge TPU compiler took, and what it did with them.

The tests compare predictions with these facts wherever the repository is cloned. For each model
they keep shapes, types, operators and options, and of its constants whether they are zero and,
where they are a few integers, their values. They keep no weights. Run it with folders that hold
models and a 'truth.json':

    python scripts/collect_edgetpu_facts.py ../shared/edgetpu_pairs ../shared/edgetpu_pairs_more
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.files import sha256
from quantline.tflite.graph import read

if TYPE_CHECKING:
    from quantline.tflite.graph import Operator, Subgraph, Tensor

TARGET = Path(__file__).resolve().parents[1] / "tests/edgetpu/compiler_facts.json"
FEW = 16  # values of a constant that are kept: axes, sizes and paddings have no more
_TRUTH = (
    "source", "edgetpu", "cpu", "dead", "edgetpu_subgraphs", "min_runtime",
    "on_chip_cached_parameter_bytes", "streamed_parameter_bytes",
)  # fmt: skip


def model_facts(content: bytes, record: dict[str, Any]) -> dict[str, Any]:
    """Return a model's structure and what the compiler did with it.

    Args:
        content: The ``.tflite`` file that was given to the compiler.
        record: Its record in 'truth.json'.
    """
    main = read(content).main
    return {
        "model": record["model"],
        "sha256": sha256(content),
        "inputs": main.inputs,
        "outputs": main.outputs,
        "tensors": [_tensor(tensor) for tensor in main.tensors],
        "operators": [_operator(operator, main) for operator in main.operators],
        "compiler": {name: record[name] for name in _TRUTH},
    }


def _tensor(tensor: Tensor) -> list[Any]:
    """Return the type, the shape, the constant, and the number of different scales and zero point.

    A constant is ``"zero"``, ``"nonzero"`` or its few integers; another tensor is ``null``, or
    ``"state"`` where it keeps its value between invocations.
    """
    quantization = tensor.quantization
    scales = 0 if quantization is None else len(set(quantization.scales))
    point = quantization.zero_points[0] if quantization is not None else 0
    constant: Any = "state" if tensor.is_variable else None
    if tensor.constant is not None:
        values = tensor.values()
        if tensor.dtype in ("int32", "int64") and scales == 0 and values.size <= FEW:
            constant = values.reshape(-1).tolist()
        else:
            constant = "nonzero" if (values != point).any() else "zero"
    return [tensor.dtype, tensor.shape, constant, scales, point]


def _operator(operator: Operator, main: Subgraph) -> list[Any]:
    options = {
        name: value for name, value in operator.options.items() if isinstance(value, int) and value
    }
    return [operator.type, operator.version, operator.inputs, operator.outputs, options]


def collect(folders: list[Path]) -> list[dict[str, Any]]:
    """Return the facts about every model of the folders, by name."""
    facts = [
        model_facts((folder / record["model"]).read_bytes(), record)
        for folder in folders
        for record in json.loads((folder / "truth.json").read_text())
    ]
    return sorted(facts, key=lambda fact: fact["model"])


def text(facts: list[dict[str, Any]]) -> str:
    """Return the facts as JSON, a model to a line."""
    lines = (json.dumps(fact, sort_keys=True, separators=(",", ":")) for fact in facts)
    return "[\n" + ",\n".join(lines) + "\n]\n"


if __name__ == "__main__":
    TARGET.write_text(text(collect([Path(name) for name in sys.argv[1:]])))
