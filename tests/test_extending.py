"""The examples of docs/extending.md, added to a copy of the package and used from outside."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.conftest import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = re.compile(r"<!-- file: (?P<path>\S+) -->\n\n```\w+\n(?P<text>.*?)```", re.DOTALL)

USE = """
import json
from fractions import Fraction
import numpy as np
import pyarrow as pa
from click.testing import CliRunner
from quantline import recipe
from quantline.commands import quantline
from quantline.contract.targets import BUILT_IN, load
from quantline.evaluation import score
from quantline.evaluation.predict import SCHEMA
from quantline.quantization.search import search_ways
from quantline.ranges import RangeSet, TensorRange
from quantline.ranges.sketch import Sketch, codes
from quantline.release.gate.change import Compared, changes
from quantline.results.scores import Scores

def run(*words):
    done = CliRunner().invoke(quantline, words)
    assert done.exit_code == 0, done.output
    return done.output

# The method: by the command line, by the parameters, and among the candidates of auto.
values = np.random.default_rng(0).normal(2, 1, 20_000).astype(np.float32)
low, high = float(values.min()), float(values.max())
tensor = TensorRange(0, "x", low, high, 1, values.size, Fraction(low), Fraction(high),
                     sketch=Sketch.from_dense(np.bincount(codes(values))))
RangeSet((tensor,), 1, "ab" * 32, ("cd" * 32,), {}).save("ranges.json")
shown = run("ranges", "ranges.json", "--method", "mean_std", "--deviations", "2", "--json")
(row,) = json.loads(shown)["tensors"]
assert abs(row["chosen_min"]) < 0.05 and abs(row["chosen_max"] - 4) < 0.05, row
assert "--deviations" in " ".join(run("quantize", "--help").split())
ways = search_ways(recipe.Conversion(ranges={"method": "auto"}))
assert [str(way.method) for way in ways][-2:] == ["mean_std 3", "mean_std 4"]
assert recipe.check(recipe.Conversion, {"ranges": {"deviations": 2.5}}).ranges.deviations == 2.5

# The metric: scored, in the schema of results, and judged by its rule.
def table(confidence):
    columns = [[str(at) for at in range(400)], [0] * 400, [0] * 400,
               [int(at % 5 == 0) for at in range(400)], [confidence] * 400, [0.2] * 400]
    return pa.table(columns, schema=SCHEMA)
scores = score(table(0.9), 10)
assert abs(scores["ece"] - 0.1) < 1e-9 and scores["ece_low"] <= 0.1 <= scores["ece_high"]
assert Scores.model_validate(scores).ece == scores["ece"]
gate = recipe.check(recipe.Gate, {"against_float": {"ece_margin": 0.02}, "resamples": 200})
compared = Compared.of("the float model", table(0.8), table(0.9), gate)
(row,) = [row for row in changes("against_float", compared, gate.against_float)
          if row.rule == "against_float.ece_margin"]
assert row.outcome == "failed" and abs(row.value - 0.1) < 1e-9, row
assert compared.to_dict()["ece_change"]["value"] == row.value

# The task: by its name, scored, and judged by the margin that its metric declares.
import numpy as np
from quantline.evaluation.metrics import score_task
from quantline.evaluation.predict import make_table
from quantline.tasks import Output, Seen
graded = recipe.check(recipe.Task, {"kind": "grades"}).chosen()
bound = graded.bind([Output("grade", (1, 1), "logits")])
def graded_table(off):
    values = [np.full((1, 1), at % 5 + off * (at % 2)) for at in range(200)]
    rows = [(str(at), bound.row(Seen(str(at), at % 5, [], [value])))
            for at, value in enumerate(values)]
    return make_table(rows, bound, graded)
found = score_task(graded_table(1.0), graded, bound.about)
assert found["grades_off"] == 0.5 and found["exact"] == 0.5
changed = Compared.of("the float model", graded_table(0.0), graded_table(1.0), gate, graded)
(row,) = changes("against_float", changed, gate.against_float, graded)
assert (row.rule, row.outcome, row.value) == ("against_float.margins.grades_off", "failed", 0.5)
assert "grades" in " ".join(run("evaluate", "--help").split())

# The target: by its name, and in the help.
assert load("micro").size_limit == 262144
assert "micro" in run("validate", "--help")
"""


@pytest.fixture(scope="module")
def examples() -> dict[str, str]:
    text = (PROJECT / "docs/extending.md").read_text()
    return {match["path"]: match["text"] for match in EXAMPLE.finditer(text)}


def test_each_example_is_one_file_that_is_enough(examples: dict[str, str], tmp_path: Path) -> None:
    assert len(examples) == 4
    shutil.copytree(PROJECT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.pyc"))
    for path, text in examples.items():
        assert not (tmp_path / path).exists()
        (tmp_path / path).write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def test_examples_are_written_as_the_code_is(examples: dict[str, str]) -> None:
    for path, text in examples.items():
        if path.endswith(".py"):
            done = subprocess.run(
                ["ruff", "check", "--stdin-filename", path, "-"],
                cwd=PROJECT, input=text, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout
