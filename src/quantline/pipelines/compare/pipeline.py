"""Wiring of the ``compare`` pipeline: a namespace a scheme, then one table of all."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.compare.nodes import (
    convert,
    keep_float,
    make_golden,
    score,
    time_schemes,
    write_comparison,
)
from quantline.quantization import SCHEMES

NAMES = ("float", *SCHEMES)


def create_pipeline() -> Pipeline:
    """Build the pipeline: every scheme, and the report."""
    return sum((create_scheme(name) for name in NAMES), create_report())


def create_scheme(name: str) -> Pipeline:
    """Build the namespace of one scheme, or of ``float``."""
    if name == "float":
        making = node(keep_float, "float_model", ["model", "recipe"], name="convert")
    else:
        inputs = [
            "float_model",
            "float_import",
            "ranges",
            "calibration_set",
            "params:conversion",
            "params:model",
        ]
        making = node(
            update_wrapper(partial(convert, name), convert),
            inputs,
            ["model", "recipe"],
            name="convert",
        )
    keeping = node(make_golden, ["model", "calibration_set"], "golden", name="make_golden")
    scoring = node(
        score, ["model", "params:dataset", "manifest"], ["predictions", "metrics"], name="score"
    )
    built = pipeline([making, keeping, scoring])
    shared = {
        model_input for model_input in built.inputs() if not model_input.startswith("params:")
    }
    return pipeline(
        built,
        namespace=name,
        inputs=shared,
        outputs={output: f"compared_{output}_{name}" for output in built.all_outputs()},
        parameters={
            model_input for model_input in built.inputs() if model_input.startswith("params:")
        },
        tags="compare",
    )


def create_report() -> Pipeline:
    """Build what follows when all schemes are made: their latency, and the table."""
    parts = ("predictions", "metrics", "recipe")
    return pipeline(
        [
            node(
                time_schemes,
                {
                    "calibration_set": "calibration_set",
                    "evaluation": "params:evaluation",
                    **{name: f"compared_model_{name}" for name in NAMES},
                },
                "compared_latency",
                name="time_schemes",
            ),
            node(
                write_comparison,
                {
                    "manifest": "manifest",
                    "compared_latency": "compared_latency",
                    **{
                        f"{name}_{part}": f"compared_{part}_{name}"
                        for name in NAMES
                        for part in parts
                    },
                },
                "compared",
                name="write_comparison",
            ),
        ],
        tags="compare",
    )
