"""Recording ranges against TensorFlow's own calibrator and against plain inference.

    python benchmarks/calibration.py [--model float.tflite] [--samples 100] [--rounds 5]

The three run by turns in one process on the same samples, random in [-1, 1]: what a weight or a
pixel holds does not change the time. Prints the ratios with their spread and writes JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from quantline.quiet import stderr_turned_away, tensorflow
from quantline.ranges import record
from quantline.tflite import Runtime


def stock(model: bytes, samples: np.ndarray) -> None:
    """Calibrate as TFLiteConverter does."""
    from tensorflow.lite.python.optimize import calibrator

    with stderr_turned_away():
        prepared = calibrator.Calibrator(calibrator.add_intermediate_tensors(model))
        prepared.calibrate(lambda: ([sample] for sample in samples))


def infer(model: bytes, samples: np.ndarray) -> None:
    """Run the model and read its output."""
    runtime = Runtime(model)
    for sample in samples:
        runtime.predict(sample)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=Path("data/06_models/float.tflite"))
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("build/benchmark_calibration.json"))
    arguments = parser.parse_args()

    tensorflow()
    model = arguments.model.read_bytes()
    shape = (arguments.samples, *Runtime(model).inputs[0].shape)
    samples = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    ways = {"record": record, "stock": stock, "inference": infer}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(arguments.rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way(model, samples)
            if round_:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    base = np.array(seconds["record"])
    rows = {
        "stock calibrator / record": np.array(seconds["stock"]) / base,
        "record / plain inference": base / np.array(seconds["inference"]),
    }
    print(f"{arguments.model}, {arguments.samples} samples, {arguments.rounds} rounds")
    for name, ratios in rows.items():
        low, middle, high = np.percentile(ratios, (0, 50, 100))
        print(f"{name:28}{middle:6.2f}x  [{low:.2f}, {high:.2f}]")
    result = {
        "model": str(arguments.model),
        "samples": arguments.samples,
        "seconds": seconds,
        "ratios": {name: ratios.tolist() for name, ratios in rows.items()},
    }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
