"""What is no result of its kind is refused in one paragraph, with the place; the rest is kept."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from quantline.errors import ParameterError, RegistryError, ResultMissing
from quantline.pipeline_registry import register_pipelines
from quantline.results import (
    SCHEMAS,
    Origin,
    check_kind,
    check_result,
    load_result,
    read_result,
)

if TYPE_CHECKING:
    from pathlib import Path


def manifest() -> dict[str, Any]:
    part = {"split": "train", "sha256": "a" * 64,
            "examples": [{"id": "größe", "label": None, "sha256": "b" * 64},
                         {"id": "2", "label": -1, "sha256": "c" * 64}]}  # fmt: skip
    return {
        "dataset": {"source": "npz", "name": "clothes", "version": None},
        "seed": 0,
        "transform": {"spec": [], "sha256": "d" * 64},
        "calibration": part,
        "evaluation": json.loads(json.dumps(part)),
    }


def refused(content: bytes, kind: str = "manifest") -> ResultMissing:
    with pytest.raises(ResultMissing) as caught:
        read_result(kind, content, "data/manifest.json")
    text = str(caught.value)
    assert text.startswith("The result 'data/manifest.json' cannot be read. Found: ")
    assert "\n" not in text
    assert len(text) < 1000
    text.encode()
    return caught.value


def test_a_result_is_given_back_with_the_keys_that_nobody_reads() -> None:
    values = {**manifest(), "made_from": {"inputs": {"x": "ab"}}, "note": [1, {"a": None}]}
    assert check_result("manifest", values, "x.json") is values
    assert read_result("manifest", json.dumps(values).encode(), "x.json") == values
    with_mark = b"\xef\xbb\xbf" + json.dumps(values).encode()
    assert read_result("manifest", with_mark, "x.json") == values


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"[]", "a list of 0 at the top level"),
        (b"{}", "no key 'dataset' at the top level (4 more mistakes in it)"),
        (b"null", "null at the top level"),
        (b"3.5", "3.5 at the top level"),
        (b"", "a damaged file (JSONDecodeError"),
        (b"[" * 100_000, "a damaged file (RecursionError"),
        (b"[" * 100 + b"]" * 100, "values nested more than 64 levels deep"),
        (b'{"a": 1, "a": 2}', "a damaged file (ValueError: the key 'a' twice"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a damaged file (ValueError"),
        (b'{"a": ' + b"9" * 400 + b"}", "a whole number of 1329 bits at 'a'"),
        (b'{"a": [0, 1e400]}', "inf at 'a.1'"),
        (b'{"a": NaN}', "nan at 'a'"),
        (b'{"a": "\xff"}', "a damaged file (UnicodeDecodeError"),
        (b'{"a": "\\ud800"}', "'\\ud800' at 'a'"),
        (b'{"a": "x\\u0000"}', "'x\\x00' at 'a'"),
        (b'{"\\udc00": 1}', "the key '\\udc00' at the top level"),
    ],
    ids=range(16),
)  # fmt: skip
def test_what_is_no_manifest_is_refused(content: bytes, found: str) -> None:
    assert refused(content).found.startswith(found)


@pytest.mark.parametrize(
    ("place", "value", "found", "expected"),
    [
        (("seed",), True, "true at 'seed'", "a whole number"),
        (("seed",), 1.5, "1.5 at 'seed'", "a whole number"),
        (("dataset",), [], "a list of 0 at 'dataset'", "a mapping"),
        (("evaluation", "examples"), [], "a list of 0 at 'evaluation.examples'", "List should"),
        (("evaluation", "examples", 1, "label"), "2",
         "'2' at 'evaluation.examples.1.label'", "a whole number"),
        (("evaluation", "examples", 1, "id"), "größe", "at 'evaluation'", "an id of its own"),
        (("calibration", "sha256"), "not hexadecimal", "at 'calibration.sha256'", "pattern"),
        (("calibration", "split"), 7, "7 at 'calibration.split'", "text"),
    ],
    ids=range(8),
)  # fmt: skip
def test_the_place_of_a_mistake_is_named(
    place: tuple[Any, ...], value: Any, found: str, expected: str
) -> None:
    values = parent = manifest()
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    error = refused(json.dumps(values).encode())
    assert found in error.found
    assert expected in error.expected
    assert error.remedy.startswith("Run the pipeline with `from_nodes=draw_examples`")


def test_a_result_that_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    for path, found in ((tmp_path / "absent", "no such file"), (tmp_path, "a folder")):
        with pytest.raises(ResultMissing, match=f"Found: {found}"):
            load_result("manifest", path)
    os.mkfifo(tmp_path / "pipe")  # which nobody writes to
    with pytest.raises(ResultMissing, match="Found: a pipe"):
        load_result("manifest", tmp_path / "pipe")


def test_a_file_of_the_champion_is_no_result_of_this_run() -> None:
    with pytest.raises(RegistryError, match=r"champion's file 'manifest\.json'.*roll back"):
        read_result("manifest", b"[]", Origin.of_champion("manifest.json"))


def test_the_parts_of_the_pipeline_that_write_results_anew_exist() -> None:
    pipelines = register_pipelines()
    known = {
        "pipelines": set(pipelines),
        "from_nodes": {node.name for node in pipelines["__default__"].nodes},
    }
    for _, part in SCHEMAS.values():
        option, names = part.split("=")
        assert set(names.split(",")) <= known[option]


def test_an_unknown_schema_is_refused_with_the_close_ones() -> None:
    with pytest.raises(ParameterError, match="Did you mean 'manifest'"):
        check_kind("manifst", list(SCHEMAS), "The dataset 'x'")


SCORES = {"examples": 10, "labelled_examples": 10, "classes": 4, "size_bytes": 9,
          "evidence": "measured", "top1": 0.5, "top1_low": 0.4, "top1_high": 0.6, "loss": 1.0,
          "loss_low": 0.9, "loss_high": 1.1}  # fmt: skip
UNLABELLED = {
    key: value for key, value in SCORES.items() if "top1" not in key and "loss" not in key
}
TRAINED = {"evidence": "measured", "sha256": "a" * 64, "start_sha256": None, "parameters": {},
           "examples": 10, "classes": 4, "steps": 3, "top1": 0.5, "loss": 1.0}  # fmt: skip
TIMES = {"latency_ms_p10": 1.0, "latency_ms_p50": 1, "latency_ms_p90": 2.0, "latency_ms_min": 0.9}
FASTER = {**TIMES, "speed_ratio": 1.5, "speed_ratio_low": 1.4, "speed_ratio_high": 1.6}


@pytest.mark.parametrize(
    ("kind", "values", "sound"),
    [
        ("training", TRAINED, True),
        ("training", {**TRAINED, "start_sha256": 1}, False),
        ("metrics", SCORES, True),
        ("metrics", {**UNLABELLED, "labelled_examples": 0}, True),
        ("metrics", UNLABELLED, False),  # labels without a score
        ("metrics", {**SCORES, "labelled_examples": 0}, False),
        ("metrics", {**SCORES, "classes": 10}, False),  # without a top-5
        ("metrics", {**SCORES, "top1_low": 0.55}, False),  # above the value
        ("metrics", {**SCORES, "size_bytes": 0}, False),
        ("champion_latency", {}, True),
        ("champion_latency", {"made_from": {}, "champion": TIMES, "int8": FASTER}, True),
        ("champion_latency", {"champion": TIMES}, False),
        ("champion_latency", {"champion": TIMES, "int8": {**FASTER, "speed_ratio": 0}}, False),
        ("edgetpu_run", {"ran": False, "evidence": None, "why": "none", "devices": []}, True),
        ("edgetpu_run", {"ran": True, "evidence": None, "why": "none", "devices": []}, False),
        ("edgetpu_compilation", {"compiled": False, "evidence": None, "why": "none"}, True),
        ("edgetpu_compilation", {"compiled": True, "evidence": "read", "why": None}, False),
        ("compared_recipe", {"scheme": "float"}, True),
        ("compared_recipe", {"scheme": "int8"}, False),  # without how it was made
        ("compared_recipe", {"scheme": "int4"}, False),
    ],
)
def test_keys_that_depend_on_each_other(kind: str, values: dict[str, Any], sound: bool) -> None:
    if sound:
        assert read_result(kind, json.dumps(values).encode(), "x.json") == values
    else:
        refused(json.dumps(values).encode(), kind)
