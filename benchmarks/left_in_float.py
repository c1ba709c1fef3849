"""List operators that each converter leaves in float in a hundred small models, and the reasons.

    python benchmarks/left_in_float.py [--json build/left_in_float.json] [--markdown]

Each model holds one operator that converters leave in float, or quantize with care, between a
convolution and a matrix product. TensorFlow's public converter is asked for integers only, with
int8 input and output, and Quantline for the scheme 'int8', from the same samples. All run in
another process, as native code may abort.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for the models, which tests own

from tests.contract.bodies import MODELS, SHAPE
from tests.contract.small_models import small

from quantline.contract import check_model, preflight, with_reasons
from quantline.errors import QuantlineError
from quantline.quiet import silenced_stderr, tensorflow
from quantline.tflite import Runtime, read

SCHEMES = (("int8", "tensorflow"), ("int16x8", "tensorflow"), ("int8", "litert"))


@dataclass(frozen=True)
class Row:
    """One model.

    Attributes:
        model: Its name.
        operator: The operator that it is about.
        float_operators: The operators of the float file.
        stock: What the public converter gave: ``integer``, ``error: ...`` or ``float: ...``.
        stock_runs: Whether LiteRT runs that.
        quantline: The same of Quantline, by scheme and back end.
        says: Why, for the scheme ``int8`` and the back end ``tensorflow``.
        remedy: What to write instead.
        predicted: Whether the check before calibration named the same operators.
    """

    model: str
    operator: str
    float_operators: list[str]
    stock: str
    stock_runs: bool
    quantline: dict[str, str]
    says: str
    remedy: str
    predicted: bool


def measure(name: str) -> Row:
    """Convert a model in every way."""
    model = small(name)
    before = read(model.float_tflite)
    content = stock(model)
    found = {
        f"{scheme} {backend}": quantline(model, scheme, backend) for scheme, backend in SCHEMES
    }
    ours = found["int8 tensorflow"]
    says, remedy, named = "", "", set()
    if isinstance(ours, bytes):
        recipe = {"scheme": "int8", "backend": "tensorflow"}
        report = with_reasons(check_model(read(ours)), before, read(ours), recipe)
        left = [finding for finding in report.findings if finding.rule == "integer.operator"
                and finding.type not in {"QUANTIZE", "DEQUANTIZE"}]  # fmt: skip
        says = "; ".join(dict.fromkeys(failure.found for failure in left))
        remedy = "; ".join(dict.fromkeys(finding.remedy or "" for finding in left))
        named = {operator.type for operator in left}
    said = preflight(before, "int8", "tensorflow")
    notes = [finding for finding in said if finding.rule.startswith("predicted.")]
    return Row(
        model=name,
        operator=MODELS[name][0],
        float_operators=[operator.type for operator in before.main.operators],
        stock=verdict(content),
        stock_runs=isinstance(content, bytes) and runs(content, model.samples[0]),
        quantline={key: verdict(value) for key, value in found.items()},
        says=says or "; ".join(note.found for note in notes),
        remedy=remedy or "; ".join(note.remedy or "" for note in notes),
        predicted=named
        == {finding.type for finding in said if finding.rule == "integer.predicted"},
    )


def stock(model: Any) -> bytes | str:
    """Ask TensorFlow's public converter for integers only."""
    tf = tensorflow()
    concrete = tf.function(model.function).get_concrete_function(tf.TensorSpec(SHAPE))
    with silenced_stderr():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample] for sample in model.samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        try:
            return bytes(converter.convert())
        except Exception as error:  # plain RuntimeError and ConverterError
            return str(error)


def quantline(model: Any, scheme: str, backend: str) -> bytes | str:
    """Quantize from the recorded ranges, whatever stays float."""
    from quantline.quantization import litert_backend, tensorflow_backend

    make = {"tensorflow": tensorflow_backend, "litert": litert_backend}[backend].quantize
    io_type = "int16" if scheme == "int16x8" else "int8"
    try:
        with silenced_stderr():
            return make(model.float_tflite, model.bounds(), scheme, io_type, io_type)
    except QuantlineError as error:
        return error.found


def verdict(made: bytes | str) -> str:
    """Say in a word or two what was made."""
    if isinstance(made, str):
        return f"error: {' '.join(made.split())[:120]}"
    left = [
        finding.type for finding in check_model(read(made)).findings if finding.breaks_integer_only
    ]
    kinds = dict.fromkeys(item for item in left if item not in {"QUANTIZE", "DEQUANTIZE"})
    return f"float: {', '.join(kinds)}" if left else "integer"


def runs(content: bytes, sample: Any) -> bool:
    """Return whether LiteRT loads and runs a model."""
    try:
        Runtime(content, 1).predict(sample)
    except (QuantlineError, RuntimeError):
        return False
    return True


def show(rows: list[Row], *, markdown: bool) -> None:
    """Print the table."""
    for row in rows:
        runs = "" if row.stock_runs or row.stock.startswith("error") else " (LiteRT cannot run it)"
        cells = [row.model, row.stock + runs,
                 *(row.quantline[f"{scheme} {backend}"] for scheme, backend in SCHEMES[1:]),
                 row.says or "integer-only", row.remedy]  # fmt: skip
        if markdown:
            print("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        else:
            print(f"{row.model:40} {row.operator:30} {row.stock + runs}")
            if row.says:
                print(f"{'':40} {row.says}. {row.remedy}")
    silent = sum(row.stock.startswith("float") for row in rows)
    broken = sum(row.stock == "integer" and not row.stock_runs for row in rows)
    print(
        f"\n{len(rows)} models: TensorFlow left {silent} in part float without an error, "
        f"{broken} became integers that LiteRT cannot run; what stays float was predicted for "
        f"{sum(row.predicted for row in rows)}."
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS),
                        metavar="NAME")  # fmt: skip
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json", type=Path, default=Path("build/left_in_float.json"))
    arguments = parser.parse_args()

    rows = []
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    for name in arguments.models:
        try:
            rows.append(pool.submit(measure, name).result())
        except BrokenProcessPool:
            print(f"\n{name}: native code ended the process", file=sys.stderr)
            pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        print(f"\r{len(rows)} of {len(arguments.models)}", end="", file=sys.stderr, flush=True)
    show(rows, markdown=arguments.markdown)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
