"""The real compiler's results for a folder's models, to score the predictor against.

A model ``X.tflite`` has its truth in ``X_edgetpu.tflite`` next to it or, without that file, in
the folder's ``truth.json``: a list of records such as

    {"model": "X.tflite", "edgetpu": [0, 1], "cpu": [2], "dead": [], "edgetpu_subgraphs": 1,
     "min_runtime": [14], "on_chip_cached_parameter_bytes": 512, "streamed_parameter_bytes": 0}

with operators by their index in the model; the last two may be missing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.edgetpu.compiled.match import match, placements
from quantline.edgetpu.compiled.read import read_compiled
from quantline.errors import ModelError, first_few, first_line
from quantline.reading import read_file
from quantline.tflite import Graph, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.edgetpu.vocabulary import Placement

RECORDS = "truth.json"


@dataclass(frozen=True)
class Case:
    """A model to score the predictor on."""

    model: Path
    compiled: Path | None  # the file that the compiler wrote; None where it is not there
    record: Mapping[str, Any] | None  # that stands for the compiled file, if there is one


@dataclass(frozen=True)
class Truth:
    """The compiler's result for a model."""

    source: str  # the name of the file it is read from
    targets: tuple[Placement, ...]  # the placement of each operator, in the operators' order
    subgraphs: int
    parameter_bytes: int | None  # parameters of all of them, cached and streamed; None if unknown
    streamed_bytes: int | None  # those that are streamed; None if unknown
    runtime_version: int | None  # the Edge TPU runtime that they ask for; None where there are none


def find_cases(folder: Path) -> tuple[Case, ...]:
    """Return the models of a folder, by name, with the place of their truth.

    Raises:
        ModelError: There is no such folder, or no model in it.
    """
    names = _names(folder)
    records = _records(folder / RECORDS) if RECORDS in names else {}
    files = [name.removesuffix(".tflite") for name in names if name.endswith(".tflite")]
    stems = {name.removesuffix("_edgetpu") for name in files}
    stems |= {name.removesuffix(".tflite") for name in records}
    if not stems:
        raise nothing_to_score(folder, first_few(names, 5) or "an empty folder")
    found = []
    for stem in sorted(stems):
        name, compiled = f"{stem}.tflite", f"{stem}_edgetpu.tflite"
        file, record = (folder / compiled, None) if compiled in names else (None, records.get(name))
        found.append(Case(folder / name, file, record))
    return tuple(found)


def read_case(case: Case) -> tuple[Graph, Truth]:
    """Read a model and the compiler's result for it.

    Raises:
        OSError: A file cannot be read.
        ModelUnreadable: A file is not a whole ``.tflite`` file, or its program is damaged.
        MismatchError: The compiled file was made from another model.
        ValueError: There is no truth, or the record does not fit the model.
    """
    graph = read(read_file(case.model), f"'{case.model.name}'")
    if case.record is not None:
        return graph, _recorded(case.record, len(graph.main.operators))
    if case.compiled is None:
        raise ValueError(
            f"there is no '{case.model.stem}_edgetpu.tflite' next to it, and no record of it in "
            f"'{RECORDS}'"
        )
    name = f"'{case.compiled.name}'"
    result = read(read_file(case.compiled), name)
    programs = read_compiled(result, name)
    found = match(graph, result)
    truth = Truth(
        source=case.compiled.name,
        targets=found.placements,
        subgraphs=len(found.subgraphs),
        parameter_bytes=programs.parameter_bytes,
        streamed_bytes=programs.streamed_bytes,
        runtime_version=programs.min_runtime_version,
    )
    return graph, truth


def _recorded(record: Mapping[str, Any], operators: int) -> Truth:
    edgetpu, cpu, dead, versions = (
        _whole_numbers(record, key) for key in ("edgetpu", "cpu", "dead", "min_runtime")
    )
    if sorted([*edgetpu, *cpu, *dead]) != list(range(operators)):
        raise ValueError(
            f"its record in '{RECORDS}' places {len(edgetpu) + len(cpu) + len(dead)} operators, "
            f"and the model has {operators}"
        )
    keys = ("on_chip_cached_parameter_bytes", "streamed_parameter_bytes")
    sizes = [_whole_number(record, key) for key in keys if key in record]
    return Truth(
        source=RECORDS,
        targets=placements(edgetpu, cpu, dead),
        subgraphs=_whole_number(record, "edgetpu_subgraphs"),
        parameter_bytes=sum(sizes) if len(sizes) == 2 else None,
        streamed_bytes=sizes[1] if len(sizes) == 2 else None,
        runtime_version=max(versions, default=None),
    )


def _whole_numbers(record: Mapping[str, Any], key: str) -> list[int]:
    value = record.get(key)
    if not isinstance(value, list) or not all(isinstance(number, int) for number in value):
        raise ValueError(f"its record in '{RECORDS}' has no list of whole numbers '{key}'")
    return value


def _whole_number(record: Mapping[str, Any], key: str) -> int:
    value = record.get(key)
    if not isinstance(value, int):
        raise ValueError(f"its record in '{RECORDS}' has no whole number '{key}'")
    return value


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise nothing_to_score(folder, first_line(error, error.strerror)) from error


def _records(path: Path) -> dict[str, Mapping[str, Any]]:
    try:
        # Names only: a record is about a model in its own folder.
        return {Path(record["model"]).name: record for record in json.loads(read_file(path))}
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelError(
            f"'{path}' cannot be read",
            found=first_line(error),
            expected="a list of records, each with the name of its 'model'",
            remedy="Write it again, or remove it to score on compiled files alone",
        ) from error


def nothing_to_score(folder: Path, found: str) -> ModelError:
    """Return the error of a folder that holds no models with their truth."""
    return ModelError(
        f"There is nothing in '{folder}' to score the predictor on",
        found=found,
        expected="models X.tflite with X_edgetpu.tflite next to them, or with their records in "
        f"'{RECORDS}'",
        remedy="Compile models with edgetpu_compiler, and put both files of each into one folder",
    )
