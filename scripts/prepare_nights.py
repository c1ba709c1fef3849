"""Make dataset versions of Fashion-MNIST for a few nights of retraining, good ones and broken ones.

Each is a folder of ``train.npz``, ``calibration.npz`` and ``test.npz``; the test examples are the
same in all. docs/retraining.md shows what becomes of each:

    python scripts/prepare_nights.py data/01_raw data/01_raw/nights
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

TSHIRT, SHIRT = 0, 6
CALIBRATION = 1000  # examples that a calibration set is drawn from

Split = tuple[np.ndarray, np.ndarray]


def nights(train: Split) -> dict[str, tuple[Split, Split]]:
    """Return each version's training examples, and those that calibration draws from.

    Args:
        train: Images of shape (n_examples, 28, 28, 1), uint8, and labels of shape (n_examples,).
    """
    x, y = train
    fewer = x[:15_000], y[:15_000]
    x, y = x[:30_000], y[:30_000]
    sound = x[:CALIBRATION], y[:CALIBRATION]

    def darkened(share: float) -> Split:
        return (sound[0] * share).astype(np.uint8), sound[1]

    return {
        "1-fewer": (fewer, sound),
        "2-more": ((x, y), sound),
        "3-mislabelled": ((x, _swap(y, TSHIRT, SHIRT)), sound),
        "4-darkened": ((x, y), darkened(0.62)),
        "5-dark": ((x, y), darkened(0.33)),
    }


def _swap(labels: np.ndarray, one: int, other: int) -> np.ndarray:
    """Return the labels with two classes taken for each other."""
    return np.where(labels == one, other, np.where(labels == other, one, labels))


def main() -> None:
    """Write every version's folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir", type=Path, help="TFDS data_dir that holds fashion_mnist")
    parser.add_argument("target", type=Path, help="folder to write the versions to")
    arguments = parser.parse_args()

    import tensorflow_datasets as tfds

    builder = tfds.builder("fashion_mnist", data_dir=arguments.data_dir)
    train, test = (
        tfds.as_numpy(builder.as_dataset(split, batch_size=-1, as_supervised=True))
        for split in ("train", "test")
    )
    for name, (examples, calibration) in nights(train).items():
        folder = arguments.target / name
        folder.mkdir(parents=True, exist_ok=True)
        for split, (x, y) in {
            "train": examples, "calibration": calibration, "test": test
        }.items():  # fmt: skip
            np.savez(folder / f"{split}.npz", x=x, y=y)
        print(f"{folder}: {len(examples[0]):,} training examples")


if __name__ == "__main__":
    main()
