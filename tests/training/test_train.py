"""The embedded model and the code that trains it."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from quantline import recipe
from quantline.training import build_model, train

PROJECT = Path(__file__).resolve().parents[1]
EMBEDDED = PROJECT / "data/06_models/fashion_mnist.keras"


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> recipe.Dataset:
    """Images whose bright half is their class."""
    folder = tmp_path_factory.mktemp("blobs")
    rng = np.random.default_rng(3)
    y = np.arange(96) % 2
    x = rng.uniform(0, 0.3, (96, 8, 8, 1)).astype(np.float32)
    x[y == 0, :4] += 0.7
    x[y == 1, 4:] += 0.7
    np.savez(folder / "train.npz", x=x, y=y)
    return recipe.Dataset(source="npz", data_dir=str(folder))


def test_the_same_seeds_give_the_same_bytes_and_others_do_not(blobs: recipe.Dataset) -> None:
    settings = {"split": "train.npz", "epochs": 1, "batch_size": 32, "learning_rate": 0.01}
    first = train(blobs, recipe.Training(seed=1, **settings))
    second = train(blobs, recipe.Training(seed=1, **settings))
    other = train(blobs, recipe.Training(seed=2, **settings))
    assert first == second
    assert first != other


def test_it_learns(blobs: recipe.Dataset, tmp_path: Path) -> None:
    import keras

    settings = recipe.Training(
        seed=1, split="train.npz", epochs=60, batch_size=16, learning_rate=0.01
    )
    path = tmp_path / "model.keras"
    path.write_bytes(train(blobs, settings))
    with np.load(f"{blobs.data_dir}/train.npz") as arrays:
        predicted = keras.models.load_model(path).predict(arrays["x"], verbose=0).argmax(-1)
        assert (predicted == arrays["y"]).mean() > 0.9


def test_the_network_is_of_the_promised_layers() -> None:
    names = [type(layer).__name__ for layer in build_model((28, 28, 1), 10).layers]
    assert {
        "Conv2D",
        "BatchNormalization",
        "ReLU",
        "DepthwiseConv2D",
        "GlobalAveragePooling2D",
        "Dense",
        "Softmax",
    } <= set(names)


def test_the_embedded_model_is_small_and_holds_no_optimizer() -> None:
    content = EMBEDDED.read_bytes()
    assert len(content) < 1_000_000
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert sorted(archive.namelist()) == ["config.json", "metadata.json", "model.weights.h5"]
        assert b"optimizer" not in archive.read("model.weights.h5")


def test_the_committed_scores_meet_the_promise() -> None:
    import json

    metrics = json.loads((PROJECT / "data/08_reporting/float_metrics.json").read_bytes())
    assert metrics["examples"] == 10_000
    assert metrics["top1"] >= 0.91
