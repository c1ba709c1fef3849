"""The public names of the package: lazy, complete, and known to type checkers."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import quantline as ql
from quantline import errors


def test_each_public_name_is_there() -> None:
    assert sorted(dir(ql)) == sorted(ql.__all__)
    for name in ql.__all__:
        assert getattr(ql, name) is not None


def test_type_checkers_see_the_names_that_are_there() -> None:
    """The imports for type checkers and the table that loads names are two lists of one thing."""
    tree = ast.parse(Path(str(ql.__file__)).read_text())
    (block,) = (
        node for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )  # fmt: skip
    seen = {}
    for statement in block.body:
        assert isinstance(statement, ast.ImportFrom)
        for alias in statement.names:
            seen[alias.asname or alias.name] = (statement.module, alias.name)
    assert {*seen, "__version__"} == {*ql.__all__}
    for name, (module, original) in seen.items():
        found = getattr(ql, name)
        assert (found.__module__, found.__name__) == (module, original)


def test_every_error_is_public() -> None:
    classes = {
        name for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.QuantlineError)
    }  # fmt: skip
    assert classes <= {*ql.__all__}


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        ql.quantise  # noqa: B018
