"""Nodes of the ``compare`` pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline import recipe
from quantline.contract import check_model, golden
from quantline.evaluation import compare, evaluate, measure
from quantline.quantization import SCHEMES, quantize, source_of
from quantline.ranges import RangeSet
from quantline.report import print_results, schemes_table
from quantline.sampling import stream
from quantline.tflite import read

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def keep_float(float_model: bytes) -> tuple[bytes, dict[str, Any]]:
    """Return the float model as it is."""
    return float_model, {"scheme": "float"}


def convert(
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
    made = quantize(
        float_model,
        RangeSet.from_dict(ranges),
        recipe.check(recipe.Conversion, values),
        list(calibration_set["x"]),
        source_of(float_import, recipe.check(recipe.Model, model)),
    )
    return made.content, made.recipe


def make_golden(model: bytes, calibration_set: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Make the golden vectors that are kept with a model."""
    return golden.make(model, list(calibration_set["x"])).arrays()


def score(
    model: bytes, dataset: dict[str, Any], manifest: dict[str, Any]
) -> tuple[pa.Table, dict[str, Any]]:
    """Predict the evaluation set, score the predictions, and count the operators left in float."""
    samples = stream(recipe.check(recipe.Dataset, dataset), manifest, "evaluation")
    predictions, metrics = evaluate(model, samples)
    report = check_model(read(model), float_input=True, float_output=True)
    counts = {"operators": report.operators, "float_operators": report.float_operators}
    return predictions, {**metrics, **counts}


def time_schemes(
    calibration_set: dict[str, np.ndarray], evaluation: dict[str, Any], **models: bytes
) -> dict[str, Any]:
    """Measure the latency of all models, interleaved."""
    latency = recipe.check(recipe.Evaluation, evaluation).latency
    return measure(models, calibration_set["x"][0], latency)


def write_comparison(
    manifest: dict[str, Any], compared_latency: dict[str, Any], **results: Any
) -> dict[str, Any]:
    """Compare every scheme with float on the same examples, and print them as a table.

    Args:
        manifest: The manifest of the examples.
        compared_latency: What :func:`time_schemes` gave.
        results: For each scheme ``SCHEME_predictions``, ``SCHEME_metrics`` and ``SCHEME_recipe``.
    """
    compared = {}
    for scheme in ("float", *SCHEMES):
        predictions, metrics = results[f"{scheme}_predictions"], results[f"{scheme}_metrics"]
        compared[scheme] = {
            **metrics,
            **compare(results["float_predictions"], predictions),
            "size_ratio": results["float_metrics"]["size_bytes"] / metrics["size_bytes"],
            **compared_latency[scheme],
            "recipe": results[f"{scheme}_recipe"],
        }
    print_results(schemes_table(compared, manifest), width=132)
    return {"evidence": "measured", "schemes": compared}
