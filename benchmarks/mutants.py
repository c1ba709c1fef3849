"""Damaged models, each from a seed of its own, and what comes of one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = (0, 1, 2, 3, 7, 255, 4096, 2**16, 2**24, 2**28, 2**30, 2**31 - 1, 2**31, 2**32 - 1)


@dataclass(frozen=True)
class Places:
    """The parts of a sound file that the reader reads, by byte position.

    Attributes:
        words: Of offsets, lengths and numbers of 4 bytes.
        halves: Of entries of vtables, 2 bytes.
        bytes: Of types, flags and the like.
        values: Of numbers in short vectors, such as shapes, indices and scales, 4 bytes.
    """

    words: np.ndarray
    halves: np.ndarray
    bytes: np.ndarray
    values: np.ndarray


def places(model: bytes) -> Places:
    """Return what the generated reader reads of a sound file."""
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import encode

    seen: dict[int, set[int]] = {1: set(), 2: set(), 4: set(), 8: set()}
    values: set[int] = set()
    get, get_vector = encode.Get, encode.GetVectorAsNumpy

    def one(packer: Any, buffer: bytes, head: int) -> Any:
        seen[packer.size].add(head)
        return get(packer, buffer, head)

    def vector(kind: Any, buffer: bytes, count: int, offset: int) -> Any:
        found = get_vector(kind, buffer, count, offset)
        if found.itemsize >= 4 and found.size <= 64:
            values.update(range(offset, offset + found.nbytes, 4))
        return found

    encode.Get, encode.GetVectorAsNumpy = one, vector
    try:
        schema.ModelT.InitFromPackedBuf(model, 0)
    finally:
        encode.Get, encode.GetVectorAsNumpy = get, get_vector
    return Places(*(np.array(sorted(item)) for item in (seen[4], seen[2], seen[1], values)))


def mutant(model: bytes, known: Places, seed: int) -> bytes:
    """Return the model with one to three things damaged, always the same for a seed."""
    rng = np.random.default_rng(seed)
    damaged = bytearray(model)
    for _ in range(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1])):
        _DAMAGES[rng.choice(len(_DAMAGES), p=_SHARES)](damaged, known, rng)
    return bytes(damaged)


def scarred(content: bytes, rng: np.random.Generator) -> bytes:
    """Return the content of any file with bits, bytes or parts of it damaged, wherever they are."""
    damaged = bytearray(content)
    damage = (_flip, _run, _cut, _splice)[rng.integers(4)]
    damage(damaged, _NOWHERE, rng)
    return bytes(damaged)


def _flip(model: bytearray, known: Places, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(1, 9)):
        model[rng.integers(len(model))] ^= 1 << int(rng.integers(8))


def _run(model: bytearray, known: Places, rng: np.random.Generator) -> None:
    start, length = int(rng.integers(len(model))), int(rng.integers(1, 65))
    length = min(length, len(model) - start)
    filling = rng.integers(3)
    model[start : start + length] = (
        rng.bytes(length) if filling == 2 else bytes([255 * int(filling)]) * length
    )


def _cut(model: bytearray, known: Places, rng: np.random.Generator) -> None:
    del model[max(8, int(len(model) * (1 - rng.beta(1, 8)))) :]


def _splice(model: bytearray, known: Places, rng: np.random.Generator) -> None:
    source, target = rng.integers(8, max(9, len(model)), 2)
    length = int(rng.integers(1, 257))
    part = bytes(model[source : source + length])
    kept = rng.integers(3)  # overwrite, insert, or leave out
    end = target + (len(part) if kept == 0 else 0 if kept == 1 else length)
    model[target:end] = b"" if kept == 2 else part


def _any_word(model: bytearray, known: Places, rng: np.random.Generator) -> None:
    _set_word(model, int(rng.integers(max(1, len(model) // 4))) * 4, known, rng)


def _read_word(model: bytearray, known: Places, rng: np.random.Generator) -> None:
    _set_word(model, int(rng.choice(known.words)), known, rng)


def _set_word(model: bytearray, at: int, known: Places, rng: np.random.Generator) -> None:
    old = int.from_bytes(model[at : at + 4], "little")
    new = (
        int(rng.choice(WORDS)),
        old + int(rng.choice([-4, -2, -1, 1, 2, 4])),
        int(rng.choice(known.words)) - at,  # what is read as an offset leads elsewhere
        len(model) - at - int(rng.integers(0, 12)),
        int.from_bytes(model[(other := int(rng.choice(known.words))) : other + 4], "little"),
    )[rng.integers(5)]
    if at + 4 <= len(model):
        model[at : at + 4] = (new % 2**32).to_bytes(4, "little")


def _value(model: bytearray, known: Places, rng: np.random.Generator) -> None:
    _set_word(model, int(rng.choice(known.values)), known, rng)


def _half(model: bytearray, known: Places, rng: np.random.Generator) -> None:
    at = int(rng.choice(known.halves))
    old = int.from_bytes(model[at : at + 2], "little")
    new = (0, 2**16 - 1, old ^ 2, old + 4, old - 4, int(rng.integers(2**16)), int(rng.integers(64)))
    if at + 2 <= len(model):
        model[at : at + 2] = (new[rng.integers(len(new))] % 2**16).to_bytes(2, "little")


def _byte(model: bytearray, known: Places, rng: np.random.Generator) -> None:
    at = int(rng.choice(known.bytes))
    if at < len(model):
        model[at] = int(rng.integers(256))


_NOWHERE = Places(*(np.zeros(0, np.int64),) * 4)
_DAMAGES: tuple[Callable[[bytearray, Places, np.random.Generator], None], ...] = (
    _flip, _run, _cut, _splice, _any_word, _read_word, _value, _half, _byte,
)  # fmt: skip
_SHARES = (0.1, 0.08, 0.05, 0.07, 0.05, 0.3, 0.15, 0.1, 0.1)


def attempt(model: bytes) -> str:
    """Read a model and judge what was read; return what came of it, in a few words."""
    from quantline.contract import check_model
    from quantline.edgetpu import evaluate
    from quantline.errors import QuantlineError
    from quantline.tflite import read

    try:
        graph = read(model, "the mutant")
    except QuantlineError as error:
        expected = re.sub(r"'[^']*'|\[.*\]|[\d,]*\d|\b(u?int|b?float)N\b", "N", error.expected)
        return f"refused: expected {expected}"
    try:
        check_model(graph)
        evaluate(model, measure_cpu=False).to_dict()
    except QuantlineError as error:
        return f"read, then refused: {error.what}"
    return "read"
