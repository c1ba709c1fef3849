"""The check before a release: cheap results are computed again from the bytes to be released.

A verdict is a file, and files can be replaced. So hashes, structural rules, golden vectors, scores
and the verdict itself are computed once more, and the predictions of some examples are too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.contract import check_against_recipe, golden
from quantline.contract.targets import check_target, load
from quantline.contract.vectors import Golden
from quantline.errors import ResultError, first_few
from quantline.evaluation import compare
from quantline.evaluation.metrics import score_task
from quantline.evaluation.paired import per_class
from quantline.evaluation.predict import CLASSIFICATION, Model, run_task
from quantline.files import sha256
from quantline.release.gate.candidate import JUDGED, REPORTS, judge_candidate
from quantline.sampling import stream
from quantline.tflite import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from quantline import recipe
    from quantline.tasks import ChosenTask

# What is compared with what is computed again, besides what the gate judges by.
CHECKED = tuple(dict.fromkeys((*JUDGED, *REPORTS, "gate", "golden_vectors", "float_model",
                               "float_import")))  # fmt: skip
EXAMPLES = 64
# Predictions made on another machine may differ where two classes are all but equal: kernels of
# LiteRT differ by a few steps. Those of another model differ by far more.
_OTHER_SHARE = 0.05
_CLOSE = 1e-6
_NEAR = 0.05


def recheck(
    results: Mapping[str, Any],
    rules: recipe.Gate,
    validation: recipe.Validation,
    dataset: recipe.Dataset,
    task: ChosenTask,
) -> None:
    """Compute again what a verdict rests on, and compare.

    Args:
        results: The value of each of ``CHECKED``, by its name in the catalog.
        rules: The rules that the candidate must keep now.
        validation: The target that it must keep now.
        dataset: Where the examples are.
        task: The meaning of the models' outputs.

    Raises:
        ResultError: Something comes out otherwise than the results say.
        CheckFailed: The model does not give the outputs of its golden vectors.
        QuantlineError: The examples, the model or a result cannot be read.
    """
    model: bytes = results["int8_model"]
    _check_hashes(results)
    _require_equal("integer_only.json", "check_tensors", results["integer_only"],
                   _structure(model, results["recipe"], validation))  # fmt: skip
    vectors = Golden.from_arrays(results["golden_vectors"])
    golden.enforce(vectors, golden.check(model, vectors))
    _check_scores(results, task)
    _check_predictions(model, results, dataset, task)
    gate = results["gate"]
    judged = judge_candidate(results, rules, task)
    outcomes = {row["rule"]: row["outcome"] for row in judged["rules"]}
    recorded = {row["rule"]: row["outcome"] for row in gate["rules"]}
    _require_equal("gate.json", "judge_candidate", recorded, outcomes, complete=True)
    wanted = {name: judged[name] for name in ("verdict", "model", "champion_version")}
    _require_equal("gate.json", "judge_candidate", gate, wanted)


def _check_hashes(results: Mapping[str, Any]) -> None:
    made, ranges = results["recipe"], results["ranges"]
    float_model, int8_model = (sha256(results[name]) for name in ("float_model", "int8_model"))
    wanted = {"float_model_sha256": float_model, "int8_model_sha256": int8_model}
    _require_equal("recipe.json", "convert", made, wanted)
    only = {"float_model_sha256": float_model}
    _require_equal("ranges.json", "record_ranges", ranges, only)
    _require_equal("float_import.json", "import_model", results["float_import"], only)
    calibrated = results["manifest"]["calibration"]["sha256"]
    if calibrated not in ranges["samples_sha256"]:
        recorded = first_few([digest[:12] for digest in ranges["samples_sha256"]])
        found = f"ranges of the samples {recorded}"
        raise _other("ranges.json", "record_ranges", found, f"those of {calibrated[:12]}")


def _structure(
    model: bytes, made: Mapping[str, Any], validation: recipe.Validation
) -> dict[str, Any]:
    """Return the report of the structural rules on the model."""
    graph = read(model, "the int8 model")
    report = check_against_recipe(graph, made)
    if validation.target is not None:
        report = check_target(report, graph, load(validation.target), len(model))
    kept = ("integer_only", "target", "operators", "float_operators", "tensors",
            "integer_tensors", "input_types", "output_types")  # fmt: skip
    found = report.to_dict()
    return {name: found[name] for name in kept}


def _check_scores(results: Mapping[str, Any], task: ChosenTask) -> None:
    first, second = results["float_predictions"], results["int8_predictions"]
    for name, node, table, model in (
        ("float_metrics", "predict_float", first, results["float_model"]),
        ("int8_metrics", "predict_int8", second, results["int8_model"]),
    ):
        about = task.bind(Model(model, threads=1).outputs).about
        scores = score_task(table, task, about)
        wanted = {**scores, "size_bytes": len(model)}
        _require_equal(f"{name}.json", node, results[name], wanted)
    wanted = {
        **compare(first, second, task),
        "size_ratio": len(results["float_model"]) / len(results["int8_model"]),
        "per_class": per_class(first, second),
    }
    _require_equal("comparison.json", "compare_models", results["comparison"], wanted)


def _check_predictions(
    model: bytes, results: Mapping[str, Any], dataset: recipe.Dataset, task: ChosenTask
) -> None:
    """Predict some examples again; which ones follows from the model's bytes."""
    manifest, name = results["manifest"], sha256(model)
    part = manifest["evaluation"]
    chosen = sorted(part["examples"], key=lambda row: sha256(f"{name}:{row['id']}".encode()))
    chosen = chosen[:EXAMPLES]
    fewer = {**manifest, "evaluation": {**part, "examples": chosen}}
    samples = stream(dataset, fewer, "evaluation")
    again, _ = run_task(model, samples, task, results["float_model"])
    said, found = (_compared_rows(table, task) for table in (results["int8_predictions"], again))
    others = [example for example, row in found.items() if not _is_near(said.get(example), row)]
    if len(others) > math.ceil(_OTHER_SHARE * len(chosen)):
        raise _other(
            "int8_predictions.parquet",
            "predict_int8",
            f"other predictions for {len(others)} of {len(chosen)} examples, such as "
            f"{first_few(others, 3)}",
            "the predictions of the model that is to be released",
        )


def _compared_rows(predictions: pa.Table, task: ChosenTask) -> dict[str, Any]:
    """Return what is compared of each example: of a classifier its class, else the whole row."""
    own = ["id", "prediction"] if task.name == CLASSIFICATION.name else predictions.column_names
    return {row.pop("id"): row for row in predictions.select(own).to_pylist()}


def _is_near(one: Any, other: Any) -> bool:
    """Return True if two rows are equal up to a few steps of another kernel's rounding."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_near(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        pairs = np.array(one, float), np.array(other, float)
        return len(one) == len(other) and bool(
            np.abs(pairs[0] - pairs[1]).sum() <= _NEAR * max(1.0, np.abs(pairs[1]).sum())
        )
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_NEAR, abs_tol=_NEAR)
    return bool(one == other)


def _require_equal(
    file: str,
    node: str,
    recorded: Mapping[str, Any],
    computed: Mapping[str, Any],
    *,
    complete: bool = False,
) -> None:
    """Check that a result equals what was computed again; with ``complete``, in all its keys."""
    names = recorded.keys() | computed.keys() if complete else computed.keys()
    for name in sorted(names):
        one, other = recorded.get(name), computed.get(name)
        if not _is_close(one, other):
            raise _other(file, node, f"{name}: {one!r:.80}", f"{other!r:.80}")


def _is_close(one: Any, other: Any) -> bool:
    """Return True if two values are equal up to the rounding of another version of numpy."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_close(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_is_close, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_CLOSE, abs_tol=_CLOSE)
    return type(one) is type(other) and bool(one == other)


def _other(file: str, node: str, found: str, expected: str) -> ResultError:
    return ResultError(
        "The verdict is not that of the model that is to be released",
        found=f"in {file}: {found}",
        expected=f"{expected}, as computed again from the model, the predictions and the rules",
        remedy=f"Run the pipeline with `from_nodes={node}`: it makes the result again, and all "
        "that follows",
    )
