"""Where a folder says what the compiler did, and what can be wrong with that."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.edgetpu import programs
from tests.edgetpu.compiling import compiled, file

from quantline.edgetpu.scoring.truth import Truth, find_cases, read_case
from quantline.edgetpu.vocabulary import Placement
from quantline.errors import MismatchError, ModelError, ModelUnreadable

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.tflite.graph import Graph

RECORD: dict[str, Any] = {
    "model": "a.tflite", "edgetpu": [0, 2], "cpu": [1], "dead": [], "edgetpu_subgraphs": 2,
    "min_runtime": [13, 12], "on_chip_cached_parameter_bytes": 64, "streamed_parameter_bytes": 8,
}  # fmt: skip


@pytest.fixture
def chain(model: Any) -> Graph:
    """RELU, FLOOR, RELU."""
    at = model.tensor(1, 8)
    for kind in ("RELU", "FLOOR", "RELU"):
        at = model.unary(kind, at)
    return model.graph(at)


def recorded(folder: Path, graph: Graph, **changes: Any) -> Path:
    """A folder of one model and its record; a change to None leaves the key out."""
    (folder / "a.tflite").write_bytes(file(graph))
    record = {key: value for key, value in (RECORD | changes).items() if value is not None}
    (folder / "truth.json").write_text(json.dumps([record]))
    return folder


def read_only(folder: Path) -> Truth:
    (case,) = find_cases(folder)
    return read_case(case)[1]


def test_a_compiled_file_tells_all(tmp_path: Path, chain: Graph) -> None:
    (tmp_path / "a.tflite").write_bytes(file(chain))
    program = programs.pair(100, 20)
    result = compiled(chain, {0}, {2}, program=program)
    (tmp_path / "a_edgetpu.tflite").write_bytes(file(result))
    sides = (Placement.EDGETPU, Placement.CPU, Placement.EDGETPU)
    assert read_only(tmp_path) == Truth("a_edgetpu.tflite", sides, 2, 240, 40, 13)


def test_a_record_stands_for_it(tmp_path: Path, chain: Graph) -> None:
    sides = (Placement.EDGETPU, Placement.CPU, Placement.EDGETPU)
    assert read_only(recorded(tmp_path, chain)) == Truth("truth.json", sides, 2, 72, 8, 13)
    found = read_only(recorded(tmp_path, chain, streamed_parameter_bytes=None, min_runtime=[]))
    assert (found.parameter_bytes, found.runtime_version) == (None, None)


def test_a_compiled_file_comes_before_a_record(tmp_path: Path, chain: Graph) -> None:
    recorded(tmp_path, chain)
    (tmp_path / "a_edgetpu.tflite").write_bytes(file(compiled(chain, {0, 1, 2})))
    assert read_only(tmp_path).targets == (Placement.EDGETPU,) * 3


def test_a_record_is_about_the_folder_s_own_model(tmp_path: Path, chain: Graph) -> None:
    folder = recorded(tmp_path, chain, model="elsewhere/a.tflite")
    assert [case.model for case in find_cases(folder)] == [folder / "a.tflite"]


RECORDS: dict[str, tuple[dict[str, Any], str]] = {
    "too few": ({"cpu": []}, "places 2 operators, and the model has 3"),
    "one twice": ({"dead": [1]}, "places 4 operators"),
    "no list": ({"edgetpu": 3}, "no list of whole numbers 'edgetpu'"),
    "a name": ({"cpu": ["1"]}, "no list of whole numbers 'cpu'"),
    "no number": ({"edgetpu_subgraphs": "2"}, "no whole number 'edgetpu_subgraphs'"),
    "no bytes": ({"streamed_parameter_bytes": "8"}, "no whole number 'streamed_parameter_bytes'"),
}


@pytest.mark.parametrize(("changes", "said"), RECORDS.values(), ids=RECORDS)
def test_a_record_that_does_not_fit(
    tmp_path: Path, chain: Graph, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        read_only(recorded(tmp_path, chain, **changes))


def test_a_model_without_truth_is_told(tmp_path: Path, chain: Graph) -> None:
    (tmp_path / "a.tflite").write_bytes(file(chain))
    with pytest.raises(ValueError, match=r"no 'a_edgetpu\.tflite' next to it, and no record"):
        read_only(tmp_path)


def test_a_compiled_file_without_its_model_is_told(tmp_path: Path, chain: Graph) -> None:
    (tmp_path / "a_edgetpu.tflite").write_bytes(file(compiled(chain, {0})))
    with pytest.raises(OSError, match="no such file"):
        read_only(tmp_path)


def test_damaged_and_unrelated_files_are_named(tmp_path: Path, chain: Graph) -> None:
    (tmp_path / "a.tflite").write_bytes(file(chain))
    beside = tmp_path / "a_edgetpu.tflite"
    beside.write_bytes(file(compiled(chain, {0}, program=b"?")))
    with pytest.raises(ModelUnreadable, match=r"'a_edgetpu\.tflite' holds an Edge TPU program"):
        read_only(tmp_path)
    beside.write_bytes(file(chain)[:-8])
    with pytest.raises(ModelUnreadable, match=r"'a_edgetpu\.tflite'"):
        read_only(tmp_path)
    other = compiled(chain, {0})
    other = replace(other, subgraphs=(replace(other.main, outputs=()),))
    beside.write_bytes(file(other))
    with pytest.raises(MismatchError):
        read_only(tmp_path)


@pytest.mark.parametrize("content", ["{", "[1]", "7", '{"model": "a"}', "[{}]", "[" * 10_000])
def test_records_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "truth.json").write_text(content)
    with pytest.raises(ModelError, match=r"truth\.json' cannot be read"):
        find_cases(tmp_path)


def test_a_folder_without_models(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Found: an empty folder"):
        find_cases(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ModelError, match=r"Found: notes\.txt"):
        find_cases(tmp_path)
    with pytest.raises(ModelError, match="Found: NotADirectoryError: Not a directory"):
        find_cases(tmp_path / "notes.txt")
    with pytest.raises(ModelError, match="Found: FileNotFoundError: No such file"):
        find_cases(tmp_path / "none")
