"""The pipelines that ``kedro run`` knows."""

from __future__ import annotations

from importlib import import_module

from kedro.pipeline import Pipeline

from quantline.pipelines import compare

CHAIN = (
    "sampling",
    "baseline",
    "preflight",
    "calibration",
    "conversion",
    "validation",
    "evaluation",
    "champion",
    "gate",
    "report",
    "release",
)
STAGES = ("training", *CHAIN)


def register_pipelines() -> dict[str, Pipeline]:
    """Return one pipeline a stage; the default runs the chain from a trained model on.

    ``compare`` runs every scheme beside the chain; ``compare_report`` is its last part.
    """
    stages = {
        name: import_module(f"quantline.pipelines.{name}").create_pipeline() for name in STAGES
    }
    return {
        **stages,
        "compare": compare.create_pipeline(),
        "compare_report": compare.create_report(),
        "__default__": sum((stages[name] for name in CHAIN), Pipeline([])),
    }
