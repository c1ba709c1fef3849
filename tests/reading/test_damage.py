"""Damaged files of every kind that is read from elsewhere give a result or an error of ours."""

from __future__ import annotations

import io
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from PIL import Image
from tests.conftest import PROJECT
from tests.damage import damaged, outcome

from quantline import recipe
from quantline.api.samples import choose, open_archive
from quantline.contract.targets import load
from quantline.contract.vectors import Golden, Vector
from quantline.project_files import read_mapping
from quantline.sampling import open_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# More, for a search by hand: QUANTLINE_DAMAGES=3000 pytest tests/reading/test_damage.py
COUNT = int(os.environ.get("QUANTLINE_DAMAGES", "60"))
RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (6, 4, 5, 3), dtype=np.uint8), np.arange(6) % 3


def saved(save: Any, *arrays: Any, **named: Any) -> bytes:
    stream = io.BytesIO()
    save(stream, *arrays, **named)
    return stream.getvalue()


def picture(kind: str, mode: str = "RGB", **settings: Any) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(RNG.integers(0, 256, (12, 9, 3), dtype=np.uint8))
    image.convert(mode).save(stream, kind, **settings)
    return stream.getvalue()


def examples(path: Path, source: str, split: str) -> int:
    opened = open_source(recipe.Dataset(source=source, data_dir=str(path.parent)))
    names = {entry.id for entry in opened.entries(split)}
    return sum(1 for _ in opened.examples(split, names))


def sampled(path: Path) -> int:
    return examples(path, "npz", path.name)


def listed(path: Path) -> int:
    (path.parent / "a.png").write_bytes(KINDS["png"][0])
    return examples(path, "image_csv", path.name)


def in_a_list(path: Path) -> int:
    (path.parent / "list.csv").write_text(f"file,label\n{path.name},1\n")
    return examples(path, "image_csv", "list.csv")


def given(path: Path) -> int:
    return choose(open_archive(str(path)), {"x": (4, 5, 3)}).count


def golden(path: Path) -> int:
    return len(Golden.load(path).vectors)


def target(path: Path) -> Any:
    return load(str(path))


VECTOR = Vector("zero", {"in": np.zeros((1, 4), np.int8)}, {"out": np.ones((1, 2), np.int8)})
GOLDEN = Golden("ab" * 32, "ai-edge-litert 2", "x86_64", "builtin", 0.0, (VECTOR,))
TARGET = yaml.safe_dump({"name": "mine", "operators": {"ADD": 2, "CONV_2D": None},
                         "tensor_types": ["int8", "int32"], "size_limit": 262144})  # fmt: skip

KINDS: dict[str, tuple[bytes, str, Callable[[Path], Any]]] = {
    "npz": (saved(np.savez, x=X, y=Y), "a.npz", sampled),
    "compressed npz": (saved(np.savez_compressed, x=X, y=Y), "a.npz", sampled),
    "npz of a command": (saved(np.savez_compressed, x=X), "a.npz", given),
    "npy of a command": (saved(np.save, X), "a.npy", given),
    "golden vectors": (GOLDEN.to_bytes(), "a.npz", golden),
    "list of images": (b"file,label\na.png,0\na.png,1\n", "list.csv", listed),
    "png": (picture("png"), "a.png", in_a_list),
    "palette png": (picture("png", "P", transparency=b"\x10\x20"), "a.png", in_a_list),
    "jpeg": (picture("jpeg"), "a.jpg", in_a_list),
    "cmyk jpeg": (picture("jpeg", "CMYK"), "a.jpg", in_a_list),
    "gif": (picture("gif", "P"), "a.gif", in_a_list),
    "webp": (picture("webp"), "a.webp", in_a_list),
    "tiff": (picture("tiff", compression="tiff_lzw"), "a.tif", in_a_list),
    "bmp": (picture("bmp"), "a.bmp", in_a_list),
    "target": (TARGET.encode(), "a.yml", target),
    "parameters": ((PROJECT / "conf/base/parameters_gate.yml").read_bytes(), "a.yml", read_mapping),
}


@pytest.mark.parametrize(("content", "name", "read"), KINDS.values(), ids=KINDS)
def test_damage_gives_a_result_or_an_error_of_ours(
    tmp_path: Path, content: bytes, name: str, read: Callable[[Path], Any]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    if name != "list.csv":  # which names an image twice, to have something to damage
        read(path)
    outcomes = Counter[str]()
    for seed in range(COUNT):
        path.write_bytes(damaged(content, seed))
        outcomes[outcome(read, path, f"seed {seed}")] += 1
    print(f"{outcomes['read']} read, {outcomes['refused']} refused")  # noqa: T201
    assert outcomes["refused"] > COUNT / 10
