"""Damaged models: is the answer of `read` always a graph or a clear error, and soon?

    python benchmarks/mutations.py [--models A.tflite ...] [--mutations 20000] [--run 2000]

Every model is damaged many times, each time from a seed of its own: bits, runs of bytes, cuts and
splices anywhere, and words that the reader reads - offsets, lengths, vtables - set to values that
do harm. Worker processes read each result, with a limit on their memory and a time limit for each,
and hand what was read to the functions that judge a graph. With `--run`, so many of the damaged
models that were read are then given to the native runtime, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED = Path(__file__).resolve().parents[2] / "shared"
MODELS = (
    SHARED / "edgetpu_pairs/mobilenet_v2_1.0_224_quant.tflite",
    SHARED / "edgetpu_pairs/deeplabv3_mnv2_dm05_pascal_quant.tflite",
    SHARED / "edgetpu_pairs/model_mat_Add.tflite",
    SHARED / "edgetpu_pairs/looming_128x128_3x3.tflite",
    SHARED / "edgetpu_pairs/mobilenet_v1_0.25_128_quant_edgetpu.tflite",
    *sorted(Path("data/06_models").glob("*.tflite")),
)
MEMORY_BYTES = 2 << 30  # address space of a worker
SECONDS = 5  # for each mutation
WORKERS = 2

WORDS = (0, 1, 2, 3, 7, 255, 4096, 2**16, 2**24, 2**28, 2**30, 2**31 - 1, 2**31, 2**32 - 1)


@dataclass(frozen=True)
class Places:
    """What the reader reads of a sound file, by byte position.

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
    return Places(*(np.array(sorted(each)) for each in (seen[4], seen[2], seen[1], values)))


def mutant(model: bytes, known: Places, seed: int) -> bytes:
    """Return the model with one to three things damaged, always the same for a seed."""
    rng = np.random.default_rng(seed)
    damaged = bytearray(model)
    for _ in range(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1])):
        _DAMAGES[rng.choice(len(_DAMAGES), p=_SHARES)](damaged, known, rng)
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


_DAMAGES: tuple[Callable[[bytearray, Places, np.random.Generator], None], ...] = (
    _flip, _run, _cut, _splice, _any_word, _read_word, _value, _half, _byte,
)  # fmt: skip
_SHARES = (0.1, 0.08, 0.05, 0.07, 0.05, 0.3, 0.15, 0.1, 0.1)


def attempt(model: bytes) -> str:
    """Read a model and judge what was read; return what came of it, in a few words."""
    from quantline.contract import examine
    from quantline.edgetpu import predict
    from quantline.errors import QuantlineError
    from quantline.tflite import read

    try:
        graph = read(model, "the mutant")
    except QuantlineError as error:
        expected = re.sub(r"'[^']*'|\[.*\]|[\d,]*\d|\b(u?int|b?float)N\b", "N", error.expected)
        return f"refused: expected {expected}"
    for judge in (examine, predict):
        try:
            judge(graph)
        except QuantlineError as error:
            return f"read, then {judge.__module__} refused: {error.what}"
    return "read"


def run(model: bytes) -> str:
    """Load a model and run it on zeros in a process of its own; return how that ended."""
    from ai_edge_litert.interpreter import Interpreter

    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 2)
        try:
            interpreter = Interpreter(model_content=model, num_threads=1)
            interpreter.allocate_tensors()
            interpreter.invoke()
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {0: "ran", 1: "refused"}.get(status) or signal.Signals(-status).name


def worker(model: Path, first: int, last: int, to_run: int) -> None:
    """Try every WORKERS-th seed and print lines of JSON: the seed, then what came of it."""
    content = model.read_bytes()
    known = places(content)
    attempt(content)  # imports everything
    to_run = to_run if run(content) == "ran" else 0
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(first, last, WORKERS):
        damaged = mutant(content, known, seed)
        print(json.dumps({"seed": seed}), flush=True)  # what a crash was at
        signal.signal(signal.SIGALRM, _late)
        signal.alarm(SECONDS)
        start = time.process_time()
        try:
            outcome = attempt(damaged)
        except BaseException as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(last.filename).name}:{last.lineno} in {last.name}"
            outcome = f"FAILED: {type(error).__name__}: {error} ({place})"
        signal.alarm(0)
        found = {
            "seed": seed,
            "outcome": outcome,
            "ms": 1000 * (time.process_time() - start),
            "mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
        }
        if outcome == "read" and to_run:
            to_run -= 1
            found["runtime"] = run(damaged)
        print(json.dumps(found), flush=True)


def _late(*_: object) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


def try_seeds(model: Path, first: int, last: int, to_run: int) -> list[dict[str, Any]]:
    """Try every WORKERS-th seed in a worker; one that dies is a result, and a new one goes on."""
    found: list[dict[str, Any]] = []
    while first < last:
        call = f"mutations.worker(mutations.Path({str(model)!r}), {first}, {last}, {to_run})"
        done = subprocess.run(
            [sys.executable, "-c", f"import mutations; {call}"],
            cwd=Path(__file__).parent,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        found += [line for line in lines if "outcome" in line]
        if not done.returncode:
            break
        first = lines[-1]["seed"]  # there is none where a worker cannot start: then that is seen
        found.append({"seed": first, "outcome": f"FAILED: status {done.returncode}",
                      "ms": 0.0, "mib": 0.0})  # fmt: skip
        first += WORKERS
    return found


def summary(model: Path, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what became of one model's mutants."""
    outcomes = Counter(each["outcome"] for each in results)
    return {
        "model": model.name,
        "mutations": len(results),
        "read": sum(count for name, count in outcomes.items() if name.startswith("read")),
        "refused": sum(count for name, count in outcomes.items() if name.startswith("refused")),
        "failed": sorted(
            (each["seed"], each["outcome"]) for each in results if "FAILED" in each["outcome"]
        ),
        "outcomes": dict(outcomes.most_common()),
        "worst_ms": max(each["ms"] for each in results),
        "worst_mib": max(each["mib"] for each in results),
        "runtime": dict(Counter(each["runtime"] for each in results if "runtime" in each)),
        "crashed_runtime": [
            each["seed"] for each in results if each.get("runtime", "").startswith("SIG")
        ],
    }


def main() -> None:
    """Damage, count and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, nargs="+")
    parser.add_argument("--mutations", type=int, default=20_000, help="in all")
    parser.add_argument("--run", type=int, default=0, help="how many to run, in all")
    parser.add_argument("--json", type=Path, default=Path("build/benchmark_mutations.json"))
    arguments = parser.parse_args()

    models = arguments.models or [each for each in MODELS if each.exists()][:5]
    each_model = -(-arguments.mutations // len(models))
    to_run = -(-arguments.run // len(models) // WORKERS)
    print(f"{'model':40} {'mutants':>8} {'read':>6} {'refused':>8} {'failed':>6} "
          f"{'worst ms':>9} {'worst MiB':>9}  runtime")  # fmt: skip
    found, reasons = [], Counter[str]()
    for model in models:
        with ThreadPoolExecutor(WORKERS) as pool:
            parts = [
                pool.submit(try_seeds, model.resolve(), first, each_model, to_run)
                for first in range(WORKERS)
            ]
            one = summary(model, [each for part in parts for each in part.result()])
        found.append(one)
        reasons.update(one["outcomes"])
        print(f"{model.name[:40]:40} {one['mutations']:>8,} {one['read']:>6,} {one['refused']:>8,} "
              f"{len(one['failed']):>6} {one['worst_ms']:>9.0f} {one['worst_mib']:>9.0f}  "
              f"{one['runtime'] or '-'}", flush=True)  # fmt: skip
    print()
    for reason, count in reasons.most_common():
        print(f"{count:>8,}  {reason[:110]}")
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
