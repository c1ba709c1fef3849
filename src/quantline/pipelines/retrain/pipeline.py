"""Wiring of ``retrain``: a model is trained, and the chain imports it instead of 'model.path'."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node, pipeline

from quantline.pipelines.retrain.nodes import import_trained, retrain_model

# What is checked before any node runs, and once more by the node that trains.
CHECKED = (
    "params:dataset",
    "params:training",
    "params:release",
    "params:model",
    "params:limits",
    "project",
)


def create_pipeline(chain: Pipeline) -> Pipeline:
    """Build the pipeline.

    Args:
        chain: What a trained model goes through, from sampling to release.
    """
    training = pipeline(
        [
            node(
                retrain_model,
                [*CHECKED, "manifest", "calibration_set"],
                ["trained_model", "training_report"],
                name="retrain_model",
            )
        ],
        tags="training",
    )
    imported = pipeline(
        [
            node(
                import_trained,
                [
                    "params:model",
                    "params:baseline",
                    "calibration_set",
                    "manifest",
                    "trained_model",
                    "training_report",
                    "params:limits",
                    "project",
                ],
                ["float_model", "float_import"],
                name="import_trained",
            )
        ],
        tags="baseline",
    )
    return training + imported + (chain - chain.only_nodes("import_model"))
