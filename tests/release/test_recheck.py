"""The check before a release finds whatever does not come from the model's own bytes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from kedro.io import DataCatalog
from tests.pipelines.conftest import finished, tiny

from quantline import recipe
from quantline.contract import golden
from quantline.contract.vectors import Golden
from quantline.errors import CheckFailed, QuantlineError, ResultError
from quantline.files import sha256
from quantline.release.recheck import CHECKED, recheck
from quantline.tflite.edit import pack
from quantline.tflite.graph import parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["finished", "tiny"]

Results = dict[str, Any]


@pytest.fixture(scope="module")
def loaded(finished: Any) -> Results:
    """What the stages of a finished run wrote."""
    text = (finished.folder / "conf/base/catalog.yml").read_text()
    entries = {name: entry for name, entry in yaml.safe_load(text).items() if "{" not in name}
    for entry in entries.values():
        entry["filepath"] = str(finished.folder / entry["filepath"])
    catalog = DataCatalog.from_config(entries)
    return {name: catalog.load(name) for name in CHECKED}


@pytest.fixture
def check(finished: Any, loaded: Results) -> Callable[..., None]:
    """Check the results, with some replaced."""
    parameters = finished.parameters()
    data_dir = str(finished.folder / "data/01_raw")
    dataset = recipe.check(recipe.Dataset, {**parameters["dataset"], "data_dir": data_dir})
    base = yaml.safe_load((finished.folder / "conf/base/parameters_gate.yml").read_text())["gate"]
    own = parameters["gate"]
    rules = {
        **base,
        "absolute": own["absolute"],
        **{key: {**base[key], **own[key]} for key in ("against_float", "against_champion")},
    }

    def run(**replaced: Any) -> None:
        recheck(
            {**loaded, **replaced},
            recipe.check(recipe.Gate, rules),
            recipe.Validation(),
            dataset,
            recipe.Task().chosen(),
        )

    return run


def test_what_the_stages_wrote_passes(check: Callable[..., None]) -> None:
    check()


def changed(value: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {**value, **values}


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("int8_metrics", {"top1": 0.9999}, "in int8_metrics.json: top1: 0.9999"),
        ("int8_metrics", {"size_bytes": 5}, "in int8_metrics.json: size_bytes: 5"),
        ("float_metrics", {"loss": 0.0}, "in float_metrics.json: loss: 0.0"),
        ("comparison", {"agreement": 0.5}, "in comparison.json"),
        ("comparison", {"size_ratio": 4.0}, "in comparison.json: size_ratio: 4.0"),
        ("integer_only", {"integer_only": False}, "in integer_only.json: integer_only: False"),
        ("integer_only", {"float_operators": 3}, "in integer_only.json: float_operators: 3"),
        ("integer_only", {"target": None}, "in integer_only.json: target: None"),
        ("recipe", {"int8_model_sha256": "0" * 64}, "in recipe.json: int8_model_sha256"),
        ("recipe", {"float_model_sha256": "0" * 64}, "in recipe.json: float_model_sha256"),
        ("float_import", {"float_model_sha256": "0" * 64}, "in float_import.json"),
        ("ranges", {"float_model_sha256": "0" * 64}, "in ranges.json"),
        ("ranges", {"samples_sha256": ["0" * 64]}, "in ranges.json: ranges of the samples 0000"),
        ("gate", {"verdict": "refused"}, "in gate.json: verdict: 'refused'"),
        ("gate", {"rules": []}, "in gate.json"),
        ("gate", {"champion_version": 7}, "in gate.json: champion_version: 7"),
    ],
)
def test_what_was_forged_is_named(
    check: Callable[..., None], loaded: Results, name: str, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(ResultError) as error:
        check(**{name: changed(loaded[name], **values)})
    assert said in str(error.value)
    assert "`from_nodes=" in error.value.remedy
    assert error.value.exit_status == 2  # nothing is known against the model


def test_predictions_of_another_model_are_found_out(
    check: Callable[..., None], loaded: Results
) -> None:
    """Scores, comparison and verdict of these predictions are consistent: only the model is not."""
    table = loaded["int8_predictions"]
    shifted = pa.array((table["prediction"].to_numpy() + 1) % 4)
    forged = table.set_column(table.column_names.index("prediction"), "prediction", shifted)
    forged_comparison = changed(
        loaded["comparison"], **compare_as_the_stage_does(loaded["float_predictions"], forged)
    )
    with pytest.raises(ResultError) as error:
        check(int8_predictions=forged, comparison=forged_comparison)
    assert "other predictions for 64 of 64 examples" in error.value.found


def compare_as_the_stage_does(first: pa.Table, second: pa.Table) -> Results:
    from quantline.evaluation import compare

    return compare(first, second)


def test_a_few_predictions_of_another_machine_are_let_pass(
    check: Callable[..., None], loaded: Results
) -> None:
    table = loaded["int8_predictions"]
    other = table["prediction"].to_numpy().copy()
    model = sha256(loaded["int8_model"])
    ids = table["id"].to_pylist()
    first = min(range(len(ids)), key=lambda row: sha256(f"{model}:{ids[row]}".encode()))
    other[first] = (other[first] + 1) % 4
    forged = table.set_column(table.column_names.index("prediction"), "prediction",
                              pa.array(other))  # fmt: skip
    comparison = compare_as_the_stage_does(loaded["float_predictions"], forged)
    check(int8_predictions=forged, comparison=changed(loaded["comparison"], **comparison))


def test_another_model_is_found_out(check: Callable[..., None], loaded: Results) -> None:
    model = parse(loaded["int8_model"])
    model.description = "another"
    other = pack(model, len(loaded["int8_model"]) + 1024)
    with pytest.raises(ResultError, match=r"in recipe\.json"):
        check(int8_model=other)


def test_golden_vectors_are_run_again(check: Callable[..., None], loaded: Results) -> None:
    kept = Golden.from_arrays(loaded["golden_vectors"])
    first = kept.vectors[0]
    wrong = {name: np.flip(value + 1) for name, value in first.outputs.items()}
    vectors = (dataclasses.replace(first, outputs=wrong), *kept.vectors[1:])
    forged = dataclasses.replace(kept, vectors=vectors)
    assert golden.check(loaded["int8_model"], forged)
    with pytest.raises(CheckFailed):
        check(golden_vectors=forged.arrays())


def test_examples_that_are_gone_are_an_error(
    check: Callable[..., None], loaded: Results, tmp_path: Path
) -> None:
    rows = [dict(row) for row in loaded["manifest"]["evaluation"]["examples"]]
    for row in rows:
        row["sha256"] = "0" * 64
    part = {**loaded["manifest"]["evaluation"], "examples": rows}
    with pytest.raises(QuantlineError, match="does not fit the dataset"):
        check(manifest={**loaded["manifest"], "evaluation": part})
