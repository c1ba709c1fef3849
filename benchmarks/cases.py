"""Quantize every model of a folder tree, next to TensorFlow's public converter.

    python benchmarks/cases.py FOLDER [--before SRC] [--json build/cases.json] [--markdown]

A model is a .keras, .h5 or .tflite file or a SavedModel folder; its samples are the .npz file that
carries its name, or else each .npz file next to it. The commands run as a user runs them, each in a
process of its own; '--before' runs them also with another version's src/ folder. All that is made
is compared with the original's own outputs, computed by TensorFlow, or by LiteRT for a .tflite
file: the signal to quantization noise ratio of the worst output, in dB, measured. The public
converter gets the same samples and may leave operators in float; it takes no .tflite file.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.quiet import silenced_stderr, tensorflow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SRC = Path(__file__).resolve().parents[1] / "src"
SCHEMES = ("int8", "int8_float_fallback")
COMPARED = 40  # samples that outputs are compared on
TIMEOUT_S = 900

Outputs = list[np.ndarray]


@dataclass(frozen=True)
class Row:
    """One model with one set of samples.

    Attributes:
        model: Its path below the folder.
        samples: The file of its samples.
        quantline: What the command gave, by scheme.
        before: The same of the other version, if one was given.
        stock: What the public converter gave.
    """

    model: str
    samples: str
    quantline: dict[str, str]
    before: dict[str, str]
    stock: str


def cases(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each model below a folder, with its samples."""
    for path in sorted(folder.rglob("*")):
        is_model = path.suffix in {".keras", ".h5", ".tflite"} or (path / "saved_model.pb").exists()
        if not is_model:
            continue
        found = sorted(path.parent.glob("*.npz"))
        own = [data for data in found if data.name.startswith(path.stem)]
        for data in own or found:
            yield path, data


def read_samples(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an ``.npz`` file, by name."""
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def original_outputs(path: Path, samples: Mapping[str, np.ndarray]) -> Outputs:
    """Run the original on single samples; return each output, stacked, in the order of names."""
    if path.suffix == ".tflite":
        return run(path.read_bytes(), samples)
    call = load(path)
    return stacked([call(sample) for sample in single(samples)])


def load(path: Path) -> Any:
    """Return a function from one sample, by name, to named outputs."""
    tf = tensorflow()
    if path.is_dir():
        loaded = tf.saved_model.load(str(path))
        signature = loaded.signatures["serving_default"]
        specs = signature.structured_input_signature[1]

        def call(sample: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            given = by_name(sample, list(specs))
            got = signature(**{n: tf.cast(v, specs[n].dtype) for n, v in given.items()})
            return {name: value.numpy() for name, value in got.items()}

        call.loaded = loaded  # type: ignore[attr-defined]  # its variables live as long as it
        return call
    model = load_keras(path)

    def predict(sample: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = by_name(sample, [tensor.name for tensor in model.inputs])
        got = model([tf.cast(given[t.name], t.dtype) for t in model.inputs], training=False)
        flat = tf.nest.flatten(got)
        return {f"{at:03}": np.asarray(value) for at, value in enumerate(flat)}

    return predict


def load_keras(path: Path) -> Any:
    """Load a Keras file, by tf-keras where Keras 3 refuses it."""
    import keras

    try:
        return keras.saving.load_model(path, compile=False)
    except (TypeError, ValueError):
        import tf_keras

        return tf_keras.models.load_model(path, compile=False)


def single(samples: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """Yield samples with a batch of 1."""
    count = min(COMPARED, *(len(values) for values in samples.values()))
    for at in range(count):
        yield {name: values[at : at + 1] for name, values in samples.items()}


def by_name(sample: Mapping[str, np.ndarray], names: list[str]) -> dict[str, np.ndarray]:
    """Give the arrays a model's names: their own, or in order where none fits."""
    if set(names) <= set(sample):
        return {name: sample[name] for name in names}
    return dict(zip(names, sample.values(), strict=True))


def stacked(rows: list[dict[str, np.ndarray]]) -> Outputs:
    """Stack outputs over samples, in the order of their names, as float64."""
    names = sorted(rows[0])
    return [np.stack([row[name] for row in rows]).astype(np.float64) for name in names]


def run(content: bytes, samples: Mapping[str, np.ndarray]) -> Outputs:
    """Run a ``.tflite`` on single samples with LiteRT, quantizing at its edges."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    details = interpreter.get_input_details()
    names, outputs = named(interpreter)
    rows = []
    first = True
    for sample in single(samples):
        given = by_name(sample, [names[detail["index"]] for detail in details])
        if first:  # a file may leave its batch open
            for detail in details:
                shape = given[names[detail["index"]]].shape
                if tuple(detail["shape"]) != shape and np.prod(detail["shape"]) != np.prod(shape):
                    interpreter.resize_tensor_input(detail["index"], shape)
            interpreter.allocate_tensors()
            first = False
        for detail in interpreter.get_input_details():
            value = to_stored(given[names[detail["index"]]], detail)
            interpreter.set_tensor(detail["index"], value.reshape(detail["shape"]))
        interpreter.invoke()
        kinds = {detail["index"]: detail for detail in interpreter.get_output_details()}
        got = {name: interpreter.get_tensor(index) for index, name in outputs}
        rows.append({name: to_real(got[name], kinds[index]) for index, name in outputs})
    return stacked(rows)


def named(interpreter: Any) -> tuple[dict[int, str], list[tuple[int, str]]]:
    """Return the names of inputs, by index, and of outputs: the signature's, where there is one."""
    signatures = interpreter.get_signature_list()
    if not signatures:
        names = {detail["index"]: detail["name"] for detail in interpreter.get_input_details()}
        outputs = [(detail["index"], detail["name"]) for detail in interpreter.get_output_details()]
        return names, outputs
    # While the runner lives, the interpreter refuses to run.
    runner = interpreter.get_signature_runner(next(iter(signatures)))
    names = {detail["index"]: name for name, detail in runner.get_input_details().items()}
    return names, [(detail["index"], name) for name, detail in runner.get_output_details().items()]


def to_stored(values: np.ndarray, detail: Mapping[str, Any]) -> np.ndarray:
    """Return real values as an input stores them."""
    scale, zero = detail["quantization"]
    if not scale:
        return values.astype(detail["dtype"])
    ends = np.iinfo(detail["dtype"])
    stored = np.rint(values / scale) + zero
    return np.clip(stored, ends.min, ends.max).astype(detail["dtype"])


def to_real(values: np.ndarray, detail: Mapping[str, Any]) -> np.ndarray:
    """Return an output's real values."""
    scale, zero = detail["quantization"]
    return (values.astype(np.float64) - zero) * scale if scale else values


def worst_sqnr(want: Outputs, got: Outputs) -> str:
    """Return the signal to quantization noise ratio of the worst output, in dB, as text."""
    if [value.size for value in want] != [value.size for value in got]:
        return "other outputs"
    found = []
    for left, right in zip(want, got, strict=True):
        with np.errstate(invalid="ignore"):
            noise = np.square(right.reshape(left.shape) - left)
        noise[np.isnan(left) & np.isnan(right.reshape(left.shape))] = 0
        signal, noise = np.nansum(np.square(left)), noise.sum()
        if noise:
            found.append(10 * math.log10(signal / noise) if signal else -math.inf)
    return f"{min(found):.1f} dB" if found else "equal"


def stock(path: Path, samples: Mapping[str, np.ndarray]) -> bytes:
    """Quantize with TensorFlow's public converter; operators may stay in float."""
    tf = tensorflow()
    if path.is_dir():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(path))
        function = tf.saved_model.load(str(path)).signatures["serving_default"]
        specs = function.structured_input_signature[1]
        kinds = {name: spec.dtype.as_numpy_dtype for name, spec in specs.items()}

        def feed() -> Iterator[Any]:
            for sample in single(samples):
                given = by_name(sample, list(kinds))
                yield {name: value.astype(kinds[name]) for name, value in given.items()}
    else:
        model = load_keras(path)
        converter = tf.lite.TFLiteConverter.from_keras_model(model)

        def feed() -> Iterator[Any]:
            for sample in single(samples):
                given = by_name(sample, [tensor.name for tensor in model.inputs])
                yield {
                    tensor.name: given[tensor.name].astype(tf.as_dtype(tensor.dtype).as_numpy_dtype)
                    for tensor in model.inputs
                }

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = feed
    return bytes(converter.convert())


def measure(path: Path, data: Path, made: dict[str, str]) -> dict[str, str]:
    """Compare what was made with the original, and ask the public converter; in a child."""
    samples = read_samples(data)
    with silenced_stderr(), redirect_stdout(StringIO()):
        try:
            want = original_outputs(path, samples)
        except Exception as error:
            return {"stock": f"the original does not run: {first_line(str(error))}"}
        found = {}
        for name, file in made.items():
            try:
                found[name] = worst_sqnr(want, run(Path(file).read_bytes(), samples))
            except Exception as error:
                found[name] = f"does not run: {first_line(str(error))}"
        if path.suffix == ".tflite":
            return {**found, "stock": "takes no .tflite"}
        try:
            content = stock(path, samples)
            size = f", {len(content)} bytes"
            found["stock"] = worst_sqnr(want, run(content, samples)) + size
        except Exception as error:
            found["stock"] = f"error: {first_line(str(error))}"
    return found


def first_line(text: str) -> str:
    """Return the first words of a text."""
    return " ".join(text.split())[:110]


def command(path: Path, data: Path, scheme: str, src: Path, out: Path) -> tuple[int, str]:
    """Run ``quantline quantize``; return its exit status and the last paragraph it printed."""
    given = [sys.executable, "-m", "quantline", "quantize", str(path), "--calibration", str(data)]
    done = subprocess.run(
        [*given, "--scheme", scheme, "-o", str(out)],
        env={**os.environ, "PYTHONPATH": str(src)},
        capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr.strip()


def quantized(path: Path, data: Path, src: Path, folder: Path) -> tuple[dict[str, str], dict]:
    """Quantize by each scheme until one ends with 0; return exits and messages, and the files."""
    exits, files = {}, {}
    for scheme in SCHEMES:
        out = folder / f"{scheme}.tflite"
        status, said = command(path, data, scheme, src, out)
        exits[scheme] = f"exit {status}" + (f": {first_line(said)}" if status else "")
        if out.exists():
            files[scheme] = str(out)
        if not status:
            break
    return exits, files


def measured(folder: Path, path: Path, data: Path, before: Path | None) -> Row:
    """Run all of one model."""
    with tempfile.TemporaryDirectory() as place:
        versions = {"now": SRC, **({"before": before} if before else {})}
        exits: dict[str, dict[str, str]] = {}
        files: dict[str, str] = {}
        for name, src in versions.items():
            (Path(place) / name).mkdir()
            exits[name], made = quantized(path, data, src, Path(place) / name)
            files |= {f"{name} {scheme}": file for scheme, file in made.items()}
        try:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                found = pool.submit(measure, path, data, files).result()
        except BrokenProcessPool:
            found = {"stock": "native code ended the process"}
    for name, by_scheme in exits.items():
        for scheme in by_scheme:
            figure = found.get(f"{name} {scheme}")
            by_scheme[scheme] += f", {figure}" if figure else ""
    return Row(
        str(path.relative_to(folder)), data.name, exits["now"], exits.get("before", {}),
        found["stock"],
    )  # fmt: skip


def show(rows: list[Row], *, markdown: bool) -> None:
    """Print the table."""
    for row in rows:
        cells = [row.model, row.samples]
        for found in (row.before, row.quantline):
            cells.append("; ".join(f"{scheme}: {text}" for scheme, text in found.items()))
        cells.append(row.stock)
        if markdown:
            print("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        else:
            print(f"{cells[0]} ({cells[1]})")
            for name, cell in zip(("before", "now", "stock"), cells[2:], strict=True):
                print(f"    {name:7} {cell}" if cell else "", end="\n" if cell else "")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="Folders below it, by name.")
    parser.add_argument("--before", type=Path, metavar="SRC")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json", type=Path, default=Path("build/cases.json"))
    arguments = parser.parse_args()

    rows = []
    for path, data in cases(arguments.folder):
        if arguments.only and not {*arguments.only} & {*path.parts}:
            continue
        rows.append(measured(arguments.folder, path, data, arguments.before))
        show(rows[-1:], markdown=arguments.markdown)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
