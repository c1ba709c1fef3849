"""Damage to a file's bytes, each from a seed of its own: cuts, flips, splices, edited numbers."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

from quantline.errors import QuantlineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NUMBERS = (b"0", b"-1", b"1", b"999999999999", b"18446744073709551616", b"1e309", b"nan", b"True")


def damaged(content: bytes, seed: int) -> bytes:
    """Return the content with one to three damages, always the same for a seed."""
    chance = random.Random(seed)  # noqa: S311
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        content = chance.choice(DAMAGES)(content, chance)
    return content


def outcome(read: Callable[[Path], Any], path: Path, name: str) -> str:
    """Return whether a file was ``read``, or ``refused`` with one short paragraph of ours."""
    try:
        read(path)
    except QuantlineError as error:
        said = str(error)
    except BaseException as error:
        raise AssertionError(f"{name} gives {type(error).__name__}: {error}") from error
    else:
        return "read"
    assert len(said) < 3000, name
    assert " at 0x" not in said, name
    return "refused"


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def cut_start(content: bytes, chance: random.Random) -> bytes:
    return content[chance.randrange(len(content) + 1) :]


def flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8) if changed else 0):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def flip_early(content: bytes, chance: random.Random) -> bytes:
    """Headers are where it hurts."""
    return flip(content[:256], chance) + content[256:]


def flip_late(content: bytes, chance: random.Random) -> bytes:
    """An archive's directory is at its end."""
    return content[:-256] + flip(content[-256:], chance)


def run(content: bytes, chance: random.Random) -> bytes:
    start, length = chance.randrange(len(content) + 1), chance.randint(1, 64)
    filling = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
    return content[:start] + filling + content[start + length :]


def splice(content: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    place = chance.randrange(len(content) + 1)
    return content[:place] + content[start:end] + content[place:]


def remove(content: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    return content[:start] + content[end:]


def empty(content: bytes, chance: random.Random) -> bytes:
    del content, chance
    return b""


def number(content: bytes, chance: random.Random) -> bytes:
    """Replace a number that is written in digits, such as a size in a header or a label."""
    found = list(re.finditer(rb"\d+", content))
    if not found:
        return content
    place = chance.choice(found)
    return content[: place.start()] + chance.choice(NUMBERS) + content[place.end() :]


def word(content: bytes, chance: random.Random) -> bytes:
    """Replace four bytes by a length that hurts."""
    place = chance.randrange(len(content) + 1)
    value = chance.choice((0, 1, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1))
    order = chance.choice(("little", "big"))
    return content[:place] + value.to_bytes(4, order) + content[place + 4 :]


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    cut, cut_start, flip, flip_early, flip_late, run, splice, remove, empty, number, word,
)  # fmt: skip
