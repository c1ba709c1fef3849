"""Damaged results of stages: files that a person, a program or a bad disk may have changed."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from benchmarks.mutants import scarred

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What JSON can hold in place of a value, as text: some of it is no JSON of Python's own making.
ODD = (
    "null", "true", "false", "0", "-1", "7", "0.5", "-3.25", "1e30", "1e400", "-1e400", "NaN",
    "Infinity", "9007199254740993", "9" * 400, "9" * 5000, '""', '"x"', '"1/0"', '"\\u0000"',
    '"\\ud800"', '"-0"', json.dumps("é" * 100_000), "[]", "[null]", "[[]]", "{}", '{"a": 1}',
    "[" * 300 + "]" * 300, "[" * 100_000,
)  # fmt: skip
WHOLE = (*ODD, "", " ", "{", "\ufeff{}", "not JSON")
_MARK = '"\\u0001odd\\u0001"'


def json_mutants(content: bytes) -> list[Callable[[], bytes]]:
    """Return what makes each mutant of a JSON file: every value replaced, every key dropped."""
    values = json.loads(content)
    found: list[Callable[[], bytes]] = [lambda text=text: text.encode() for text in WHOLE]
    for place in _places(values):
        found += [lambda place=place, odd=odd: _replaced(content, place, odd) for odd in ODD]
        found += [lambda place=place, change=change: _changed(content, place, change)
                  for change in (_drop, _repeat, _swap)]  # fmt: skip
    return found


def _places(values: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if place:
        yield place
    items: Any = ()
    if isinstance(values, dict):
        items = values.items()
    elif isinstance(values, list):
        items = list(enumerate(values))[:2] + list(enumerate(values))[-1:]  # the rest is alike
    for key, value in items:
        yield from _places(value, (*place, key))


def _replaced(content: bytes, place: tuple[Any, ...], odd: str) -> bytes:
    values = json.loads(content)
    _parent(values, place)[place[-1]] = "\x01odd\x01"
    return json.dumps(values).replace(_MARK, odd).encode()


def _changed(content: bytes, place: tuple[Any, ...], change: Callable[..., None]) -> bytes:
    values = json.loads(content)
    change(_parent(values, place), place[-1])
    return json.dumps(values).encode()


def _parent(values: Any, place: tuple[Any, ...]) -> Any:
    for key in place[:-1]:
        values = values[key]
    return values


def _drop(parent: Any, key: Any) -> None:
    del parent[key]


def _repeat(parent: Any, key: Any) -> None:
    """Put a value in the place of all those next to it."""
    for other in list(parent) if isinstance(parent, dict) else range(len(parent)):
        parent[other] = parent[key]


def _swap(parent: Any, key: Any) -> None:
    """Exchange a value with the next one."""
    keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
    other = keys[(keys.index(key) + 1) % len(keys)]
    parent[key], parent[other] = parent[other], parent[key]


def npz_mutants(content: bytes) -> list[Callable[[], bytes]]:
    """Return what makes each mutant of a numpy archive: every array dropped, renamed, changed."""
    with np.load(io.BytesIO(content)) as archive:
        arrays = dict(archive)
    found = []
    for name in arrays:
        found += [lambda name=name, change=change: _archive(change(arrays, name))
                  for change in _ARRAYS]  # fmt: skip
    for name, value in arrays.items():
        if value.ndim == 0 and value.dtype.kind == "U":  # JSON inside
            found += [lambda name=name, make=make: _archive(_set(arrays, name, _text(make())))
                      for make in json_mutants(str(value).encode())]  # fmt: skip
    return found


def _text(content: bytes) -> np.ndarray:
    return np.array(content.decode("utf-8", "surrogatepass"))


def _archive(arrays: dict[str, np.ndarray]) -> bytes:
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def _set(arrays: dict[str, np.ndarray], name: str, value: np.ndarray) -> dict[str, np.ndarray]:
    return {**arrays, name: value}


def _without(arrays: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return {key: value for key, value in arrays.items() if key != name}


def _numbers(value: np.ndarray, fill: float) -> np.ndarray:
    return np.full(value.shape, fill, np.float64)


_ARRAYS: tuple[Callable[[dict[str, np.ndarray], str], dict[str, np.ndarray]], ...] = (
    _without,
    lambda arrays, name: {**_without(arrays, name), f"{name}x": arrays[name]},
    lambda arrays, name: {**arrays, "0/input/x": arrays[name]},
    lambda arrays, name: {**arrays, f"-1/{name}/": arrays[name]},
    lambda arrays, name: {**arrays, "99/output/x": arrays[name]},
    lambda arrays, name: _set(arrays, name, np.zeros((), np.float32)),
    lambda arrays, name: _set(arrays, name, np.zeros((0,), np.float32)),
    lambda arrays, name: _set(arrays, name, np.zeros((0, 3), np.int64)),
    lambda arrays, name: _set(arrays, name, arrays[name][..., np.newaxis]),
    lambda arrays, name: _set(arrays, name, arrays[name].reshape(-1)),
    lambda arrays, name: _set(arrays, name, arrays[name].reshape(-1)[:1]),
    lambda arrays, name: _set(arrays, name, _numbers(arrays[name], np.nan)),
    lambda arrays, name: _set(arrays, name, _numbers(arrays[name], np.inf)),
    lambda arrays, name: _set(arrays, name, _numbers(arrays[name], 1e300)),
    lambda arrays, name: _set(arrays, name, _numbers(arrays[name], -1e30)),
    lambda arrays, name: _set(arrays, name, np.zeros(arrays[name].shape, bool)),
    lambda arrays, name: _set(arrays, name, np.zeros(arrays[name].shape, np.float16)),
    lambda arrays, name: _set(arrays, name, np.zeros(arrays[name].shape, np.uint64)),
    lambda arrays, name: _set(arrays, name, np.zeros(arrays[name].shape, np.complex64)),
    lambda arrays, name: _set(arrays, name, np.zeros(arrays[name].shape, "datetime64[s]")),
    lambda arrays, name: _set(arrays, name, np.full(arrays[name].shape, "text")),
    lambda arrays, name: _set(arrays, name, np.full(arrays[name].shape, b"bytes")),
    lambda arrays, name: _set(arrays, name, np.zeros(arrays[name].shape, "V3")),
    lambda arrays, name: _set(arrays, name, np.zeros(2, [("a", "f4"), ("b", "i4")])),
    lambda arrays, name: _set(arrays, name, arrays[name][:-1] if arrays[name].ndim else
                              arrays[name]),
)  # fmt: skip


def parquet_mutants(content: bytes) -> list[Callable[[], bytes]]:
    """Return what makes each mutant of a Parquet file: every column dropped, retyped, refilled."""
    table = pq.read_table(io.BytesIO(content))
    found = [
        lambda name=name, values=values, kind=kind: _parquet(_column(table, name, values, kind))
        for name in table.column_names
        for values, kind in _COLUMNS
    ]
    for at, name in enumerate(table.column_names):
        found += [
            lambda name=name: _parquet(table.drop_columns([name])),
            lambda at=at, name=name: _parquet(table.append_column(name, table.column(at))),
            lambda at=at: _parquet(table.rename_columns(
                [f"{value}x" if place == at else value
                 for place, value in enumerate(table.column_names)])),
            lambda name=name: _parquet(table.sort_by([(name, "descending")])),
        ]  # fmt: skip
    found += [
        lambda: _parquet(table.slice(0, 0)),
        lambda: _parquet(table.slice(1)),
        lambda: _parquet(pa.concat_tables([table, table])),
        lambda: _parquet(table.select(table.column_names[::-1])),
        lambda: _parquet(pa.table({})),
    ]
    return found


_COLUMNS: tuple[tuple[list[Any], Any], ...] = (
    ([None], None), ([None, 1], pa.int64()), ([0], pa.int64()), ([-1], pa.int64()),
    ([3], pa.int64()), ([2**62], pa.int64()), ([-(2**63)], pa.int64()), ([1], pa.int32()),
    ([0.5], pa.float64()), ([float("nan")], pa.float64()), ([float("inf")], pa.float64()),
    ([1e308], pa.float64()), ([-1e300], pa.float64()), ([0.5, None], pa.float64()),
    (["a"], pa.string()), (["a", None], pa.string()), ([b"\xff"], pa.binary()),
    ([True], pa.bool_()), ([[1]], pa.list_(pa.int64())),
)  # fmt: skip


def _column(table: pa.Table, name: str, values: list[Any], kind: Any) -> pa.Table:
    filled = [values[row % len(values)] for row in range(len(table))]
    at = table.column_names.index(name)
    return table.set_column(at, name, pa.array(filled, kind))


def _parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def mutants(content: bytes, ending: str, count: int, seed: int) -> Iterator[bytes]:
    """Yield so many mutants of a file: four of five of its values, the others of its bytes.

    Args:
        content: The file.
        ending: ``json``, ``npz`` or ``parquet``.
        count: How many; each kind of change as often as any other.
        seed: The seed of the draw.
    """
    rng = np.random.default_rng(seed)
    make = {"json": json_mutants, "npz": npz_mutants, "parquet": parquet_mutants}[ending]
    known = make(content)
    wanted = count - count // 5
    order = [known[at] for at in rng.permutation(len(known))]
    for at in range(wanted):
        yield order[at % len(order)]() if at < len(order) else scarred(content, rng)
    for _ in range(count // 5):
        yield scarred(content, rng)
