"""A user's function as a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from quantline import recipe
from quantline.errors import DataError, ParameterError
from quantline.sampling import open_source

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.sampling import Source


def opened(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Source:
    name = f"own_{abs(hash(body))}"
    (folder / f"{name}.py").write_text(f"import numpy as np\ndef examples(split):\n{body}")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    return open_source(recipe.Dataset(source="function", function=f"{name}:examples"))


def test_it_yields_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = opened(
        tmp_path, monkeypatch,
        "    for at in range(3):\n"
        "        yield f'{split}-{at}', {'a': [at, 1], 'b': np.ones(2)}, at if at else [0.5]\n",
    )  # fmt: skip
    entries = list(source.entries("day"))
    assert [tuple(entry) for entry in entries] == [("day-0", None), ("day-1", 1), ("day-2", 2)]
    found = list(source.examples("day", {"day-0", "day-2"}))
    assert [example.id for example in found] == ["day-0", "day-2"]
    np.testing.assert_array_equal(found[1].value["a"], [2, 1])
    np.testing.assert_array_equal(found[0].label, [0.5])
    assert found[0].sha256 != found[1].sha256


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    return 3\n", "at example 1: TypeError"),
        ("    yield 'a', [1.0], 0\n    raise OSError('the disk is gone')\n",
         r"at example 2: OSError: the disk is gone \(own_\w+\.py, line 4\)"),
        ("    yield [1.0], 0\n", "at example 1: tuple"),
        ("    yield 7, [1.0], 0\n", "at example 1: tuple"),
        ("    yield 'a', ['b'], 0\n", "not numbers"),
        ("    yield 'a', [1.0], 'cat'\n", "not numbers"),
    ],
)  # fmt: skip
def test_what_it_may_not_yield(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        list(opened(tmp_path, monkeypatch, body).entries("day"))


def test_a_function_that_is_not_there() -> None:
    with pytest.raises(ParameterError, match="'no_such:thing' cannot be imported"):
        open_source(recipe.Dataset(source="function", function="no_such:thing"))
    with pytest.raises(ParameterError, match=r"dataset\.function must name one"):
        recipe.check(recipe.Dataset, {"source": "function"})
