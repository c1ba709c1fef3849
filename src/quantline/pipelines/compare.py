"""The ``compare`` pipeline: a namespace for each scheme, then one table of all."""

from __future__ import annotations

from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline, node, pipeline

from quantline import recipe
from quantline.contract import check_model
from quantline.evaluation import compare, evaluate, measure
from quantline.pipelines.conversion import convert, make_golden
from quantline.quantization import SCHEMES
from quantline.report import print_results, schemes_table
from quantline.sampling import CalibrationSet, stream
from quantline.tflite import read

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def pass_float_model(float_model: bytes) -> tuple[bytes, dict[str, Any]]:
    """Return the float model as it is."""
    return float_model, {"scheme": "float"}


def convert_by_scheme(
    scheme: str,
    float_model: bytes,
    float_import: dict[str, Any],
    ranges: dict[str, Any],
    calibration_set: dict[str, np.ndarray],
    conversion: dict[str, Any],
    model: dict[str, Any],
) -> tuple[bytes, dict[str, Any]]:
    """Quantize by a scheme, with the inputs and outputs that are asked for or natural to it."""
    types = SCHEMES[scheme].io_types
    values = {**conversion, "scheme": scheme}
    for key in ("input_type", "output_type"):
        if values.get(key) not in types:
            values[key] = types[0]
    if conversion.get("scheme", "int8") != scheme:
        values["pinned"] = {}  # meant for the other scheme's integers
        values["keep_float"] = []  # which other schemes refuse
    return convert(float_model, float_import, ranges, calibration_set, values, model)


def score(
    model: bytes,
    dataset: dict[str, Any],
    manifest: dict[str, Any],
    task: dict[str, Any],
    float_model: bytes,
) -> tuple[pa.Table, dict[str, Any]]:
    """Predict the evaluation set, score the predictions, and count the operators left in float."""
    samples = stream(recipe.check(recipe.Dataset, dataset), manifest, "evaluation")
    chosen = recipe.check(recipe.Task, task).chosen()
    predictions, metrics = evaluate(model, samples, chosen, float_model)
    report = check_model(read(model), float_input=True, float_output=True)
    counts = {"operators": report.operators, "float_operators": report.float_operators}
    return predictions, {**metrics, **counts}


def time_schemes(
    calibration_set: dict[str, np.ndarray], evaluation: dict[str, Any], **models: bytes
) -> dict[str, Any]:
    """Measure the latency of all models, interleaved."""
    latency = recipe.check(recipe.Evaluation, evaluation).latency
    return measure(models, CalibrationSet.of(calibration_set).samples(1)[0], latency)


def write_comparison(
    manifest: dict[str, Any],
    compared_latency: dict[str, Any],
    task: dict[str, Any],
    **results: Any,
) -> dict[str, Any]:
    """Compare every scheme with float on the same examples, and print them as a table.

    Args:
        manifest: The manifest of the examples.
        compared_latency: What :func:`time_schemes` gave.
        task: The meaning of the models' outputs.
        results: For each scheme ``SCHEME_predictions``, ``SCHEME_metrics`` and ``SCHEME_recipe``.
    """
    compared, chosen = {}, recipe.check(recipe.Task, task).chosen()
    for scheme in ("float", *SCHEMES):
        predictions, metrics = results[f"{scheme}_predictions"], results[f"{scheme}_metrics"]
        compared[scheme] = {
            **metrics,
            **compare(results["float_predictions"], predictions, chosen),
            "size_ratio": results["float_metrics"]["size_bytes"] / metrics["size_bytes"],
            **compared_latency[scheme],
            "recipe": results[f"{scheme}_recipe"],
        }
    print_results(schemes_table(compared, manifest), width=132)
    return {"evidence": "measured", "schemes": compared}


NAMES = ("float", *SCHEMES)


def create_pipeline() -> Pipeline:
    """Build the pipeline: every scheme, and the report."""
    return sum((create_scheme(name) for name in NAMES), create_report())


def create_scheme(name: str) -> Pipeline:
    """Build the namespace of one scheme, or of ``float``."""
    if name == "float":
        making = node(pass_float_model, "float_model", ["model", "recipe"], name="convert")
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
            update_wrapper(partial(convert_by_scheme, name), convert_by_scheme),
            inputs,
            ["model", "recipe"],
            name="convert",
        )
    keeping = node(make_golden, ["model", "calibration_set"], "golden", name="make_golden")
    scoring = node(
        score,
        ["model", "params:dataset", "manifest", "params:task", "float_model"],
        ["predictions", "metrics"],
        name="score",
    )
    built = pipeline([making, keeping, scoring])
    parameters = {name for name in built.inputs() if name.startswith("params:")}
    return pipeline(
        built,
        namespace=name,
        inputs=built.inputs() - parameters,
        outputs={output: f"compared_{output}_{name}" for output in built.all_outputs()},
        parameters=parameters,
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
                    "task": "params:task",
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
