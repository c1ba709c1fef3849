"""Each entry of a registry can be reached: by parameters, the command line and the docs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner
from scripts import make_tables
from tests.conftest import PROJECT

from quantline import recipe
from quantline.commands import quantline
from quantline.quantization.search import search_ways
from quantline.range_methods import METHODS, PARAMETERS
from quantline.registry import declared

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.range_methods import Method

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


def test_a_module_that_declares_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "lost.py").write_text("")
    with pytest.raises((TypeError, ModuleNotFoundError), match="lost"):
        declared("quantline.range_methods.*", [str(tmp_path)], int)  # type: ignore[type-var]
