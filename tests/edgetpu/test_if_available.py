"""What is at hand: stand-ins for the compiler and for the runtime library; neither was real."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.edgetpu import compiling, pairs, programs, stand_in_library
from tests.edgetpu import published_output as published
from tests.edgetpu.conftest import Model
from tests.edgetpu.stand_in_compiler import install

from quantline import recipe
from quantline.edgetpu import if_available
from quantline.edgetpu.device.detect import Device, Kind
from quantline.edgetpu.if_available import compile_if_available, run_if_available
from quantline.errors import (
    CheckFailed,
    CompilerNotFound,
    DeviceError,
    ModelUnsupported,
    ParameterError,
)
from quantline.evaluation.predict import predict
from quantline.pipelines.evaluation import (
    COMPILED,
    COMPILED_LOG,
    compile_edgetpu,
    run_edgetpu,
)
from quantline.sampling import draw, stream

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.edgetpu.device.run import DeviceRun

COUNT = 8
LARGE = {"stdout": published.LARGE_ACTIVATIONS, "status": 1}
SAMPLES = np.linspace(-1, 1, 5 * COUNT).reshape(5, COUNT)


@pytest.fixture(scope="module")
def classifier() -> tuple[bytes, bytes]:
    """A model of one layer, and the same with an Edge TPU operator that no output depends on."""
    model = Model()
    first, last = model.tensor(1, COUNT, scales=(2**-7,)), model.tensor(1, 3, scales=(2**-3,))
    values = np.random.default_rng(3).integers(-127, 128, (3, COUNT))
    weights = model.tensor(3, COUNT, values=values, scales=(2**-7,))
    model.add("FULLY_CONNECTED", [first, weights, -1], [last])
    original = compiling.file(model.graph(last))
    model.add(
        "edgetpu-custom-op", [first], [model.tensor(1, COUNT)],
        custom=True, custom_options=programs.pair(),
    )  # fmt: skip
    return original, compiling.file(model.graph(last))


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH but for the shell's own programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    return stand_in_library.build(tmp_path_factory.mktemp("library"))


@pytest.fixture
def attached(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with one device."""
    monkeypatch.setattr(if_available, "detect", lambda: (Device("usb:0", Kind.USB, "", True),))


@pytest.fixture
def denied(attached: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its device may not be opened."""

    def refuse(*arguments: Any, **settings: Any) -> None:
        raise DeviceError("A", found="USB error -3", expected="c", remedy="D")

    monkeypatch.setattr(if_available, "run_on_device", refuse)


def settings(**values: Any) -> recipe.EdgeTpu:
    return recipe.EdgeTpu(**values)


def run(models: tuple[bytes, bytes], **values: Any) -> tuple[DeviceRun | None, dict[str, Any]]:
    return run_if_available(models[1], SAMPLES, models[0], settings(**values))


def test_without_a_compiler_the_report_says_where_to_get_it(
    classifier: Any, on_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, log, report = compile_if_available(classifier[0], settings())
    assert (model, log) == (None, "")
    assert (report["compiled"], report["evidence"]) == (False, None)
    assert "no program 'edgetpu_compiler' on PATH" in report["why"]
    assert "edgetpu-compiler" in report["why"]
    assert caplog.records == []


def test_a_compiler_that_was_not_asked_for_may_fail(
    classifier: Any, on_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install(on_path, **LARGE)
    with caplog.at_level(logging.WARNING):
        model, _, report = compile_if_available(classifier[0], settings())
    assert model is None
    assert report["compiled"] is False
    assert "activations are too large for the Edge TPU" in report["why"]
    assert [record.getMessage() for record in caplog.records] == [report["why"]]


def test_one_that_was_named_may_not(classifier: Any, on_path: Path) -> None:
    script = install(on_path, **LARGE)
    with pytest.raises(CheckFailed, match="large activation tensors"):
        compile_if_available(classifier[0], settings(compiler=str(script)))
    with pytest.raises(CompilerNotFound, match="no file"):
        compile_if_available(classifier[0], settings(compiler=str(on_path / "none")))


def test_a_compiled_model_that_is_another_one_is_no_reason_to_stop(
    classifier: Any, on_path: Path, tmp_path: Path
) -> None:
    other = Model()
    graph = other.graph(other.unary("TANH", other.tensor(1, 4, dtype="uint8")))
    wrong = tmp_path / "wrong.tflite"
    wrong.write_bytes(compiling.file(compiling.compiled(graph, {0})))
    install(on_path, compiled=[str(wrong)], stdout=published.V16)
    model, _, report = compile_if_available(classifier[0], settings())
    assert (model, report["compiled"]) == (None, False)
    assert "was not made from this model" in report["why"]


def test_nothing_is_compiled_or_run_where_that_is_asked(classifier: Any, attached: None) -> None:
    _, _, compilation = compile_if_available(classifier[0], settings(compiler=None))
    assert compilation["why"] == "no compiler was asked for"
    assert run(classifier, device=None)[1]["why"] == "no device was asked for"


def test_the_settings_reach_the_compiler(classifier: Any, on_path: Path, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    install(on_path, calls=str(calls), **LARGE)
    asked = {"multiple_subgraphs": True, "search_delegate": True, "compiler_timeout_s": 7}
    compile_if_available(classifier[0], settings(runtime_version=13, **asked))
    given = json.loads(calls.read_text())
    assert given[given.index("--min_runtime_version") + 1] == "13"
    assert given[given.index("--timeout_sec") + 1] == "7"
    assert {"--enable_multiple_subgraphs", "--search_delegate"} <= set(given)


@pairs.needed
def test_what_the_real_compiler_wrote_is_compared_with_the_prediction(on_path: Path) -> None:
    name = "mobilenet_v1_0.25_128_quant"
    written = pairs.PAIRS / f"{name}_edgetpu.tflite"
    install(on_path, compiled=[str(written)], stdout=published.V16)
    original = (pairs.PAIRS / f"{name}.tflite").read_bytes()
    files, report = compile_edgetpu(original, {}, {})
    assert files[COMPILED] == written.read_bytes()
    assert b"Mapped to Edge TPU" in files[COMPILED_LOG]
    assert (report["compiled"], report["why"], report["evidence"]) == (True, None, "read")
    assert report["comparison"]["exact"]
    (record,) = (item for item in pairs.truth() if item["model"] == f"{name}.tflite")
    cached = report["models"][0]["parsed"]["cached_bytes"]
    assert cached == record["on_chip_cached_parameter_bytes"]
    assert (report["memory"]["cached_bytes"], report["memory"]["verdict"]) == (cached, "fits")
    assert report["work"]["mapped_share_macs"] == 1.0
    assert "duration_ms" not in json.dumps(report)


def test_without_a_device_or_a_compiled_model_nothing_is_run(
    classifier: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(if_available, "detect", tuple)
    none, report = run(classifier)
    assert none is None
    assert report == {
        "ran": False, "why": "no Edge TPU was found", "evidence": None, "devices": [],
    }  # fmt: skip
    assert run_if_available(None, SAMPLES, classifier[0], settings())[1]["why"] == (
        "there is no compiled model"
    )


def test_a_device_that_was_named_must_do(classifier: Any, denied: None) -> None:
    with pytest.raises(DeviceError):
        run(classifier, device="usb:0")


def test_its_name_and_the_model_are_checked(classifier: Any, attached: None) -> None:
    with pytest.raises(ParameterError, match="'tpu' does not name an Edge TPU"):
        run(classifier, device="tpu")
    with pytest.raises(ModelUnsupported):
        run_if_available(None, SAMPLES, classifier[0], settings(device="usb:0"))


def test_a_device_that_was_not_asked_for_may_fail(
    classifier: Any, denied: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        none, report = run(classifier)
    assert none is None
    assert "USB error -3" in report["why"]
    assert [entry["name"] for entry in report["devices"]] == ["usb:0"]
    assert [record.getMessage() for record in caplog.records] == [report["why"]]


def test_predictions_on_a_device_that_computes_as_the_cpu_are_the_cpus(
    classifier: Any, attached: None, library: str, tmp_path: Path
) -> None:
    """The stand-in takes over nothing that an output depends on."""
    labels = np.array([0, 1, 2, 1, 0])
    np.savez(tmp_path / "test.npz", x=SAMPLES.astype(np.float32), y=labels)
    dataset = {"source": "npz", "data_dir": str(tmp_path)}
    checked = recipe.check(recipe.Dataset, dataset)
    drawn = {
        "seed": 0,
        "calibration": {"split": "test.npz[:1]", "examples": None},
        "evaluation": {"split": "test.npz[1:]", "examples": None},
    }
    manifest, _ = draw(checked, recipe.check(recipe.Sampling, drawn))
    evaluation = {"edgetpu": {"library": library}}
    table, report = run_edgetpu(
        {COMPILED: classifier[1]}, classifier[0], dataset, manifest, evaluation, {}, classifier[0]
    )
    expected = predict(classifier[0], stream(checked, manifest, "evaluation"))
    assert table.num_rows == 4
    assert table.equals(expected)
    assert report["metrics"]["examples"] == 4
    (agreement,) = report["agreements"]
    assert (agreement["equal_share"], agreement["steps_max"]) == (1.0, 0)
    assert report["evidence"] == "measured"
    assert report["devices"][0]["name"] == "usb:0"
