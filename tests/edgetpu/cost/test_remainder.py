from __future__ import annotations

import numpy as np
import pytest
from tests.edgetpu import compiling, pairs

from quantline.edgetpu.cost import remainder
from quantline.edgetpu.cost.remainder import measure_remainder, not_measured, time_runs
from quantline.errors import ProcessError
from quantline.tflite.edit import extract
from quantline.tflite.graph import read
from quantline.tflite.runtime import Runtime


def chain(model, *kinds, **options):
    last = model.tensor(1, 8)
    for kind in kinds:
        last = model.unary(kind, last, **options)
    return compiling.file(model.graph(last))


def test_operators_are_timed_in_a_child_process(model):
    timed = measure_remainder(chain(model, "RELU", "RELU6", "RELU"), [0, 2])
    low, median, high = timed.milliseconds
    assert 0 < low <= median <= high
    assert timed.runs >= 10
    data = timed.to_dict()
    assert (data["evidence"], data["operators"], data["threads"]) == ("measured", 2, 1)
    assert data["cpu_ms_p10"] <= data["cpu_ms"] <= data["cpu_ms_p90"]


def test_nothing_on_the_cpu_takes_no_time():
    assert measure_remainder(b"", []).milliseconds == (0.0, 0.0, 0.0)


@pytest.fixture
def here(monkeypatch):
    def run(function, *arguments, **settings):
        return function(*arguments)

    monkeypatch.setattr(remainder, "run_in_child", run)


@pytest.mark.usefixtures("here")
def test_what_cannot_be_run_has_a_reason_and_no_number(model):
    data = measure_remainder(chain(model, "Unheard", custom=True), [0]).to_dict()
    assert "Not timed." in data["basis"]
    assert "Unheard" in data["basis"]
    assert "\n" not in data["basis"]
    assert (data["cpu_ms"], data["evidence"], data["operators"], data["runs"]) == (None, None, 1, 0)


def test_a_crash_is_a_reason_too(model, monkeypatch):
    def crash(*_, what, **settings):
        raise ProcessError(f"{what} crashed", found="signal SIGSEGV", expected="", remedy="")

    monkeypatch.setattr(remainder, "run_in_child", crash)
    timed = measure_remainder(chain(model, "RELU"), [0])
    assert timed.milliseconds is None
    assert "SIGSEGV" in timed.basis


def test_not_asked_for():
    assert not_measured([1, 2], "Not asked for.").to_dict()["basis"] == "Not timed. Not asked for."


def test_inputs_are_of_the_right_type_and_range(model):
    real = model.tensor(1, 4096, dtype="float32")
    quantized = model.tensor(1, 4096, zero_point=-28)
    model.add("QUANTIZE", [real], [quantized])
    index = model.tensor(1, dtype="int32")
    gathered = model.tensor(1, 1)
    model.add("GATHER", [quantized, index], [gathered])
    file = compiling.file(model.graph(gathered))
    graph = read(file)
    (values, indices) = remainder._random(graph, Runtime(file, 1, "builtin").inputs)
    # Scale 0.5 and zero point -28 stand for -50 to 77.5.
    assert (values.dtype, indices.dtype) == (np.float32, np.int32)
    assert values.min() == pytest.approx(-50, abs=0.5)
    assert values.max() == pytest.approx(77.5, abs=0.5)
    assert indices.tolist() == [0]


@pairs.needed
def test_what_xnnpack_refuses_is_timed_on_the_built_in_kernels():
    """DeepLab resizes a single pixel to its whole map, and XNNPACK refuses the model for it."""
    name = "deeplabv3_mnv2_dm05_pascal_quant.tflite"
    kernels, times = time_runs(extract((pairs.PAIRS / name).read_bytes(), [63]))
    assert kernels == "builtin"
    assert len(times) >= 10
