"""Nodes of the ``training`` stage."""

from __future__ import annotations

from typing import Any

from quantline import recipe
from quantline.training import train


def train_model(dataset: dict[str, Any], training: dict[str, Any]) -> bytes:
    """Train the embedded model and return it as a ``.keras`` file."""
    return train(recipe.check(recipe.Dataset, dataset), recipe.check(recipe.Training, training))
