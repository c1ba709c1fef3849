"""A small TFDS dataset in shards, whose files are cut, flipped, emptied and removed."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.damage import damaged, outcome

from quantline import recipe
from quantline.errors import DataError, UnsafeModel
from quantline.sampling import open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

COUNT = int(os.environ.get("QUANTLINE_DAMAGES", "12"))
NAME, VERSION = "tiny_set", "1.0.0"
SHARD, INFO, FEATURES = "tiny_set-train.tfrecord-00001", "dataset_info.json", "features.json"


@pytest.fixture(scope="module")
def whole(tf: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of 25 examples to train and 12 to test, at most 10 a shard, by their names."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.dataset_info import DatasetIdentity

    folder = tmp_path_factory.mktemp("tfds") / NAME / VERSION
    folder.mkdir(parents=True)
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(4, 4, 1)),
            "label": tfds.features.ClassLabel(num_classes=3),
        }
    )
    identity = DatasetIdentity(name=NAME, version=VERSION, data_dir=str(folder), module_name="")
    info = tfds.core.DatasetInfo(
        builder=identity, features=features, supervised_keys=("image", "label")
    )
    writer = tfds.core.SequentialWriter(info, max_examples_per_shard=10)
    writer.initialize_splits(["train", "test"])
    images = np.random.default_rng(0).integers(0, 256, (37, 4, 4, 1), dtype=np.uint8)
    rows = [{"image": image, "label": row % 3} for row, image in enumerate(images)]
    writer.add_examples({"train": rows[:25], "test": rows[25:]})
    writer.close_all()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(whole: dict[str, bytes], tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / NAME / VERSION
    folder.mkdir(parents=True)
    for name, content in whole.items():
        (folder / name).write_bytes(content)
    yield folder
    shutil.rmtree(folder)


def read(folder: Path, split: str = "train+test") -> int:
    """Return how many examples of a split are read."""
    values = {"name": NAME}
    source = open_source(
        recipe.Dataset(source="tfds", data_dir=str(folder.parents[1]), tfds=values)
    )
    names = {entry.id for entry in source.entries(split)}
    return sum(1 for _ in source.examples(split, names))


@pytest.mark.parametrize(
    ("split", "count"), [("train+test", 37), ("train[3:12]", 9), ("train[:50%]+test[-2:]", 14)]
)
def test_a_whole_dataset_is_read_across_its_shards(folder: Path, split: str, count: int) -> None:
    assert read(folder, split) == count


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def end_between_records(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: 16 + struct.unpack("<Q", content[:8])[0]])


def repeat(path: Path) -> None:
    path.write_bytes(2 * path.read_bytes())


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


SHARDS = {
    remove: "no such file, after 0 of 10", empty: "holds 0 of 10", halve: "of 10 examples",
    end_between_records: "holds 1 of 10", repeat: "holds 20 of 10", flip: "corrupted record",
}  # fmt: skip


@pytest.mark.parametrize(("damage", "said"), SHARDS.items())
def test_a_damaged_shard_is_named(folder: Path, damage: Callable[[Path], None], said: str) -> None:
    damage(folder / SHARD)
    with pytest.raises(DataError, match="cannot be read") as wrong:
        read(folder)
    assert f"'{SHARD}'" in wrong.value.found
    assert said in wrong.value.found
    assert "job:localhost" not in wrong.value.found
    assert read(folder, "test") == 12  # of which nothing is damaged


DESCRIPTIONS = {remove: "no such file", empty: "Expecting value", halve: "JSONDecodeError"}


@pytest.mark.parametrize("name", [INFO, FEATURES])
@pytest.mark.parametrize(("damage", "said"), DESCRIPTIONS.items())
def test_a_damaged_description_is_named(
    folder: Path, name: str, damage: Callable[[Path], None], said: str
) -> None:
    damage(folder / name)
    with pytest.raises(DataError, match="'tiny_set' cannot be read") as wrong:
        read(folder)
    assert f"'{name}' cannot be read" in wrong.value.found
    assert said in wrong.value.found


def test_another_description_is_named(folder: Path) -> None:
    for name in (INFO, FEATURES):
        content = (folder / name).read_bytes()
        (folder / name).write_text(json.dumps({"other": [1, 2]}))
        with pytest.raises(DataError, match="does not describe a dataset"):
            read(folder)
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("name", [SHARD, INFO, FEATURES])
def test_a_pipe_is_never_opened(folder: Path, name: str) -> None:
    pipe(folder / name)
    with pytest.raises(DataError, match="a pipe") as wrong:
        read(folder)
    assert name in wrong.value.found


@pytest.mark.parametrize("key", ["pythonClassName", "python_class_name", "type"])
def test_code_that_a_description_names_is_not_imported(
    folder: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    (folder / "evil.py").write_text(f"from pathlib import Path; Path('{folder}/ran').touch()")
    monkeypatch.syspath_prepend(folder)
    (path,) = folder.rglob("features.json")
    description = json.loads(path.read_bytes())
    description["featuresDict"]["features"]["label"] = {key: "evil.Feature", "content": {}}
    path.write_text(json.dumps(description))
    with pytest.raises(UnsafeModel, match=r"evil\.Feature"):
        read(folder)
    assert not (folder / "ran").exists()


def test_damage_gives_a_result_or_an_error_of_ours(folder: Path, whole: dict[str, bytes]) -> None:
    outcomes = Counter[str]()
    for name in (SHARD, INFO, FEATURES):
        for seed in range(COUNT):
            (folder / name).write_bytes(damaged(whole[name], seed))
            outcomes[f"{name} {outcome(read, folder, f'{name}, seed {seed}')}"] += 1
        (folder / name).write_bytes(whole[name])
    print(dict(outcomes))  # noqa: T201
    assert outcomes[f"{SHARD} refused"] > COUNT / 2
