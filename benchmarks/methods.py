"""``auto`` against ``minmax`` over many random draws of calibration samples.

    python -m benchmarks.methods                         # all networks, 30 draws each
    python -m benchmarks.methods --network resnet --draws 10

For each network and draw, of 30 to 300 samples: what ``auto`` took, and by how much its model is
better or worse than that of ``minmax`` on other examples, which no draw has. 'worse' counts the
draws in which it is below by more than 1.96 standard errors of the paired difference. Prints a line
a draw and a table; writes JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.trained_networks import NETWORKS, Trained

from quantline import recipe
from quantline.quantization import backends, quantize
from quantline.ranges import record
from quantline.tflite import Runtime, read

SIZES = (30, 60, 100, 200, 300)
_NOISE = 1.96


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, action="append")
    parser.add_argument("--draws", type=int, default=30)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--json", type=Path, default=Path("build/benchmark_methods.json"))
    arguments = parser.parse_args()
    os.cpu_count = lambda: 1  # threads that wait for each other take longer than small networks
    # Children that load TensorFlow anew would take most of the time of small networks.
    backends.run_in_child = lambda function, *given, **_: function(*given)

    rows = []
    for name in arguments.network or NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            trained = NETWORKS[name](Path(folder))
        reference = _right(trained.model, trained)
        for draw in range(arguments.draws):
            size = arguments.sizes[draw % len(arguments.sizes)]
            row = {"network": name, "draw": draw, **_draw(trained, reference, size, draw)}
            rows.append(row)
            print(json.dumps(row, sort_keys=True), file=sys.stderr, flush=True)
        print(_summary(name, [row for row in rows if row["network"] == name]), flush=True)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")


def _draw(trained: Trained, reference: dict[str, np.ndarray], size: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    samples = trained.pool[rng.choice(len(trained.pool), size, replace=False)]
    ranges = record(trained.model, samples)
    made = {
        method: quantize(
            trained.model,
            ranges,
            recipe.Conversion(ranges=recipe.Ranges(method=method), output_type="float32"),
            list(samples),
        )
        for method in ("minmax", "auto")
    }
    taken = made["auto"].recipe
    row = {"samples": size, "method": taken["method"], "percentile": taken["percentile"],
           "corrected": taken["corrected_layers"],
           "overruled": taken["search"]["overruled"] is not None}  # fmt: skip
    scores = {"minmax": _right(made["minmax"].content, trained)}
    is_same = made["auto"].content == made["minmax"].content
    scores["auto"] = scores["minmax"] if is_same else _right(made["auto"].content, trained)
    for measure, floats in reference.items():
        difference = scores["auto"][measure] - scores["minmax"][measure]
        error = float(np.std(difference) / np.sqrt(len(difference)))
        row[measure] = {
            "better": float(difference.mean()),
            "standard_error": error,
            "worse": bool(difference.mean() < -_NOISE * error),
            "minmax_to_float": float((scores["minmax"][measure] - floats).mean()),
            "auto_to_float": float((scores["auto"][measure] - floats).mean()),
        }
    return row


def _right(model: bytes, trained: Trained) -> dict[str, np.ndarray]:
    """Return, of each example shown, whether its class is right, and minus its box's mean error."""
    runtime = Runtime(model, 1)
    outputs = dict(zip(_names(model), range(len(runtime.outputs)), strict=True))
    classes, boxes = [], []
    for image in trained.shown:
        runtime.set(runtime.inputs[0].quantize(image[np.newaxis]))
        runtime.invoke()
        values = runtime.get()
        classes.append(values[outputs.get("class", 0)].argmax())
        if trained.boxes is not None:
            boxes.append(values[outputs["box"]][0])
    measures = {"top1": 100.0 * (np.array(classes) == trained.labels)}
    if trained.boxes is not None:
        measures["box_pixels"] = -np.abs(np.array(boxes) - trained.boxes).mean(axis=1)
    return measures


def _names(model: bytes) -> list[str]:
    graph = read(model)
    names = {index: name for name, index in graph.signatures[0].outputs.items()}
    return [names[index] for index in graph.main.outputs]


def _summary(name: str, rows: list[dict[str, Any]]) -> str:
    lines = []
    for measure in [key for key in ("top1", "box_pixels") if key in rows[0]]:
        found = [row[measure] for row in rows]
        least = min(found, key=lambda item: item["better"])
        means = {key: np.mean([score[key] for score in found])
                 for key in ("minmax_to_float", "auto_to_float", "better")}  # fmt: skip
        left = sum(row["method"] != "minmax" or row["corrected"] > 0 for row in rows)
        lines.append(
            f"| {name} | {measure} | {len(rows)} | {left} | {means['minmax_to_float']:+.2f} | "
            f"{means['auto_to_float']:+.2f} | {means['better']:+.2f} | {least['better']:+.2f} ± "
            f"{_NOISE * least['standard_error']:.2f} | {sum(score['worse'] for score in found)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
