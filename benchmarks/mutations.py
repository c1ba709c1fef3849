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
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mutants import attempt, mutant, places

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
    outcomes = Counter(result["outcome"] for result in results)
    return {
        "model": model.name,
        "mutations": len(results),
        "read": sum(count for name, count in outcomes.items() if name.startswith("read")),
        "refused": sum(count for name, count in outcomes.items() if name.startswith("refused")),
        "failed": sorted(
            (result["seed"], result["outcome"])
            for result in results
            if "FAILED" in result["outcome"]
        ),
        "outcomes": dict(outcomes.most_common()),
        "worst_ms": max(result["ms"] for result in results),
        "worst_mib": max(result["mib"] for result in results),
        "runtime": dict(Counter(result["runtime"] for result in results if "runtime" in result)),
        "crashed_runtime": [
            result["seed"] for result in results if result.get("runtime", "").startswith("SIG")
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

    models = arguments.models or [model for model in MODELS if model.exists()][:5]
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
            one = summary(model, [item for part in parts for item in part.result()])
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
