"""Recording ranges against the stock calibrator, litert-quantizer's recorder, and plain inference.

    python benchmarks/calibration.py [--model float.tflite ...] [--samples 100] [--rounds 5]

Without models: MobileNet v1 and v2 and ResNet50 of random weights, made in build/ on first use;
what a weight or a pixel holds does not change the time. The ways run by turns in one process on the
same cores and samples, so that all meet the same machine; each is timed whole, loading included.
Recording keeps minimum, maximum, moving average and the distribution of each tensor; the stock
calibrator and litert-quantizer's C++ recorder ('CALIBRATION_PROFILER_BASED') minimum and maximum.
Prints the ratios with their spread and writes JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quantline.quiet import silenced_stderr, tensorflow
from quantline.ranges import record
from quantline.tflite import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = {"mobilenet_v1": "MobileNet", "mobilenet_v2": "MobileNetV2", "resnet50": "ResNet50"}


def make(name: str) -> Path:
    """Return a float .tflite of an architecture of keras.applications, random weights."""
    path = Path("build") / f"{name}.tflite"
    if path.exists():
        return path
    tf = tensorflow()
    import keras

    keras.utils.set_random_seed(0)
    folder = Path("build") / name
    model = getattr(keras.applications, MODELS[name])(weights=None)
    spec = tf.TensorSpec((1, 224, 224, 3), tf.float32, name="image")
    model.export(folder, verbose=False, input_signature=[spec])
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert())
    return path


def stock(path: Path, samples: np.ndarray) -> None:
    """Calibrate as TFLiteConverter does."""
    from tensorflow.lite.python.optimize import calibrator

    with silenced_stderr():
        prepared = calibrator.Calibrator(calibrator.add_intermediate_tensors(path.read_bytes()))
        prepared.calibrate(lambda: ([sample] for sample in samples))


def litert(path: Path, samples: np.ndarray) -> None:
    """Record minimum and maximum with litert-quantizer's C++ recorder, on all cores."""
    from litert_quantizer import calibrator, recipe, recipe_manager

    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(recipe.static_wi8_ai8())
    mode = calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED
    with silenced_stderr():
        recorder = calibrator.Calibrator(str(path), num_threads=os.cpu_count() or 1, mode=mode)
    (key,) = recorder.get_signature_list()
    (name,) = recorder.get_signature_list()[key]["inputs"]
    recorder.calibrate({key: [{name: sample} for sample in samples]}, manager)


def infer(path: Path, samples: np.ndarray) -> None:
    """Run the model on all cores and read its output."""
    runtime = Runtime(path.read_bytes())
    for sample in samples:
        runtime.predict(sample)


def ours(path: Path, samples: np.ndarray) -> None:
    """Record everything."""
    record(path.read_bytes(), samples)


WAYS: dict[str, Callable[[Path, np.ndarray], None]] = {
    "record": ours, "stock": stock, "litert": litert, "inference": infer,
}  # fmt: skip


def measure(path: Path, count: int, rounds: int) -> dict[str, object]:
    """Time every way in every round and return the ratios."""
    shape = (count, *Runtime(path.read_bytes()).inputs[0].shape)
    samples = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for round_ in range(rounds + 1):
        for name, way in WAYS.items():
            start = time.perf_counter()
            way(path, samples)
            if round_:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    base = np.array(seconds["record"])
    ratios = {
        "stock calibrator / record": np.array(seconds["stock"]) / base,
        "litert-quantizer / record": np.array(seconds["litert"]) / base,
        "record / plain inference": base / np.array(seconds["inference"]),
    }
    print(f"{path.stem}, {count} samples, {rounds} rounds")
    for name, value in ratios.items():
        low, middle, high = np.percentile(value, (0, 50, 100))
        print(f"  {name:28}{middle:6.2f}x  [{low:.2f}, {high:.2f}]", flush=True)
    return {"seconds": seconds, "ratios": {name: value.tolist() for name, value in ratios.items()}}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, nargs="+")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("build/benchmark_calibration.json"))
    arguments = parser.parse_args()

    tensorflow()
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    paths = arguments.model or [make(name) for name in MODELS]
    result = {
        "samples": arguments.samples,
        "cores": os.cpu_count(),
        "models": {path.stem: measure(path, arguments.samples, arguments.rounds) for path in paths},
    }
    arguments.json.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
