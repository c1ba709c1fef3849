"""Data that Python packages and this project ship, as functions for ``dataset.function``.

Each takes a split ``train:2000`` or ``test:500``, a name and a number of examples, and yields the
id, the inputs and the label of each.
"""

from __future__ import annotations

import ast
import zlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from quantline import recipe
from quantline.sampling import open_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    Examples = Iterator[tuple[str, Any, Any]]

CLASSES, SIDE = 10, 28
SCENE = 56
BACKGROUND = 10
WORDS, VOCABULARY = 48, 2000
PACKAGES = ("asyncio", "email", "http", "unittest")
NORMAL = (7, 9)  # sneakers and ankle boots


def _parts(split: str) -> tuple[str, int]:
    name, _, count = split.partition(":")
    return name, int(count)


@lru_cache(maxsize=4)
def images(name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first images of a split of Fashion-MNIST, in [0, 1], and their classes."""
    tfds = recipe.Tfds(name="fashion_mnist", version="3.0.1")
    source = open_source(recipe.Dataset(source="tfds", data_dir="data/01_raw", tfds=tfds))
    split = f"{name}[:{count}]"
    found = list(source.examples(split, {entry.id for entry in source.entries(split)}))
    pixels = np.stack([example.value for example in found]).astype(np.float32) / 255
    return pixels, np.array([example.label for example in found])


def diabetes(split: str) -> Examples:
    """Yield ten measurements of a patient, and how far the disease went in a year."""
    data = load_diabetes()
    name, count = _parts(split)
    rows = range(len(data.target))
    chosen = [row for row in rows if (row % 5 == 0) is (name == "test")][:count]
    for row in chosen:
        yield f"{name}-{row}", (10 * data.data[row]).astype(np.float32), data.target[row] / 100


def tumours(split: str) -> Examples:
    """Yield thirty standardized measurements of a tumour, and 1 for a benign one."""
    data = load_breast_cancer()
    name, count = _parts(split)
    values = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
    chosen = [row for row in range(len(values)) if (row % 3 == 0) is (name == "test")][:count]
    for row in chosen:
        yield f"{name}-{row}", values[row].astype(np.float32), int(data.target[row])


def _scenes(split: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield scenes of up to three clothes, and a map of their classes."""
    name, count = _parts(split)
    pixels, labels = images(name, min(3 * count, 6000))
    for number in range(count):
        rng = np.random.default_rng([zlib.crc32(name.encode()), number])
        scene = np.zeros((SCENE, SCENE, 1), np.float32)
        classes = np.full((SCENE, SCENE), BACKGROUND, np.uint8)
        for _ in range(rng.integers(1, 4)):
            one = rng.integers(len(pixels))
            top, left = rng.integers(0, SCENE - SIDE + 1, 2)
            place = (slice(top, top + SIDE), slice(left, left + SIDE))
            covered = pixels[one, ..., 0] > 0.1
            scene[place][covered] = pixels[one][covered]
            classes[place][covered] = labels[one]
        yield f"{name}-{number}", scene, classes


def scenes(split: str) -> Examples:
    """Yield scenes of clothes and the class of each pixel; 10 is the background."""
    yield from _scenes(split)


def present(split: str) -> Examples:
    """Yield scenes of clothes and, for each class, whether it is there."""
    for name, scene, classes in _scenes(split):
        there = np.bincount(classes.ravel(), minlength=CLASSES + 1)[:CLASSES] > 0
        yield name, scene, there.astype(np.uint8)


def footwear(split: str) -> Examples:
    """Yield clothes: footwear, which is normal, alone for training, and of all kinds for tests."""
    name, count = _parts(split)
    pixels, labels = images(name, 6000 if name == "train" else 2 * count)
    kept = [at for at, label in enumerate(labels) if label in NORMAL or name == "test"][:count]
    for at in kept:
        yield f"{name}-{at}", pixels[at], int(labels[at] not in NORMAL)


def pairs(split: str) -> Examples:
    """Yield two images of clothes, and 1 if they are of one class."""
    name, count = _parts(split)
    pixels, labels = images(name, max(200, count))
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    for number in range(count):
        first = int(rng.integers(len(pixels)))
        same = np.flatnonzero(labels == labels[first])
        second = int(rng.choice(same if number % 2 else len(pixels)))
        inputs = {"left": pixels[first], "right": pixels[second]}
        yield f"{name}-{number}", inputs, int(labels[first] == labels[second])


def clothes(split: str) -> Examples:
    """Yield images of clothes and their classes."""
    name, count = _parts(split)
    pixels, labels = images(name, count)
    for at, label in enumerate(labels):
        yield f"{name}-{at}", pixels[at], int(label)


def strips(split: str) -> Examples:
    """Yield strips of five digits, column by column, and the digit of each column."""
    data = load_digits()
    name, count = _parts(split)
    own = np.flatnonzero((np.arange(len(data.target)) % 4 == 0) == (name == "test"))
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    for number in range(count):
        chosen = rng.choice(own, 5)
        strip = np.concatenate([data.images[one].T / 16 for one in chosen]).astype(np.float32)
        yield f"{name}-{number}", strip, np.repeat(data.target[chosen], 8)


def docstrings(split: str) -> Examples:
    """Yield the words of functions of Python's own library as numbers, and their package."""
    name, count = _parts(split)
    found = []
    library = Path(ast.__file__).parent
    for label, package in enumerate(PACKAGES):
        for file in sorted((library / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.FunctionDef) and len(node.body) > 1:
                    place = f"{file.relative_to(library).as_posix()}:{node.lineno}"
                    found.append((place, node, label))
    found.sort(key=lambda item: zlib.crc32(item[0].encode()))
    rows = {}  # by their words: functions that were copied count once
    for place, node, label in found:
        names = [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
        names += [part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)]
        tokens = [1 + zlib.crc32(word.encode()) % (VOCABULARY - 1) for word in names][:WORDS]
        rows.setdefault(tuple(tokens + [0] * (WORDS - len(tokens))), (place, label))
    for at, (tokens, (place, label)) in enumerate(rows.items()):
        if (at % 4 == 0) is (name == "test") and (count := count - 1) >= 0:
            yield place, np.array(tokens, np.int32), label
