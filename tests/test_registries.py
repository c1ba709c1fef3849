"""Each entry of a registry can be reached: by parameters, the command line and the docs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

import pyarrow as pa
import pytest
import yaml
from click.testing import CliRunner
from scripts import make_tables
from tests.conftest import PROJECT

from quantline import recipe
from quantline.commands import quantline
from quantline.contract.targets import BUILT_IN
from quantline.evaluation import score
from quantline.evaluation.predict import SCHEMA
from quantline.metrics import METRICS, RULES
from quantline.quantization.schemes import SCHEMES
from quantline.quantization.search import search_ways
from quantline.range_methods import METHODS, PARAMETERS
from quantline.registry import declared
from quantline.release.gate.change import Compared, changes
from quantline.release.gate.growth import GROWTH_RULES
from quantline.results.scores import ComparedLatency, Scores
from quantline.sampling.lint import CHECKS
from quantline.tasks import TASKS

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.metrics import Metric
    from quantline.range_methods import Method
    from quantline.tasks import Task

CONF = PROJECT / "conf/base"


def help_of(command: str) -> str:
    done = CliRunner().invoke(quantline, [command, "--help"])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


@pytest.mark.parametrize("path", make_tables.files(), ids=lambda path: path.name)
def test_tables_are_as_the_registries_have_them(path: Path) -> None:
    """If not: python scripts/make_tables.py."""
    text = path.read_text()
    assert make_tables.filled(text) == text


def test_each_table_stands_somewhere() -> None:
    texts = (path.read_text() for path in make_tables.files())
    found = {name for text in texts for name in make_tables.tables_of(text)}
    assert found == set(make_tables.TABLES)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_range_method_is_a_parameter_an_option_and_a_candidate(method: Method) -> None:
    chosen = recipe.check(recipe.Ranges, {"method": method.name}, "ranges").chosen_method()
    assert chosen == method.with_values({})
    auto = [way.method for way in search_ways(recipe.Conversion(ranges={"method": "auto"}))]
    for values in method.candidates:
        assert method.with_values(values) in auto
    conf = yaml.safe_load((CONF / "parameters_conversion.yml").read_text())
    for command in ("quantize", "ranges"):
        text = help_of(command)
        assert method.name in text
        for parameter in method.parameters:
            assert f"--{parameter.name}" in text
            assert conf["conversion"]["ranges"][parameter.name] == parameter.default
            assert parameter.name in recipe.Override.model_fields
    assert PARAMETERS.keys() <= recipe.Ranges.model_fields.keys()
    assert f"`{method.name}`" in (PROJECT / "docs/ranges-and-schemes.md").read_text()


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_metric_is_scored_stored_shown_and_judged(metric: Metric) -> None:
    count = 8
    ids = [f"example {at}" for at in range(count)]
    right, wrong = (
        pa.table([ids, *([value] * count for value in (0, rank, rank, 0.9, rank + 0.1))],
                 schema=SCHEMA)
        for rank in (0, 6)
    )  # fmt: skip
    scores = score(right, 10)
    if metric.score is not None:
        assert metric.name in scores
        assert f"{metric.name}_low" in Scores.model_validate(scores).model_dump()
    if metric.rule is None:
        return
    parameter = metric.rule.parameter
    conf = yaml.safe_load((CONF / "parameters_gate.yml").read_text())["gate"]
    for section in ("against_float", "against_champion"):
        assert conf[section][parameter.name] == parameter.default
        on = recipe.check(recipe.Gate, {section: {parameter.name: parameter.type(1)}})
        compared = Compared.of("the float model", right, wrong, on)
        rows = changes(section, compared, getattr(on, section))
        assert f"{section}.{parameter.name}" in {row.rule for row in rows}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_task_is_a_parameter_an_option_and_on_its_page(task: Task) -> None:
    kind = "module:function" if task.name == "function" else task.name
    assert recipe.check(recipe.Task, {"kind": kind}).chosen().task is task
    assert f"`{kind}`" in (PROJECT / "docs/tasks.md").read_text()
    assert kind.partition(":")[0] in help_of("evaluate")
    conf = yaml.safe_load((CONF / "parameters_task.yml").read_text())["task"]
    assert {parameter.name for parameter in task.parameters} <= conf.keys()


def test_no_field_of_the_gate_is_without_a_rule() -> None:
    assert recipe.Change.model_fields.keys() == {*RULES, "margins"}
    assert recipe.ChampionChange.model_fields.keys() == {*RULES, "margins", *GROWTH_RULES}


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_target_is_in_the_help_and_on_the_page(name: str) -> None:
    assert (PROJECT / f"src/quantline/contract/targets/{name}.yml").is_file()
    assert name in help_of("validate")
    assert f"| `{name}` |" in (PROJECT / "docs/targets.md").read_text()


def test_a_scheme_is_a_parameter_an_option_and_is_compared() -> None:
    assert set(get_args(recipe.SchemeName)) == set(SCHEMES)
    assert set(ComparedLatency.model_fields) >= set(SCHEMES)
    text = help_of("quantize")
    assert all(name in text for name in SCHEMES)


def test_the_lint_has_the_findings_that_are_documented() -> None:
    """Names are read from the code: no set of examples makes all of them."""
    found = set()
    for path in (PROJECT / "src/quantline/sampling").glob("*.py"):
        found |= set(re.findall(r'Finding\(\s*"(\w+)"', path.read_text()))
    assert found <= CHECKS.keys()
    assert CHECKS.keys() - found <= {"nan", "inf"}  # made by one call


def test_a_module_that_declares_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "lost.py").write_text("")
    with pytest.raises((TypeError, ModuleNotFoundError), match="lost"):
        declared("quantline.range_methods.*", [str(tmp_path)], int)  # type: ignore[type-var]
