"""Nodes of the ``sampling`` stage."""

from __future__ import annotations

from typing import Any

import numpy as np

from quantline import recipe
from quantline.sampling import draw


def draw_examples(
    dataset: dict[str, Any], sampling: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Draw the calibration and the evaluation set; return the manifest and the former."""
    manifest, calibration = draw(
        recipe.check(recipe.Dataset, dataset), recipe.check(recipe.Sampling, sampling)
    )
    return manifest, {"x": calibration.x, "ids": np.array(calibration.ids)}
