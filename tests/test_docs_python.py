"""The examples of docs/python.md run, one after another, and its page names what is public."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import quantline as ql
from quantline import errors
from quantline.api.quantize import Options
from quantline.range_methods import PARAMETERS

if TYPE_CHECKING:
    import pytest

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "python.md").read_text()


def test_the_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)  # noqa: S102 - our own examples
    assert repr(names["result"]).startswith("QuantizationResult(int8, ")
    assert len(repr(names["result"])) < 100
    made = names["result"]
    golden = ql.Golden.load("my_int8.golden.npz")
    for value in (made.fidelity, made.float_model, names["prediction"], golden):
        assert len(repr(value)) < 160
        assert "\n" not in repr(value)
    assert Options.__annotations__.keys() >= PARAMETERS.keys()
    assert {"my_int8.tflite", "my_int8.json", "my_int8.golden.npz"} <= {
        path.name for path in tmp_path.iterdir()
    }
    assert "The argument `method` has a bad value\n" in capsys.readouterr().out
    # Recording all samples at once gives the same ranges as merging two halves.
    assert names["ranges"].samples == 64
    assert names["ranges"].tensors == names["result"].ranges.tensors


def test_the_page_draws_the_tree_of_errors() -> None:
    drawn = re.findall(r"^[│├└─ ]*([A-Z]\w+)(?: {2,}.*)?$", PAGE, re.MULTILINE)
    assert drawn == re.findall(r"^ +[│├└─ ]*([A-Z]\w+)(?: {2,}.*)?$", errors.__doc__ or "", re.M)


def test_every_function_is_on_the_page() -> None:
    functions = [name for name in ql.__all__ if name[0].islower()]
    assert [name for name in functions if f"ql.{name}(" not in PAGE] == []
