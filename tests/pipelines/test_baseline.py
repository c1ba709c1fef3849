"""The ``baseline`` stage where the float model is no better than chance, and where it is."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.graphs import convert

from quantline import recipe
from quantline.pipelines.baseline import predict_float
from quantline.results import check_result
from quantline.sampling import draw

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("scale", [1.0, 1 / 255])
def test_the_transform_is_the_first_suspect(
    scale: float, tf: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The class is where the 1 is; scaled once more, all are 0 to the model."""
    model = convert(lambda x: tf.nn.relu(x - 0.5) + np.float32([0.01, 0, 0, 0]), (1, 4))
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(200) % 4)
    examples = np.eye(4)[labels] + rng.uniform(0, 0.2, (200, 4))
    np.savez(tmp_path / "all.npz", x=examples.astype(np.float32), y=labels)
    transform = [] if scale == 1 else [{"rescale": {"scale": scale}}]
    dataset = {"source": "npz", "data_dir": str(tmp_path), "transform": transform}
    splits = {"calibration": {"split": "all.npz[:40]", "examples": 4},
              "evaluation": {"split": "all.npz[40:]"}}  # fmt: skip
    manifest, _ = draw(recipe.check(recipe.Dataset, dataset),
                       recipe.check(recipe.Sampling, {"seed": 1, **splits}))  # fmt: skip
    with caplog.at_level(logging.WARNING):
        _, metrics = predict_float(model, dataset, manifest, {})
    check_result("metrics", metrics, tmp_path / "float_metrics.json")
    found = metrics.get("findings", [])
    assert [entry["name"] for entry in found] == ([] if scale == 1 else ["chance_level"])
    assert ("Compare `transform`" in caplog.text) is bool(found)
