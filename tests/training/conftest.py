"""Images of two classes, in archives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from quantline import recipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SETTINGS: dict[str, Any] = {
    "seed": 1, "split": "train.npz", "epochs": 1, "batch_size": 32, "learning_rate": 0.01,
    "shift": 0, "label_smoothing": 0.0,
}  # fmt: skip


@pytest.fixture(scope="session")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Images whose bright half, left or right, is their class; and their labels."""
    rng = np.random.default_rng(3)
    y = np.arange(96) % 2
    x = rng.uniform(0, 0.3, (96, 8, 8, 1)).astype(np.float32)
    x[y == 0, :, :4] += 0.7
    x[y == 1, :, 4:] += 0.7
    return x, y


@pytest.fixture
def dataset(blobs: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> Callable[..., recipe.Dataset]:
    """Write ``train.npz``, with these arrays in place of the blobs', and return its dataset."""

    def write(label_offset: int = 0, **arrays: np.ndarray | None) -> recipe.Dataset:
        written = {"x": blobs[0], "y": blobs[1], **arrays}
        np.savez(
            tmp_path / "train.npz",
            **{name: array for name, array in written.items() if array is not None},
        )
        return recipe.Dataset(source="npz", data_dir=str(tmp_path), label_offset=label_offset)

    return write
