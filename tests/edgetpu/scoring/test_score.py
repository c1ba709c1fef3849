"""The predictor's score: counted by hand on a small folder, and on other people's models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.edgetpu import pairs, programs
from tests.edgetpu.compiling import compiled, file

from quantline.edgetpu.cost.memory import Fit, Memory
from quantline.edgetpu.mapping.verdict import OperatorVerdict
from quantline.edgetpu.scoring.score import Miss, ModelScore, Score, score
from quantline.edgetpu.scoring.truth import Truth
from quantline.edgetpu.vocabulary import Evidence, Placement, Provenance, Status
from quantline.errors import ModelError, ParameterError

if TYPE_CHECKING:
    from pathlib import Path


def chain(model: Any, *kinds: str) -> Any:
    """Operators in a row, and a dense layer of 64x64 last."""
    at = model.tensor(1, 64)
    for kind in kinds:
        at = model.unary(kind, at)
    output = model.tensor(1, 64)
    model.add("FULLY_CONNECTED", [at, model.weights(64, 64)], [output])
    return model.graph(output)


# A block of 64 outputs, of 64 weights each; see docs on the parameter layout.
DENSE_BYTES = 64 * 64


@pytest.fixture
def folder(tmp_path: Path, model: Any) -> Path:
    """Three models of the same four operators, compiled in three ways, and a damaged one."""
    graph = chain(model, "RELU", "FLOOR", "TANH")
    ways = {
        "as_predicted": ([{0}], 0),  # FLOOR is not in the table, and splits the model
        "all": ([{0, 1, 2, 3}], 2 * DENSE_BYTES),
        "both_ends": ([{0}, {2, 3}], DENSE_BYTES),
    }
    for name, (groups, size) in ways.items():
        (tmp_path / f"{name}.tflite").write_bytes(file(graph))
        result = compiled(graph, *groups, program=programs.pair(size // len(groups)))
        (tmp_path / f"{name}_edgetpu.tflite").write_bytes(file(result))
    (tmp_path / "damaged.tflite").write_bytes(file(graph)[:-8])
    (tmp_path / "damaged_edgetpu.tflite").write_bytes(file(graph))
    return tmp_path


def by_name(found: Score) -> dict[str, Any]:
    return {other.model.removesuffix(".tflite"): other for other in found.models}


def test_operators_and_subgraphs_are_counted(folder: Path) -> None:
    found = by_name(score(folder))
    assert list(found) == ["all", "as_predicted", "both_ends"]
    exact, all_mapped, both = found["as_predicted"], found["all"], found["both_ends"]
    assert (exact.operators, exact.right, exact.unknown, exact.is_exact) == (4, 4, 0, True)
    assert (all_mapped.right, all_mapped.is_exact) == (1, False)
    missed = [(e.predicted.index, e.predicted.target, e.actual) for e in all_mapped.misses]
    assert missed == [(index, Placement.CPU, Placement.EDGETPU) for index in (1, 2, 3)]
    # Two subgraphs can only come of '--enable_multiple_subgraphs', and so are predicted with it.
    assert (both.multiple_subgraphs, both.subgraphs, both.is_exact) == (True, 2, True)


def test_bytes_are_compared(folder: Path) -> None:
    found = by_name(score(folder))
    assert found["both_ends"].memory.parameter_bytes == DENSE_BYTES
    assert found["both_ends"].parameter_error == 0
    assert found["all"].parameter_error == -1  # 0 predicted
    assert found["as_predicted"].parameter_error is None  # there are none
    assert score(folder).parameter_errors == ()  # none has 100 KB


def test_the_runtime_is_the_compiled_model_s_own(folder: Path) -> None:
    assert {model.runtime_version for model in score(folder).models} == {13}
    assert {model.runtime_version for model in score(folder, 10).models} == {10}


def test_one_unreadable_pair_does_not_stop_the_rest(folder: Path) -> None:
    (unscored,) = score(folder).unscored
    assert unscored.model == "damaged.tflite"
    assert unscored.why.startswith("'damaged.tflite' is a damaged .tflite file: ")


def test_a_runtime_without_rules_is_one_unreadable_pair(tmp_path: Path, model: Any) -> None:
    graph = chain(model, "RELU")
    for version in (14, 15):
        program = programs.custom_options(
            programs.package(programs.executable(programs.STAND_ALONE), min_runtime_version=version)
        )
        name = f"for_{version}"
        (tmp_path / f"{name}.tflite").write_bytes(file(graph))
        result = file(compiled(graph, {0, 1}, program=program))
        (tmp_path / f"{name}_edgetpu.tflite").write_bytes(result)
    found = score(tmp_path)
    assert [other.model for other in found.models] == ["for_14.tflite"]
    assert "'for_15_edgetpu.tflite' asks for Edge TPU runtime 15" in found.unscored[0].why
    assert len(score(tmp_path, 14).models) == 2


def test_a_runtime_that_is_not_there_is_a_mistake(folder: Path) -> None:
    with pytest.raises(ParameterError):
        score(folder, 9)


def test_totals_are_over_all_models(folder: Path) -> None:
    told = json.loads(json.dumps(score(folder).to_dict()))
    assert told["totals"] == {
        "models": 3,
        "models_exact": 2,
        "operators": 12,
        "operators_right": 9,
        "operators_unknown": 0,
        "unknown_share": 0.0,
        "parameter_models": 0,
        "parameter_error_median": None,
        "parameter_error_p90": None,
        "parameter_error_worst": None,
        "parameter_unknown": 0,
        "parameter_bounds_models": 3,
        "parameter_bounds_right": 2,
        "streamed_models": 3,
        "streamed_right": 3,
    }
    first = told["models"][0]
    assert (first["model"], first["truth"], first["exact"]) == (
        "all.tflite",
        "all_edgetpu.tflite",
        False,
    )
    assert first["subgraphs"] == {"predicted": 1, "true": 1}
    assert first["parameter_bytes"] == {
        "error": -1.0, "high": 0, "low": 0, "predicted": 0, "true": 2 * DENSE_BYTES,
    }  # fmt: skip
    assert first["streamed_bytes"] == {"predicted": 0, "true": 0}
    assert first["misses"][0]["type"] == "FLOOR"
    assert first["misses"][0]["actual"] == "edgetpu"
    assert told["evidence"] == {"predicted": "predicted", "truth": "parsed"}
    assert told["unscored"][0]["model"] == "damaged.tflite"


def memory(predicted: int | None, low: int, high: int) -> Memory:
    """Parameters, of which nothing is streamed."""
    streamed = None if predicted is None else 0
    return Memory(
        predicted, low, high, predicted, streamed, 0, 0, None, Fit.FITS, Evidence.PREDICTED, ""
    )


def scored(true: int | None, predicted: int, *targets: Placement) -> ModelScore:
    """A model of as many CPU operators as were predicted."""
    verdicts = [
        OperatorVerdict(at, "ADD", "", value, Status.UNSEEN, "a rule", Provenance.PARSED)
        for at, value in enumerate(targets)
    ]
    truth = Truth("x", (Placement.CPU,) * len(targets), 0, true, None, None)
    misses = tuple(
        Miss(verdict, Placement.CPU) for verdict in verdicts if verdict.target is not Placement.CPU
    )
    size = memory(predicted, predicted, predicted)
    return ModelScore("x", truth, 14, False, len(targets), misses, 0, size)


def test_errors_are_those_of_models_above_100_kb() -> None:
    sizes = ((200_000, 201_000), (200_000, 198_000), (200_000, 240_000), (100_000, 1), (None, 1))
    found = Score(tuple(scored(*size) for size in sizes), ())
    assert found.parameter_errors == pytest.approx((0.005, 0.01, 0.2))
    assert found.totals()["parameter_error_median"] == pytest.approx(0.01)
    # The 90th percentile of three lies eight tenths of the way from the second to the third.
    assert found.totals()["parameter_error_p90"] == pytest.approx(0.01 + 0.8 * 0.19)


def test_what_is_unknown_has_no_error_and_is_counted() -> None:
    truths = [Truth("x", (), 0, size, 0, None) for size in (200_000, 200_000, 50_000)]
    sizes = [memory(None, 100_000, 300_000), memory(200_000, 190_000, 199_000), memory(None, 0, 1)]
    found = Score(
        tuple(
            ModelScore("x", truth, 14, False, 0, (), 0, size)
            for truth, size in zip(truths, sizes, strict=True)
        ),
        (),
    )
    totals = found.totals()
    assert (totals["parameter_models"], totals["parameter_unknown"]) == (1, 1)
    assert (totals["parameter_error_worst"], totals["parameter_bounds_right"]) == (0.0, 1)
    assert (totals["streamed_models"], totals["streamed_right"]) == (1, 1)


def test_an_unknown_operator_is_neither_right_nor_left_out() -> None:
    found = scored(None, 0, Placement.CPU, Placement.UNKNOWN, Placement.EDGETPU, Placement.UNKNOWN)
    assert (found.right, found.unknown, len(found.misses)) == (1, 2, 3)
    assert Score((found,), ()).totals()["unknown_share"] == 0.5


def test_where_nothing_can_be_scored_all_is_told(folder: Path) -> None:
    for path in folder.glob("*_edgetpu.tflite"):
        path.unlink()
    with pytest.raises(ModelError) as caught:
        score(folder)
    assert "all.tflite: there is no 'all_edgetpu.tflite' next to it" in caught.value.found


@pairs.all_needed
@pytest.mark.parametrize("folder", pairs.FOLDERS, ids=lambda item: item.name)
def test_almost_all_of_other_people_s_models_are_exact(folder: Path) -> None:
    found = score(folder)
    assert found.unscored == ()
    totals = found.totals()
    assert totals["models"] == len(pairs.truth(folder))
    missed = [other.model for other in found.models if not other.is_exact]
    assert len(missed) <= totals["models"] // 40, missed
    assert totals["unknown_share"] <= 0.02
    assert totals["parameter_models"] >= 14
    assert totals["parameter_unknown"] <= 1
    assert totals["parameter_error_median"] <= 0.01
    assert totals["parameter_error_p90"] <= 0.06
    assert totals["parameter_error_worst"] <= 0.3
    assert totals["parameter_bounds_right"] == totals["models"]


@pairs.needed
def test_the_newest_runtime_maps_no_less() -> None:
    assert score(pairs.PAIRS, 14).totals()["models_exact"] == len(pairs.truth())
