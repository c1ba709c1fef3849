from __future__ import annotations

import json
from importlib import import_module

import pytest
from tests.edgetpu import compiling, pairs

from quantline.edgetpu import Evidence, evaluate
from quantline.edgetpu.cost.remainder import Remainder
from quantline.errors import MismatchError, ModelUnreadable, ParameterError
from quantline.tflite import read


@pytest.fixture
def dense(model):
    """FULLY_CONNECTED, RELU, GATHER, RELU: two on the Edge TPU, two left."""
    first, second = model.tensor(1, 256), model.tensor(1, 128)
    model.add("FULLY_CONNECTED", [first, model.weights(128, 256), -1], [second])
    gathered = model.tensor(1, 128)
    rectified = model.unary("RELU", second)
    model.add("GATHER", [rectified, model.integers(0)], [gathered])
    return model.graph(model.unary("RELU", gathered))


def unmeasured(graph, **options):
    return evaluate(compiling.file(graph), measure_cpu=False, **options)


def test_the_parts_agree_with_each_other(dense):
    data = unmeasured(dense).to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert (data["mapped_operators"], data["operators_total"], data["subgraphs"]) == (2, 4, 1)
    assert (data["subgraphs_default"], data["subgraphs_multiple"]) == (1, 2)
    assert data["mapped_share_macs"] == 1.0
    sizes = [item["parameter_bytes"] for item in data["operators"]]
    assert sizes == [128 * 256, 0, None, None]
    first = data["operators"][0]
    assert first["parameter_bytes_low"] == first["parameter_bytes_high"] == 128 * 256
    (rule,) = first["parameter_rules"]
    assert (rule["rule"], rule["bytes"]) == ("fully connected weights", 128 * 256)
    assert rule["mechanism"]
    assert rule["seen_in_models"] >= 3
    assert sum(filter(None, sizes)) == data["memory"]["parameter_bytes"]
    assert [item["macs"] for item in data["operators"]] == [128 * 256, 0, 0, 0]
    assert {item["evidence"] for item in data["operators"]} == {"predicted"}
    assert data["evidence"] == data["memory"]["evidence"] == "predicted"
    assert data["suggestions"][0]["type"] == "GATHER"
    assert data["not_predicted"]


def test_without_the_cpus_part_the_upper_end_is_not_known(dense):
    latency = unmeasured(dense).latency_ms()
    assert 0 < latency["edgetpu_low"] < latency["edgetpu_high"]
    assert (latency["low"], latency["high"]) == (latency["edgetpu_low"], None)
    assert latency["cpu"]["cpu_ms"] is None
    assert latency["cpu"]["operators"] == 2


def test_the_cpus_part_is_added(dense, monkeypatch):
    seen = []

    def timed(model, operators):
        seen.extend(operators)
        return Remainder(len(operators), (1.0, 2.0, 4.0), "xnnpack", 1, 10, "timed")

    # The function of the same name hides the module in its package.
    module = import_module("quantline.edgetpu.evaluate")
    monkeypatch.setattr(module, "measure_remainder", timed)
    latency = evaluate(compiling.file(dense)).latency_ms()
    assert seen == [2, 3]
    assert latency["low"] == latency["edgetpu_low"] + 1.0
    assert latency["high"] == latency["edgetpu_high"] + 4.0
    assert latency["cpu"]["evidence"] == "measured"
    assert latency["evidence"] == "predicted"


def test_with_multiple_subgraphs_more_is_mapped_and_called(dense):
    one, several = (unmeasured(dense, multiple_subgraphs=item) for item in (False, True))
    assert (one.report.mapped_operators, several.report.mapped_operators) == (2, 3)
    assert several.latency_ms()["edgetpu_low"] > 1.5 * one.latency_ms()["edgetpu_low"]


def test_dead_operators_have_no_share_of_the_work(model):
    first, second, third = model.tensor(1, 8), model.tensor(1, 8), model.tensor(1, 8)
    model.add("FULLY_CONNECTED", [first, model.weights(8, 8), -1], [second])
    model.add("FULLY_CONNECTED", [first, model.weights(8, 8), -1], [third])
    assert unmeasured(model.graph(second)).mapped_share_macs == 1.0


def test_that_nothing_stays_on_the_cpu_is_as_well_known_as_the_mapping(model):
    file = compiling.file(model.graph(model.unary("RELU", model.tensor(1, 8))))
    latency = evaluate(file).latency_ms()
    assert (latency["cpu"]["cpu_ms"], latency["cpu"]["evidence"]) == (0.0, "predicted")
    assert latency["high"] == latency["edgetpu_high"]


def test_where_nothing_maps(model):
    data = unmeasured(model.graph(model.unary("EXP", model.tensor(1, 8)))).to_dict()
    assert (data["mapped_operators"], data["memory"]["parameter_bytes"]) == (0, 0)
    assert data["latency_ms"]["edgetpu_high"] == 0.0


@pairs.needed
@pytest.mark.parametrize("name", ["mobilenet_v2_1.0_224_quant", "looming_64x64_3x3"])
def test_a_compiled_model_is_parsed(name):
    model = (pairs.PAIRS / f"{name}_edgetpu.tflite").read_bytes()
    (record,) = (item for item in pairs.truth() if item["model"] == f"{name}.tflite")
    evaluation = evaluate(model, measure_cpu=False)
    data = evaluation.to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert evaluation.evidence is Evidence.PARSED
    memory = data["memory"]
    assert memory["cached_bytes"] == record["on_chip_cached_parameter_bytes"]
    assert (memory["streamed_bytes"], memory["verdict"]) == (0, "fits")
    assert (memory["evidence"], memory["remaining_bytes"]) == ("parsed", None)
    assert data["mapped_share_macs"] is None
    assert data["operators"][0]["parameter_bytes"] == memory["parameter_bytes"]
    # Files for runtime 14 hold no cycles.
    has_cycles = max(record["min_runtime"]) < 14
    assert (data["latency_ms"]["edgetpu_low"] is not None) == has_cycles
    assert (data["latency_ms"]["low"] is not None) == has_cycles


@pairs.needed
@pytest.mark.parametrize("name", ["mobilenet_v2_1.0_224_quant", "looming_64x64_3x3"])
def test_the_original_tells_what_a_compiled_model_does_not(name):
    original = (pairs.PAIRS / f"{name}.tflite").read_bytes()
    model = (pairs.PAIRS / f"{name}_edgetpu.tflite").read_bytes()
    alone = evaluate(model, measure_cpu=False)
    beside = evaluate(model, measure_cpu=False, original=read(original))
    assert beside.mapped_share_macs == 1.0
    # Where the compiled file holds cycles they are its own, and come first.
    assert beside.band == alone.band or (alone.band is None and beside.band is not None)
    assert beside.memory == alone.memory
    assert beside.evidence is Evidence.PARSED
    other = read((pairs.PAIRS / "dense_256.tflite").read_bytes())
    with pytest.raises(MismatchError):
        evaluate(model, measure_cpu=False, original=other)


def test_bytes_that_are_no_model_are_refused():
    with pytest.raises(ModelUnreadable, match=r"'photo\.jpg'"):
        evaluate(b"no model at all", name="'photo.jpg'")


def test_a_runtime_that_does_not_exist_is_refused(dense):
    with pytest.raises(ParameterError):
        unmeasured(dense, runtime_version=9)
