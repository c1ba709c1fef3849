"""Nodes of the ``gate`` stage."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from quantline import recipe
from quantline.evaluation import evaluate, measure
from quantline.evaluation.predict import SCHEMA
from quantline.ranges import RangeSet
from quantline.release.champion import VERSION
from quantline.release.gate import (
    Champion,
    Evidence,
    evaluation_sha256,
    judge,
    require_same_ports,
)
from quantline.sampling import stream

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def predict_champion(
    champion: dict[str, bytes],
    int8_model: bytes,
    manifest: dict[str, Any],
    dataset: dict[str, Any],
) -> pa.Table:
    """Return the champion's predictions on this manifest, made anew where its own was another."""
    import pyarrow.parquet as pq

    if not champion:
        return SCHEMA.empty_table()
    require_same_ports(champion["int8.tflite"], int8_model)
    own = json.loads(champion["manifest.json"])
    if evaluation_sha256(own) == evaluation_sha256(manifest):
        return pq.read_table(io.BytesIO(champion["int8_predictions.parquet"]))
    samples = stream(recipe.check(recipe.Dataset, dataset), manifest, "evaluation")
    return evaluate(champion["int8.tflite"], samples)[0]


def time_champion(
    champion: dict[str, bytes],
    int8_model: bytes,
    calibration_set: dict[str, np.ndarray],
    evaluation: dict[str, Any],
) -> dict[str, Any]:
    """Measure the latency of champion and candidate, interleaved; nothing without a champion."""
    if not champion:
        return {}
    require_same_ports(champion["int8.tflite"], int8_model)
    latency = recipe.check(recipe.Evaluation, evaluation).latency
    models = {"champion": champion["int8.tflite"], "int8": int8_model}
    return measure(models, calibration_set["x"][0], latency)


def judge_candidate(
    gate: dict[str, Any],
    champion: dict[str, bytes],
    champion_predictions: pa.Table,
    champion_latency: dict[str, Any],
    manifest: dict[str, Any],
    int8_model: bytes,
    ranges: dict[str, Any],
    float_predictions: pa.Table,
    int8_predictions: pa.Table,
    **reports: dict[str, Any],
) -> dict[str, Any]:
    """Hold the candidate to every rule."""
    evidence = Evidence(
        int8_model=int8_model,
        reports=reports,
        float_predictions=float_predictions,
        int8_predictions=int8_predictions,
        ranges=RangeSet.from_dict(ranges),
        manifest=manifest,
        champion=_champion(champion, champion_predictions, champion_latency, manifest),
    )
    judged = judge(evidence, recipe.check(recipe.Gate, gate))
    return {**judged, "champion_version": _version(champion)}


def _version(champion: dict[str, bytes]) -> int | None:
    return json.loads(champion[VERSION])["version"] if champion else None


def _champion(
    files: dict[str, bytes],
    predictions: pa.Table,
    latency: dict[str, Any],
    manifest: dict[str, Any],
) -> Champion | None:
    if not files:
        return None
    return Champion(
        name=f"version {_version(files)}",
        evaluation_sha256=evaluation_sha256(manifest),
        predictions=predictions,
        size_bytes=len(files["int8.tflite"]),
        ranges=RangeSet.from_dict(json.loads(files["ranges.json"])),
        latency=latency,
    )
