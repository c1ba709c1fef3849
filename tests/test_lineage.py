"""Results that were made from each other are used; all others are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from quantline.datasets import (
    BytesDataset,
    FolderDataset,
    JsonDataset,
    NpzDataset,
    ParquetDataset,
    ResultDataset,
)
from quantline.errors import MismatchError
from quantline.lineage import KEY, MadeFrom, Maker, check

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A chain like the real one: samples, ranges, a model with its recipe, a folder, scores, a verdict.
MAKERS = {
    "draw": Maker("draw", frozenset(), ("samples",)),
    "record": Maker("record", frozenset({"samples"}), ("ranges",)),
    "convert": Maker("convert", frozenset({"ranges"}), ("model", "recipe", "compiled")),
    "predict": Maker("predict", frozenset({"model", "samples"}), ("predictions",)),
    "judge": Maker("judge", frozenset({"model", "predictions"}), ("verdict",)),
}
BY_RESULT = {output: [maker] for maker in MAKERS.values() for output in maker.outputs}


class Chain:
    """Results in a folder, and the steps that write them."""

    def __init__(self, folder: Path) -> None:
        self.results: dict[str, ResultDataset] = {
            "samples": NpzDataset(filepath=str(folder / "samples.npz")),
            "ranges": JsonDataset(filepath=str(folder / "ranges.json")),
            "model": BytesDataset(filepath=str(folder / "model.tflite")),
            "recipe": JsonDataset(filepath=str(folder / "recipe.json")),
            "compiled": FolderDataset(filepath=str(folder / "compiled")),
            "predictions": ParquetDataset(filepath=str(folder / "predictions.parquet")),
            "verdict": JsonDataset(filepath=str(folder / "verdict.json")),
        }

    def make(self, step: str, number: int, **parameters: Any) -> None:
        """Write what a step writes; the number makes it other content."""
        maker = MAKERS[step]
        values: dict[str, Any] = {
            "samples": {"x": np.full(3, number)},
            "ranges": {"max": number},
            "model": f"model {number}".encode(),
            "recipe": {"scheme": number},
            "compiled": {"model.bin": f"{number}".encode()},
            "predictions": pa.table({"class": [number]}),
            "verdict": {"passed": True, "rules": {1: number, 10: number, 9: number}},
        }
        made = MadeFrom(
            inputs={name: str(self.results[name].sha256()) for name in maker.inputs},
            outputs={
                name: self.results[name].sha256_of(values[name])
                for name in maker.outputs
                if not self.results[name].has_statement
            },
            parameters=parameters,
        )
        for name in maker.outputs:
            self.results[name].made_from = made
            self.results[name].save(values[name])

    def check(self, *names: str) -> None:
        check(names, self.results.get, BY_RESULT)


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    monkeypatch.chdir(tmp_path)
    chain = Chain(tmp_path)
    for step in MAKERS:
        chain.make(step, 1)
    return chain


def test_results_that_were_made_from_each_other_pass(chain: Chain) -> None:
    chain.check(*chain.results)


@pytest.mark.parametrize("name", ["samples", "ranges", "recipe", "predictions", "verdict"])
def test_the_statement_is_not_part_of_the_value(chain: Chain, name: str) -> None:
    made = chain.results[name].read_made_from()
    assert made is not None
    assert set(made.inputs) == BY_RESULT[name][0].inputs
    value = chain.results[name].load()
    assert KEY not in (value.column_names if name == "predictions" else value)


def test_a_step_that_ran_again_from_other_parameters_needs_what_follows_it(chain: Chain) -> None:
    chain.make("convert", 2)
    with pytest.raises(MismatchError) as error:
        chain.check("verdict", "model")
    text = str(error.value)
    assert "'predictions.parquet' was not made from 'model.tflite' as it is now" in text
    assert "verdict.json" not in text, "it follows from the other"
    assert "Run the pipeline with `from_nodes=predict`" in text
    chain.make("predict", 2)
    with pytest.raises(MismatchError, match="from_nodes=judge`"):
        chain.check("verdict")
    chain.make("judge", 2)
    chain.check(*chain.results)


def test_what_comes_out_equal_from_other_parameters_is_the_same(chain: Chain) -> None:
    before = chain.results["samples"].filepath.read_bytes()
    for step in ("draw", "record", "convert"):
        chain.make(step, 1, timeout_s=5)
    chain.check(*chain.results)
    assert chain.results["samples"].filepath.read_bytes() == before
    made = chain.results["recipe"].read_made_from()
    assert made is not None
    assert made.parameters == {"timeout_s": 5}


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **values}))


def replace(name: str, content: bytes) -> Callable[[Chain], None]:
    def write(chain: Chain) -> None:
        chain.results[name].filepath.write_bytes(content)

    return write


@pytest.mark.parametrize(
    ("damage", "found", "node"),
    [
        (lambda chain: edit(chain.results["verdict"].filepath, passed=False),
         "'verdict.json' was changed after it was written", "judge"),
        (lambda chain: edit(chain.results["verdict"].filepath, **{KEY: None}),
         "'verdict.json' is damaged, or does not say", "judge"),
        (lambda chain: edit(chain.results["verdict"].filepath, **{KEY: {"inputs": {}}}),
         "'verdict.json' was written by another version of this step", "judge"),
        (lambda chain: edit(chain.results["verdict"].filepath, **{KEY: [1]}),
         "'verdict.json' is damaged", "judge"),
        (replace("verdict", b"[]"), "'verdict.json' is damaged", "judge"),
        (replace("verdict", b"{"), "'verdict.json' is damaged", "judge"),
        (replace("model", b"another"), "'model.tflite' is not the one that 'recipe.json' was",
         "convert"),
        (lambda chain: (chain.results["compiled"].filepath / "model.bin").write_bytes(b"other"),
         "'compiled' is not the one that 'recipe.json' was written with", "convert"),
        (replace("predictions", b"PAR1"), "'predictions.parquet' is damaged", "predict"),
        (replace("samples", b""), "'samples.npz' is damaged", "draw"),
        (lambda chain: chain.results["ranges"].filepath.unlink(),
         "'compiled' were not made from 'ranges.json' as it is now", "convert"),
    ],
)  # fmt: skip
def test_what_was_changed_is_named(chain: Chain, damage: Any, found: str, node: str) -> None:
    damage(chain)
    with pytest.raises(MismatchError) as error:
        chain.check(*chain.results)
    assert found in str(error.value)
    assert f"`from_nodes={node}`" in str(error.value)


def test_the_layout_of_json_does_not_matter(chain: Chain) -> None:
    path = chain.results["ranges"].filepath
    path.write_text(json.dumps(json.loads(path.read_bytes()), indent=4))
    chain.check(*chain.results)


def test_what_no_stage_wrote_is_left_alone(chain: Chain, tmp_path: Path) -> None:
    own = BytesDataset(filepath=str(tmp_path / "own.keras"))
    own.save(b"a trained model")
    check(["own"], {**chain.results, "own": own}.get, BY_RESULT)
