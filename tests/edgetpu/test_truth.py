"""The verdict against what the real compiler did with other people's models.

The models lie beside the repository and are not part of it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quantline.edgetpu import Target, predict
from quantline.tflite.graph import read

PAIRS = Path(__file__).resolve().parents[2].parent / "shared" / "edgetpu_pairs"

DECIDED = (Target.EDGETPU, Target.CPU, Target.DEAD)

pytestmark = pytest.mark.skipif(
    not (PAIRS / "truth.json").exists(), reason=f"no compiled models in {PAIRS}"
)


@pytest.fixture(scope="module")
def truth():
    return json.loads((PAIRS / "truth.json").read_text())


def indices(report, target):
    return [each.index for each in report.operators if each.target is target]


def is_right(report, record):
    return (
        all(indices(report, target) == record[target] for target in DECIDED)
        and not report.unknown_operators
        and report.subgraphs == record["edgetpu_subgraphs"]
    )


@pytest.mark.parametrize("as_compiled", [False, True], ids=["newest runtime", "its own runtime"])
def test_every_operator_of_almost_every_model(truth, as_compiled):
    misses = []
    for record in truth:
        graph = read((PAIRS / record["model"]).read_bytes())
        versions = {"runtime_version": max(record["min_runtime"])} if as_compiled else {}
        if not is_right(predict(graph, **versions), record):
            misses.append(record["model"])
    assert len(misses) <= len(truth) // 20, f"{len(misses)} of {len(truth)} wrong: {misses}"


def test_compiled_files_are_read_as_the_compiler_left_them(truth):
    compiled = [record for record in truth if "compiled" in record]
    assert compiled
    for record in compiled:
        report = predict(read((PAIRS / record["compiled"]).read_bytes()))
        assert len(indices(report, Target.EDGETPU)) == record["edgetpu_subgraphs"]
        assert len(indices(report, Target.CPU)) == len(record["cpu"])
        assert report.unknown_operators == 0
