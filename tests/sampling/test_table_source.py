"""Tables against the values that were written, and what is no such table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quantline import recipe
from quantline.errors import DataError
from quantline.sampling import open_source

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.sampling import Source

ROWS = "age,bmi,smokes,target\n30,21.5,true,1\n41,30.25,false,0\n52,27.0,true,1\n"


def opened(folder: Path, **table: Any) -> Source:
    return open_source(recipe.Dataset(source="table", data_dir=str(folder), table=table))


def all_of(source: Source, split: str) -> list[Any]:
    ids = {entry.id for entry in source.entries(split)}
    return list(source.examples(split, ids))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text(ROWS)
    columns = {"age": [30, 41, 52], "bmi": [21.5, 30.25, 27.0], "target": [1, 0, 1]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    return tmp_path


@pytest.mark.parametrize("file", ["a.csv", "a.parquet"])
def test_columns_are_a_vector_and_a_label(folder: Path, file: str) -> None:
    found = all_of(opened(folder, x=["bmi", "age"], y="target"), f"{file}[1:]")
    assert [example.id for example in found] == [f"{file}[1]", f"{file}[2]"]
    assert [example.label for example in found] == [0, 1]
    np.testing.assert_array_equal(found[0].value, [30.25, 41])
    assert found[0].sha256 != found[1].sha256


def test_inputs_by_name_and_labels_of_several_numbers(folder: Path) -> None:
    columns = {"body": ["bmi"], "person": ["age", "smokes"]}
    found = all_of(opened(folder, x=columns, y=["bmi", "age"]), "a.csv")
    np.testing.assert_array_equal(found[0].value["person"], [30, 1])
    assert found[0].value["person"].dtype.kind == "i"
    np.testing.assert_array_equal(found[0].label, np.float32([21.5, 30]))
    assert all_of(opened(folder, x=["age"]), "a.csv")[0].label is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"x": []}, "names no columns"),
        ({"x": ["agee"]}, "no column 'agee'.*Did you mean 'age'"),
        ({"x": ["age"], "y": "targets"}, "no column 'targets'"),
    ],
)
def test_columns_that_are_not_there(folder: Path, table: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        all_of(opened(folder, **table), "a.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("age\n1\n\n2,3\n", "cannot be read"),
        ("age\n1\ntwo\n", "not of numbers"),
        ("age,b\n1,1\n,2\n", "rows without a value.*row 1"),
        ("\x00\xff\n", "cannot be read|no column"),
    ],
)
def test_files_that_are_no_such_tables(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        all_of(opened(tmp_path, x=["age"]), "a.csv")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"b\.csv.*cannot be read"):
        all_of(opened(tmp_path, x=["age"]), "b.csv")
    (tmp_path / "b.parquet").write_bytes(b"PAR1" + bytes(20))
    with pytest.raises(DataError, match=r"b\.parquet.*cannot be read"):
        all_of(opened(tmp_path, x=["age"]), "b.parquet")
