"""The accuracy of int8 by every way of choosing ranges, with and without bias correction.

    kedro run --pipelines sampling,baseline,calibration [--env imagenet]
    python benchmarks/methods.py [--env imagenet]

Reads what these stages wrote: the float model, its ranges, the calibration and the evaluation set.
Prints, against the float model on the same examples, the change of top-1 with its paired 95 %
interval, how often both predict the same class, and the relative error of the outputs or logits;
writes JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from quantline import recipe
from quantline.evaluation import compare, predict
from quantline.quantization import quantize
from quantline.quantization.output_error import output_error
from quantline.ranges import RangeSet
from quantline.sampling import stream

WAYS = {
    **{name: {"ranges": {"method": name}} for name in ("minmax", "moving_average", "mse")},
    "entropy": {"ranges": {"method": "entropy"}},
    "percentile 99.9": {"ranges": {"method": "percentile", "percentile": 99.9}},
    "percentile 99.99": {"ranges": {"method": "percentile", "percentile": 99.99}},
    "auto": {"ranges": {"method": "auto"}},
}
ERROR_SAMPLES = 100


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="local")
    parser.add_argument("--json", type=Path, default=Path("build/benchmark_methods.json"))
    arguments = parser.parse_args()

    bootstrap_project(Path.cwd())
    with KedroSession.create(env=arguments.env) as session:
        context = session.load_context()
        catalog = context.catalog
        dataset = recipe.check(recipe.Dataset, context.params["dataset"])
    model, manifest = catalog.load("float_model"), catalog.load("manifest")
    ranges, calibration = (
        RangeSet.from_dict(catalog.load("ranges")),
        catalog.load("calibration_set"),
    )
    samples = list(calibration["x"])
    expected = catalog.load("float_predictions")
    shown = stream(dataset, manifest, "evaluation")
    held_back = [
        (each.x[np.newaxis],) for each, _ in zip(shown, range(ERROR_SAMPLES), strict=False)
    ]

    rows = {}
    print(
        f"{'method':18} {'correction':11} {'top-1 change, points':>24} {'as float':>9} {'error':>8}"
    )
    for name, settings in WAYS.items():
        for correction in (True,) if name == "auto" else (False, True):
            values = {**settings, "bias_correction": correction}
            made = quantize(model, ranges, recipe.check(recipe.Conversion, values), samples)
            predictions = predict(made.content, stream(dataset, manifest, "evaluation"))
            row = compare(expected, predictions)
            row["output_error"] = output_error(model, made.content, held_back)
            row["recipe"] = made.recipe
            rows[f"{name}, {'corrected' if correction else 'plain'}"] = row
            kept = "none" if not correction else f"{made.recipe['corrected_layers']} layers"
            low, high = -row["top1_drop_points_high"], -row["top1_drop_points_low"]
            change = f"{-row['top1_drop_points']:+.2f} [{low:+.2f}, {high:+.2f}]"
            print(
                f"{name:18} {kept:11} {change:>24} {row['agreement']:9.2%} "
                f"{row['output_error']:8.2%}",
                flush=True,
            )
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
