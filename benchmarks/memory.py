"""The memory of recording: does it grow with the number of samples?

    python benchmarks/memory.py [--model float.tflite] [--samples 100 10000]

Each count runs in a process of its own, over samples that are made one at a time; the figure is the
growth of the peak resident memory over that of a process that recorded a single sample.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from quantline.ranges import record
from quantline.tflite import Runtime


def peak_mib(model: Path, count: int) -> float:
    """Record in a child process and return its peak memory."""
    code = f"import memory; memory.child({str(model)!r}, {count})"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent,
                          capture_output=True, check=True, text=True)  # fmt: skip
    return float(done.stdout.split()[-1])


def child(model: str, count: int) -> None:
    """Record samples and print the peak memory of this process, in MiB."""
    content = Path(model).read_bytes()
    shape = Runtime(content, 1).inputs[0].shape
    rng = np.random.default_rng(0)
    record(content, (rng.uniform(0, 1, shape).astype(np.float32) for _ in range(count)))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=Path("data/06_models/float.tflite"))
    parser.add_argument("--samples", type=int, nargs="+", default=[100, 10_000])
    parser.add_argument("--json", type=Path, default=Path("build/benchmark_memory.json"))
    arguments = parser.parse_args()

    model = arguments.model.resolve()
    one = peak_mib(model, 1)
    print(f"{model.name}: {one:.0f} MiB for 1 sample")
    growth = {count: peak_mib(model, count) - one for count in arguments.samples}
    for count, more in growth.items():
        print(f"  {count:>7,} samples: {more:+.0f} MiB")
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    result = {"model": model.name, "one_sample_mib": one, "growth_mib": growth}
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
