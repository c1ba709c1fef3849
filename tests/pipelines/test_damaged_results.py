"""Results that are not what a stage wrote: each is read or refused, and no node minds the rest.

benchmarks/results.py does the same many thousand times.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from benchmarks.chain import Chain
from benchmarks.result_mutants import mutants
from click.testing import CliRunner
from kedro.io import AbstractDataset, DatasetError

from quantline.commands import quantline
from quantline.datasets import BytesDataset, FolderDataset, TrainedModelDataset
from quantline.errors import ParameterError
from quantline.pipelines import report
from quantline.release.gate import structural

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
CATALOG = yaml.safe_load((ROOT / "conf/base/catalog.yml").read_text())
# What the chain writes; the report of a training is none of it.
CHECKED = [
    name
    for name, entry in CATALOG.items()
    if "schema" in entry and not name.startswith(("compared", "training"))
]
MUTANTS = int(os.environ.get("QUANTLINE_MUTANTS", "12"))  # of each result


@pytest.fixture(scope="module")
def chain(finished: Any) -> Iterator[Chain]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(finished.folder)
        patch.setattr(structural, "try_to_run", None)  # which the chain replaces
        patch.setattr(report, "draw_summary", lambda summary: b"")  # the picture alone takes long
        yield Chain(finished.folder)


PLAIN = (BytesDataset, FolderDataset, TrainedModelDataset)


def test_every_entry_but_plain_bytes_names_a_schema() -> None:
    plain = {f"quantline.datasets.{item.__name__}" for item in PLAIN}
    without = [name for name, entry in CATALOG.items()
               if entry["type"] not in plain and "schema" not in entry]  # fmt: skip
    assert without == []


def test_what_a_run_writes_fits_its_schemas(chain: Chain) -> None:
    assert {*chain.checked(), "release"} == set(CHECKED)
    for name in CHECKED:
        chain.catalog.load(name)


def test_a_schema_that_does_not_exist_is_refused_with_the_catalog() -> None:
    entry = {**CATALOG["manifest"], "schema": "manifst"}
    with pytest.raises(DatasetError) as caught:
        AbstractDataset.from_config("manifest", entry)
    assert isinstance(caught.value.__cause__, ParameterError)
    assert "Did you mean 'manifest'?" in str(caught.value.__cause__)


@pytest.mark.parametrize("name", CHECKED)
def test_a_damaged_result_is_read_or_refused(name: str, chain: Chain, tmp_path: Path) -> None:
    path = Path(chain.catalog[name].filepath)
    nodes = chain.readers(name, slow=False)
    found = [
        chain.attempt(name, content, tmp_path / path.name, nodes)
        for content in mutants(path.read_bytes(), path.suffix[1:], MUTANTS, seed=0)
    ]
    assert len(found) == MUTANTS
    assert "refused" in found


def test_the_ranges_command_reads_or_refuses(chain: Chain, tmp_path: Path) -> None:
    sound = Path("data/06_models/ranges.json").resolve()
    file = tmp_path / "ranges.json"
    statuses = set()
    for content in mutants(sound.read_bytes(), "json", 8 * MUTANTS, seed=1):
        file.write_bytes(content)
        for command in (
            ["ranges", str(file), "--method", "mse"],
            ["ranges", str(sound), "--compare", str(file), "--json"],
            ["merge", str(file), str(sound), "-o", str(tmp_path / "merged.json"), "--force"],
        ):
            result = CliRunner().invoke(quantline, command)
            assert result.exception is None or isinstance(result.exception, SystemExit), content
            assert result.exit_code in {0, 2}
            assert result.exit_code == 0 or result.stderr.startswith("Error: ")
            statuses.add(result.exit_code)
    assert statuses == {0, 2}
