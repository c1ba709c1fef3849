"""Runs on a device, with a stand-in for the runtime library: no Edge TPU was there.

The stand-in is a shared library that is compiled here; the interpreter loads it as it would the
real one. What it computes is known, and so are the differences from the CPU.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tests.edgetpu import pairs, stand_in_library

from quantline.edgetpu.device.on_device import Access, load, run_on_device
from quantline.edgetpu.device.run import prepare
from quantline.errors import (
    DataError,
    DependencyError,
    DeviceError,
    MismatchError,
    ModelUnsupported,
    ParameterError,
)
from quantline.tflite import Runtime

if TYPE_CHECKING:
    from pathlib import Path


SCALE = 0.5
COUNT = 8


def one_operator(code: int, custom: bytes | None, inputs: list[int], scale: float = SCALE) -> bytes:
    """A model of one operator from an int8 tensor of shape (1, 8) to another."""
    model = schema.ModelT()
    model.version, model.buffers = 3, [schema.BufferT()]
    operator_code = schema.OperatorCodeT()
    operator_code.builtinCode = operator_code.deprecatedBuiltinCode = code
    operator_code.customCode = custom
    tensors = []
    for name in (b"x", b"y"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, [1, COUNT], schema.TensorType.INT8
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [0]
        tensors.append(tensor)
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = inputs, [1]
    subgraph = schema.SubGraphT()
    subgraph.tensors, subgraph.operators = tensors, [operator]
    subgraph.inputs, subgraph.outputs = [0], [1]
    model.subgraphs, model.operatorCodes = [subgraph], [operator_code]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


COMPILED = one_operator(schema.BuiltinOperator.CUSTOM, b"edgetpu-custom-op", [0])
IDENTITY = one_operator(schema.BuiltinOperator.MAXIMUM, None, [0, 0])
STORED = np.array([[0, 4, 8, 12, 9, 5, 3, 1], [7] * COUNT, [-128, *range(7)]], np.int8)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    return stand_in_library.build(tmp_path_factory.mktemp("stand_in"))


@pytest.fixture
def fails(library: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run three samples on the stand-in, which fails in a way of the real library."""

    def run(way: str) -> None:
        monkeypatch.setenv("STAND_IN", way)
        run_on_device(COMPILED, STORED, access=Access("usb:0", library), runs=1)

    return run


def test_outputs_latency_and_the_difference_from_the_cpu(library: str) -> None:
    real = STORED.astype(np.float32) * SCALE
    run = run_on_device(COMPILED, real, IDENTITY, access=Access("usb:0", library), runs=5)
    odd = np.arange(COUNT) % 2
    np.testing.assert_array_equal(run.outputs[0][:, 0], STORED + odd)
    np.testing.assert_array_equal(run.real_outputs()[0][:, 0], (STORED + odd) * SCALE)
    (agreement,) = run.agreements
    assert agreement is not None
    assert (agreement.step, agreement.steps_max, agreement.steps_mean) == (SCALE, 1, 0.5)
    assert (agreement.equal_share, agreement.histogram) == (0.5, {0: 12, 1: 12})
    assert agreement.top1_agreement == 2 / 3  # of eight equal values the CPU's largest is the first
    assert (run.kernels, run.cpu_kernels) == ("xnnpack", "xnnpack")
    assert run.library_version == "BuildLabel(stand-in), RuntimeVersion(13)"
    told = run.latency
    assert 0 < told.minimum <= told.p10 <= told.p50 <= told.p90
    assert told.first > 0
    assert told.runs == 5
    assert json.loads(json.dumps(run.to_dict()))["evidence"] == "measured"


def test_a_library_without_permission_is_explained_by_its_own_log(fails: Any) -> None:
    with pytest.raises(DeviceError, match="USB error -3"):
        fails("no permission")


def test_a_crash_while_loading_is_a_library_that_does_not_fit(fails: Any) -> None:
    with pytest.raises(DependencyError, match="SIGSEGV at stage 'loading the runtime library'"):
        fails("crash at once")


def test_a_crash_names_its_sample(fails: Any) -> None:
    with pytest.raises(DeviceError, match="SIGSEGV at stage 'sample 3 of 3'"):
        fails("crash at the third")


def test_a_model_for_a_newer_runtime(fails: Any) -> None:
    with pytest.raises(DependencyError, match=r"version \(14\).*version \(13\)") as caught:
        fails("newer model")
    assert "`runtime_version`" in caught.value.remedy


def test_a_missing_library_is_told_with_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match=r"missing\.so: cannot open") as caught:
        load(Access(library=str(tmp_path / "missing.so")))
    assert "Never 'pip install pycoral'" in caught.value.remedy


def test_another_library_is_told_from_the_runtime(tmp_path: Path, library: str) -> None:
    other = tmp_path / "libother.so"
    compiler = shutil.which("gcc") or "cc"
    subprocess.run([compiler, "-shared", "-o", other, "-x", "c", "/dev/null"], check=True)
    with pytest.raises(DependencyError, match="tflite_plugin_create_delegate"):
        run_on_device(COMPILED, STORED, access=Access(library=str(other)))


@pytest.mark.parametrize(
    ("arguments", "error", "word"),
    [
        ((IDENTITY, STORED), ModelUnsupported, "edgetpu_compiler"),
        ((COMPILED, STORED, COMPILED), ModelUnsupported, "_edgetpu"),
        ((COMPILED, STORED, one_operator(55, None, [0, 0], 0.25)), MismatchError, "0.25"),
        ((COMPILED, []), DataError, "0 samples"),
        ((COMPILED, [np.zeros(COUNT + 1)]), DataError, "(9,)"),
        ((COMPILED, [np.zeros(COUNT), np.full(COUNT, np.nan)]), DataError, "Sample 1"),
    ],
    ids=["not compiled", "compiled for the cpu", "another model", "none", "shape", "nan"],
)
def test_wrong_input_is_refused_before_anything_is_loaded(
    arguments: Any, error: Any, word: str
) -> None:
    with pytest.raises(error) as caught:
        run_on_device(*arguments, access=Access(library="not there"))
    assert word in str(caught.value)


def test_no_run_to_time() -> None:
    with pytest.raises(ParameterError, match="runs=0"):
        run_on_device(COMPILED, STORED, runs=0)


def test_a_compiled_model_on_the_cpu_is_named() -> None:
    with pytest.raises(ModelUnsupported, match="compiled for the Edge TPU"):
        Runtime(COMPILED)


@pairs.needed
def test_what_the_real_compiler_wrote_is_taken_with_its_original() -> None:
    compiled = sorted(pairs.PAIRS.glob("*_edgetpu.tflite"))
    assert compiled
    for path in compiled:
        content = path.read_bytes()
        with pytest.raises(ModelUnsupported, match="compiled for the Edge TPU"):
            Runtime(content)
        original = path.with_name(path.name.replace("_edgetpu", "")).read_bytes()
        ports = Runtime(original, kernels="builtin").inputs
        sample = {port.name: np.zeros(port.shape, np.float32) for port in ports}
        job = prepare(
            content, [sample if len(ports) > 1 else next(iter(sample.values()))], original
        )
        expected = [port.quantize(np.zeros(port.shape, np.float32)) for port in ports]
        for got, value in zip(job.inputs, expected, strict=True):
            np.testing.assert_array_equal(got[0], value)


@pairs.needed
def test_what_xnnpack_refuses_runs_on_the_built_in_kernels(library: str) -> None:
    """LiteRT 2.3's XNNPACK takes an upsampling of this model and then fails to prepare it."""
    compiled = (pairs.PAIRS / "deeplabv3_mnv2_dm05_pascal_quant_edgetpu.tflite").read_bytes()
    sample = np.full((513, 513, 3), 99, np.uint8)
    run = run_on_device(compiled, [sample], access=Access("usb:0", library), runs=1)
    assert (run.kernels, run.cpu_kernels) == ("builtin", None)
    assert run.outputs[0].shape == (1, 1, 513, 513)
