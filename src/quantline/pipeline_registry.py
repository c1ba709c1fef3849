"""The pipelines that ``kedro run`` knows."""

from __future__ import annotations

from importlib import import_module

from kedro.pipeline import Pipeline

CHAIN = (
    "sampling",
    "baseline",
    "calibration",
    "conversion",
    "validation",
    "evaluation",
    "report",
)
STAGES = ("training", *CHAIN)


def register_pipelines() -> dict[str, Pipeline]:
    """Return one pipeline a stage; the default runs the chain from a trained model on."""
    stages = {
        name: import_module(f"quantline.pipelines.{name}").create_pipeline() for name in STAGES
    }
    return {**stages, "__default__": sum((stages[name] for name in CHAIN), Pipeline([]))}
