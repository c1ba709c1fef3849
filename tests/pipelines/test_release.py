"""Gate and release in the pipeline: a champion, its challengers, and what a scheduler sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from click.testing import CliRunner

from quantline.commands import quantline

OTHER_MODEL = "conversion.ranges.method=percentile,conversion.ranges.percentile=99.0"


def tell(*arguments: str) -> Any:
    """Give one of our commands in this process; return its JSON."""
    result = CliRunner().invoke(quantline, [*arguments, "--json"])
    return json.loads(result.stdout)


def test_the_first_model_that_passes_is_the_champion(released: Any) -> None:
    outcome = released.json("08_reporting/release.json")
    assert (outcome["outcome"], outcome["verdict"], outcome["version"]) == ("promoted", "passed", 1)
    champion = tell("champion")["champion"]
    (run,) = released.runs()
    assert champion["version"] == 1
    assert champion["aliases"] == ["champion"]
    assert champion["run_id"] == run.info.run_id == outcome["run_id"]
    name = "quantline.int8_model_sha256"
    assert champion["tags"][name] == run.data.tags[name]


def test_the_same_files_are_the_same_release(released: Any, give: Any) -> None:
    before = released.json("08_reporting/release.json")
    (released.folder / "data/08_reporting/release.json").unlink()
    assert give("--pipelines", "release")[0] == 0
    assert released.json("08_reporting/release.json") == before
    assert len(released.runs()) == 1


def test_a_refused_candidate_is_recorded_and_not_registered(released: Any, give: Any) -> None:
    command = f"cat > {released.folder}/told.json"
    status, paragraph = give(
        "--from-nodes", "judge_candidate",
        "--params", f"gate.absolute.int8_metrics.top1.min=1.01,release.notify=sh -c '{command}'",
    )  # fmt: skip
    assert status == 1
    assert paragraph.startswith("The candidate is refused, and 'model' stays as it is.")
    assert "absolute.int8_metrics.top1" in paragraph
    outcome = released.json("08_reporting/release.json")
    assert (outcome["outcome"], outcome["version"]) == ("refused", None)
    assert json.loads((released.folder / "told.json").read_bytes()) == outcome
    newest = released.runs()[0]
    assert newest.info.status == "FINISHED"
    assert newest.data.tags["quantline.verdict"] == "refused"
    assert tell("champion")["champion"]["version"] == 1
    rules = {row["rule"]: row for row in released.json("08_reporting/gate.json")["rules"]}
    assert rules["absolute.int8_metrics.top1"]["passed"] is False


def test_another_model_is_judged_against_the_champion_and_waits_for_approval(
    released: Any, give: Any
) -> None:
    status, line = give(
        "--from-nodes", "convert,fetch_champion",
        "--params", f"{OTHER_MODEL},release.promotion=after_approval",
    )  # fmt: skip
    assert status == 0, line
    assert released.json("08_reporting/release.json")["outcome"] == "waiting"
    gate = released.json("08_reporting/gate.json")
    assert gate["champion"] == "version 1"
    assert {"against_champion.top1_margin_points", "against_champion.size_growth"} <= {
        row["rule"] for row in gate["rules"] if row["passed"]
    }
    assert gate["range_drift"]["tensors"], "both were quantized with recorded ranges"
    told = tell("champion")
    assert (told["champion"]["version"], told["challenger"]["version"]) == (1, 2)

    assert tell("promote")["champion"]["version"] == 2
    back = tell("rollback", "--reason", "too bold")
    assert (back["champion"]["version"], back["rolled_back"]["version"]) == (1, 2)
    status, paragraph = give("--pipelines", "release")
    assert status == 2
    assert "was rolled back" in paragraph
    assert "too bold" in paragraph


def test_the_model_that_is_out_already_is_not_registered_again(released: Any, give: Any) -> None:
    status, line = give("--from-nodes", "fetch_champion")
    assert status == 0, line
    outcome = released.json("08_reporting/release.json")
    assert (outcome["outcome"], outcome["version"]) == ("unchanged", 1)
    assert len(released.runs()) == 2
    files = {path.name for path in (released.folder / "data/06_models/champion").iterdir()}
    assert {"champion.json", "int8.tflite", "ranges.json"} <= files


def test_on_other_examples_the_champion_is_evaluated_anew(released: Any, give: Any) -> None:
    params = ("--params", "sampling.evaluation.examples=100")
    status, line = give("--to-nodes", "compare_models,fetch_champion", *params)
    assert status == 0, line
    before = released.folder / "data/06_models/champion/int8_predictions.parquet"
    assert pq.read_table(before).num_rows == 120
    status, line = give(
        "--from-nodes", "predict_champion", "--to-nodes", "predict_champion", *params
    )
    assert status == 0, line
    manifest = released.json("03_primary/manifest.json")
    anew = pq.read_table(released.folder / "data/07_model_output/champion_predictions.parquet")
    assert sorted(anew["id"].to_pylist()) == sorted(
        example["id"] for example in manifest["evaluation"]["examples"]
    )
    own = pq.read_table(released.folder / "data/07_model_output/int8_predictions.parquet")
    assert anew.equals(own), "champion and candidate are the same model"


def test_a_champion_whose_run_was_deleted_is_named(released: Any, give: Any) -> None:
    kept = Path(released.runs()[0].info.artifact_uri.removeprefix("file://"))
    gone = kept.rename(kept.with_name("gone"))
    try:
        status, paragraph = give("--pipelines", "champion")
    finally:
        gone.rename(kept)  # it is the finished project's
    assert status == 2
    assert "The champion of 'model', version 1, is not complete" in paragraph
    assert "no int8.tflite" in paragraph
