"""The pipelines that ``kedro run`` knows."""

from __future__ import annotations

from importlib import import_module

from kedro.pipeline import Pipeline

from quantline.pipelines import compare, retrain

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

    ``compare`` runs every scheme in addition to the chain; ``compare_report`` is its last part.
    ``retrain`` trains, and runs the chain with the model that it trained.
    """
    stages = {
        name: import_module(f"quantline.pipelines.{name}").create_pipeline() for name in STAGES
    }
    chain = sum((stages[name] for name in CHAIN), Pipeline([]))
    return {
        **stages,
        "compare": compare.create_pipeline(),
        "compare_report": compare.create_report(),
        "retrain": retrain.create_pipeline(chain),
        "__default__": chain,
    }
