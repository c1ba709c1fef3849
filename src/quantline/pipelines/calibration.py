"""The ``calibration`` stage: float model and calibration set in, ranges out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline, node, pipeline

from quantline import recipe
from quantline.child import run_in_child
from quantline.errors import unfit_for_calibration
from quantline.quantization.parity import inputs_of
from quantline.ranges import record_in_subprocess
from quantline.ranges.convergence import measure_convergence
from quantline.sampling import (
    UNRECORDABLE,
    CalibrationSet,
    Distribution,
    lint,
    lint_together,
    output_bounds,
    preview,
    stored_dtype,
)
from quantline.tflite import read

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from quantline.errors import Finding

logger = logging.getLogger(__name__)
_MODEL = "the float model"
_OVERRIDE = "Set 'calibration.lint' to warn to go on all the same"


def lint_calibration(
    float_model: bytes,
    calibration_set: dict[str, np.ndarray],
    manifest: dict[str, Any],
    dataset: dict[str, Any],
    calibration: dict[str, Any],
) -> dict[str, Any]:
    """Look for mistakes in the calibration set; stop where one would give a wrong model."""
    inputs = {
        name: (tensor.sample_shape, tensor.dtype)
        for name, tensor in inputs_of(read(float_model)).items()
    }
    findings, report = check_calibration(inputs, calibration_set, manifest, dataset, calibration)
    for finding in findings:
        logger.log(logging.INFO if finding.severity == "note" else logging.WARNING, "%s", finding)
    return report


def check_calibration(
    inputs: Mapping[str, tuple[Sequence[int], str]],
    calibration_set: dict[str, np.ndarray],
    manifest: dict[str, Any],
    dataset: dict[str, Any],
    calibration: dict[str, Any],
) -> tuple[tuple[Finding, ...], dict[str, Any]]:
    """Lint the calibration set for inputs of these shapes, without the batch, and dtypes.

    Returns:
        The findings, and the report with them.

    Raises:
        DataError: A mistake would give a wrong model.
    """
    data, given = recipe.check(recipe.Dataset, dataset), CalibrationSet.of(calibration_set)
    evaluation = None
    if isinstance(given.x, Mapping):
        previews = list(preview(data, manifest))
        theirs = {name: Distribution.of([one[name] for one in previews]) for name in given.x}
        findings = lint_together(given.x, inputs, theirs)
    else:
        ((shape, dtype),) = inputs.values()
        evaluation = Distribution.of(preview(data, manifest))
        findings = lint(
            given.x,
            expected_shape=shape,
            expected_dtype=dtype,
            ids=given.ids,
            evaluation=evaluation,
            promised=output_bounds(data.steps, stored_dtype(data, manifest)),
            labels=[example["label"] for example in manifest["calibration"]["examples"]],
            evaluation_labels=[example["label"] for example in manifest["evaluation"]["examples"]],
        )
    errors = {finding.name for finding in findings if finding.severity == "error"}
    is_lenient = recipe.check(recipe.Calibration, calibration).lint == "warn"
    if errors & UNRECORDABLE:
        raise unfit_for_calibration(findings)
    if errors and not is_lenient:
        raise unfit_for_calibration(findings, _OVERRIDE)
    mine = None if isinstance(given.x, Mapping) else Distribution.of(given.x)
    return findings, {
        "examples": len(given),
        "findings": [asdict(finding) for finding in findings],
        "distribution": None if mine is None else mine.to_dict(),
        "evaluation_distribution": None if evaluation is None else evaluation.to_dict(),
    }


def record_ranges(
    float_model: bytes,
    calibration_set: dict[str, np.ndarray],
    manifest: dict[str, Any],
    calibration_lint: dict[str, Any],
    calibration: dict[str, Any],
) -> dict[str, Any]:
    """Record the range of every activation over the calibration set, once that is linted."""
    del calibration_lint
    ranges = record_in_subprocess(
        float_model,
        CalibrationSet.of(calibration_set).x,
        name=_MODEL,
        samples_sha256=manifest["calibration"]["sha256"],
        timeout_s=recipe.check(recipe.Calibration, calibration).timeout_s,
        limit="calibration_timeout_s",
    )
    return ranges.to_dict()


def check_convergence(
    float_model: bytes,
    calibration_set: dict[str, np.ndarray],
    calibration_lint: dict[str, Any],
    calibration: dict[str, Any],
) -> dict[str, Any]:
    """Compare the ranges of the set's two halves; add what is found to the report."""
    convergence = run_in_child(
        measure_convergence,
        float_model,
        CalibrationSet.of(calibration_set).samples(),
        what=f"recording parts of the ranges of {_MODEL}",
        timeout_s=recipe.check(recipe.Calibration, calibration).timeout_s,
        limit="calibration_timeout_s",
    )
    finding = convergence.finding
    if finding is not None:
        logger.warning("%s", finding)
    more = [] if finding is None else [asdict(finding)]
    return {
        **calibration_lint,
        "findings": [*calibration_lint["findings"], *more],
        "convergence": {"evidence": "measured", **asdict(convergence)},
    }


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                lint_calibration,
                [
                    "float_model",
                    "calibration_set",
                    "manifest",
                    "params:dataset",
                    "params:calibration",
                ],
                "calibration_lint",
                name="lint_calibration",
            ),
            node(
                record_ranges,
                [
                    "float_model",
                    "calibration_set",
                    "manifest",
                    "calibration_lint",
                    "params:calibration",
                ],
                "ranges",
                name="record_ranges",
            ),
            node(
                check_convergence,
                ["float_model", "calibration_set", "calibration_lint", "params:calibration"],
                "calibration_report",
                name="check_convergence",
            ),
        ],
        tags="calibration",
    )
