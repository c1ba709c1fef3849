"""Compiled models are read as the compiler reported them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.edgetpu import pairs, programs

from quantline.edgetpu import predict
from quantline.edgetpu.compiled.package import ExecutableType
from quantline.edgetpu.compiled.read import read_compiled
from quantline.errors import ModelUnreadable

if TYPE_CHECKING:
    from quantline.tflite.graph import Graph


def compiled(model: Any, *told: bytes) -> Graph:
    """A chain of Edge TPU operators, with a FLOOR before and after each."""
    at = model.unary("FLOOR", model.tensor(1, 8))
    for item in told:
        at = model.unary("edgetpu-custom-op", at, custom=True, custom_options=item)
        at = model.unary("FLOOR", at)
    return model.graph(at)


def test_figures_of_all_programs_are_added(model: Any) -> None:
    first = programs.pair(1000, 24, cycles_64bit=500, scratch=64, chunks=(30, 10))
    second = programs.custom_options(
        programs.package(
            programs.executable(programs.STAND_ALONE, 8, cycles_64bit=1), min_runtime_version=14
        )
    )
    found = read_compiled(compiled(model, first, second))
    assert [subgraph.operator.index for subgraph in found.subgraphs] == [1, 3]
    assert [operator.type for operator in found.left] == ["FLOOR"] * 3
    assert (found.cached_bytes, found.streamed_bytes, found.parameter_bytes) == (1000, 32, 1032)
    assert (found.instruction_bytes, found.scratch_bytes) == (48, 64)
    assert (found.min_runtime_version, found.estimated_cycles) == (14, 501)
    told = json.loads(json.dumps(found.to_dict()))
    assert told["evidence"] == "parsed"
    assert told["left_operators"][2] == {"index": 4, "type": "FLOOR"}
    kinds = [operator["type"] for operator in told["subgraphs"][0]["executables"]]
    assert kinds == ["execution-only", "parameter-caching"]
    assert told["subgraphs"][1]["executables"][0]["caching_token"] == f"{7:016x}"


def test_cycles_are_unknown_where_one_program_has_none(model: Any) -> None:
    found = read_compiled(compiled(model, programs.pair(cycles_64bit=5), programs.pair()))
    assert found.estimated_cycles is None


def test_a_model_that_was_not_compiled_has_no_subgraphs(model: Any) -> None:
    found = read_compiled(compiled(model))
    assert (found.subgraphs, len(found.left)) == ((), 1)
    assert (found.parameter_bytes, found.min_runtime_version) == (0, None)
    assert found.estimated_cycles is None


def test_a_damaged_program_is_an_error_with_the_model_s_name(model: Any) -> None:
    graph = compiled(model, programs.pair(), b"nothing")
    with pytest.raises(ModelUnreadable, match="'m' holds an Edge TPU program"):
        read_compiled(graph, "'m'")


@pairs.needed
def test_bytes_and_versions_are_those_that_the_compiler_reported() -> None:
    for record in pairs.compiled():
        found = read_compiled(pairs.graph(record["compiled"]))
        assert len(found.subgraphs) == record["edgetpu_subgraphs"], record["model"]
        assert found.cached_bytes == record["on_chip_cached_parameter_bytes"], record["model"]
        assert found.streamed_bytes == record["streamed_parameter_bytes"], record["model"]
        assert found.min_runtime_version == max(record["min_runtime"]), record["model"]
        assert len(found.left) == len(record["cpu"]), record["model"]


@pairs.needed
def test_layers_are_the_tensors_of_the_operator() -> None:
    for record in pairs.compiled():
        graph = pairs.graph(record["compiled"])
        for subgraph in read_compiled(graph).subgraphs:
            main = subgraph.package.main
            assert main.type is ExecutableType.EXECUTION_ONLY
            for layers, indices in (
                (main.inputs, subgraph.operator.inputs),
                (main.outputs, subgraph.operator.outputs),
            ):
                tensors = [graph.main.tensors[index] for index in indices]
                assert [layer.name for layer in layers] == [tensor.name for tensor in tensors]
                assert [layer.dtype for layer in layers] == [tensor.dtype for tensor in tensors]
                for layer, tensor in zip(layers, tensors, strict=True):
                    assert tensor.size <= layer.size_bytes
                    height, width, channels = layer.shape
                    assert height * width * channels == tensor.size


@pairs.needed
def test_the_predictor_repeats_what_a_compiled_file_holds() -> None:
    for record in pairs.compiled():
        report = predict(pairs.graph(record["compiled"]))
        assert report.mapped_operators == record["edgetpu_subgraphs"], record["model"]
        assert report.operators_total - report.mapped_operators == len(record["cpu"])
        assert report.unknown_operators == 0
