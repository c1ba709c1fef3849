"""The lint as a stage of the chain: what stops a run, what is only said, and what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from quantline.errors import DataError
from quantline.pipelines.calibration import lint_calibration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@pytest.fixture
def prepared(project: Any) -> Any:
    """A project whose model is imported without TensorFlow."""
    project.set(model={"path": "data/01_raw/model.tflite"})
    return project


def write(project: Any, change: Callable[[np.ndarray], np.ndarray], count: int = 200) -> None:
    """Write train.npz anew, its first examples changed."""
    path = project.folder / "data/01_raw/train.npz"
    with np.load(path) as arrays:
        values = dict(arrays)
    np.savez(path, x=change(values["x"][:count]), y=values["y"][:count])


def calibrate(kedro_run: Callable[..., tuple[int, str]], *arguments: str) -> tuple[int, str]:
    return kedro_run("--to-nodes", "check_convergence", *arguments)


def lint(
    project: Any, change: Callable[[np.ndarray], None], strictness: str, **dataset: Any
) -> None:
    """Lint a calibration set that was changed since it was drawn, which a run would refuse."""
    with np.load(project.folder / "data/05_model_input/calibration.npz") as arrays:
        values = {name: arrays[name] for name in ("x", "ids")}
    change(values["x"])
    model = (project.folder / "data/06_models/float.tflite").read_bytes()
    given = {**project.parameters()["dataset"], **dataset}
    manifest = project.json("03_primary/manifest.json")
    lint_calibration(model, values, manifest, given, {"lint": strictness})


def names(project: Any) -> list[str]:
    report = project.json("08_reporting/calibration.json")
    return [entry["name"] for entry in report["findings"]]


def test_a_sound_set_passes_and_its_report_is_kept(prepared: Any, kedro_run: Any) -> None:
    assert calibrate(kedro_run)[0] == 0
    report = prepared.json("08_reporting/calibration.json")
    assert report["findings"] == []
    assert report["examples"] == 40
    assert report["distribution"]["high"] == pytest.approx(1, abs=0.1)
    assert report["evaluation_distribution"]["examples"] == 120
    convergence = report["convergence"]
    assert convergence["evidence"] == "measured"
    assert [item["examples"] for item in convergence["curve"]] == [5, 10, 20]
    assert prepared.json("08_reporting/calibration_lint.json")["findings"] == []


def test_the_report_has_the_same_bytes_again(prepared: Any, kedro_run: Any) -> None:
    path = prepared.folder / "data/08_reporting/calibration.json"
    assert calibrate(kedro_run)[0] == 0
    first = path.read_bytes()
    assert kedro_run("--pipelines", "calibration")[0] == 0
    assert path.read_bytes() == first


BAD: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Sequence[str]]] = {
    "raw pixels": (lambda x: x * 255, ["distribution_shift", "x / 255", "from 0."]),
    "zeros": (np.zeros_like, ["constant_samples", "duplicates", "40 of 40"]),
    "one example": (lambda x: np.repeat(x[:1], len(x), axis=0), ["duplicates", "39 of 40"]),
}


@pytest.mark.parametrize(("change", "said"), BAD.values(), ids=BAD)
def test_a_bad_set_stops_the_run_before_ranges_are_recorded(
    prepared: Any,
    kedro_run: Any,
    change: Callable[[np.ndarray], np.ndarray],
    said: Sequence[str],
) -> None:
    write(prepared, change)
    status, paragraph = calibrate(kedro_run)
    assert status == 2
    for words in (*said, "not fit to calibrate with", "'calibration.lint'"):
        assert words in paragraph
    assert "06_models/ranges.json" not in prepared.written()
    assert "08_reporting/calibration.json" not in prepared.written()


def test_one_can_go_on_all_the_same(
    prepared: Any, kedro_run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    write(prepared, lambda x: x * 255)
    assert calibrate(kedro_run, "--params", "calibration.lint=warn")[0] == 0
    report = prepared.json("08_reporting/calibration.json")
    assert report["findings"][0]["severity"] == "error"
    assert names(prepared) == ["distribution_shift"]
    assert any("distribution_shift" in record.message for record in caplog.records)


def test_nan_stops_a_run_whatever_was_asked_for(prepared: Any, kedro_run: Any) -> None:
    assert kedro_run("--to-nodes", "import_model")[0] == 0

    def spoil(x: np.ndarray) -> None:
        x[3] = np.nan

    with pytest.raises(DataError) as error:
        lint(prepared, spoil, "warn")
    assert "nan: 1 of 40 examples (train.npz[" in str(error.value)
    assert "'calibration.lint'" not in str(error.value)


def test_warnings_do_not_stop_a_run(prepared: Any, kedro_run: Any) -> None:
    def flat(x: np.ndarray) -> np.ndarray:
        return np.concatenate([np.full_like(x[:3], 0.5), x[3:30]])

    write(prepared, flat, 30)
    assert calibrate(kedro_run, "--params", "sampling.calibration.examples=30")[0] == 0
    assert names(prepared) == ["constant_samples", "duplicates"]


def test_four_examples_are_too_few(prepared: Any, kedro_run: Any) -> None:
    assert calibrate(kedro_run, "--params", "sampling.calibration.examples=4")[0] == 0
    assert names(prepared)[-1] == "not_converged"


def test_missing_classes_are_named(prepared: Any, kedro_run: Any) -> None:
    path = prepared.folder / "data/01_raw/train.npz"
    with np.load(path) as arrays:
        keep = arrays["y"] != 2
        values = {key: array[keep] for key, array in arrays.items()}
    np.savez(path, **values)
    assert calibrate(kedro_run)[0] == 0
    (finding,) = prepared.json("08_reporting/calibration.json")["findings"]
    assert finding["name"] == "missing_classes"
    assert finding["found"].endswith("1 of the 4 classes of the evaluation set: 2")


def test_a_set_that_is_not_what_the_transform_gives(prepared: Any, kedro_run: Any) -> None:
    for name in ("train", "test"):
        path = prepared.folder / f"data/01_raw/{name}.npz"
        with np.load(path) as arrays:
            np.savez(path, x=np.round(arrays["x"] * 255).astype(np.uint8), y=arrays["y"])
    prepared.set(
        dataset={
            "source": "npz",
            "data_dir": "data/01_raw",
            "transform": [{"rescale": {"scale": 1 / 255}}],
        }
    )
    assert calibrate(kedro_run)[0] == 0
    assert names(prepared) == []

    def spoil(x: np.ndarray) -> None:
        x[3] *= 2

    with pytest.raises(DataError, match="outside_transform: 1 of 40 examples"):
        lint(prepared, spoil, "error", transform=[{"rescale": {"scale": 1 / 255}}])


def test_the_lint_has_two_settings(project: Any, kedro_run: Any) -> None:
    status, paragraph = kedro_run("--params", "calibration.lint=off")
    assert status == 2
    assert "'calibration.lint'" in paragraph
