"""The summary as numbers, as a table and as a picture."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from quantline.errors import OutputNotWritten, ResultMissing
from quantline.report import draw_summary, key_figures, print_results, summarize, summary_table
from quantline.report.table import percent, points
from quantline.results import check_result

SCORES = {"top1": 0.9255, "top1_low": 0.9202, "top1_high": 0.9305,
          "loss": 0.207, "loss_low": 0.194, "loss_high": 0.22}  # fmt: skip
TIMES = {"latency_ms_p10": 1.0, "latency_ms_p50": 1.1, "latency_ms_p90": 1.4, "latency_ms_min": 0.9}
MANIFEST = {
    "dataset": {"source": "npz", "name": "clothes", "version": None},
    "calibration": {"split": "train", "examples": [{}] * 3},
    "evaluation": {"split": "test", "examples": [{}] * 1234},
}


FIGURES = {"relative_error": 0.08, "sqnr_db": 21.5,
           "worst_channel": {"channel": 7, "sqnr_db": 14.25}}  # fmt: skip
MEASURED = {
    "evidence": "measured", "samples": 32, "outputs": [
        {"name": "exact", "before": None, "relative_error": 0.0, "sqnr_db": None,
         "worst_channel": None},
        {"name": "classes", "before": {"operator": "SOFTMAX", **FIGURES}, "sqnr_db": 5.0},
    ],
}  # fmt: skip


def summary(
    compilation: Any = None, run: Any = None, memory: Any = None, **scores: float
) -> dict[str, Any]:
    return summarize(
        {**scores, "size_bytes": 250_000},
        {**scores, "size_bytes": 95_000},
        {"agreement": 0.99, "agreement_low": 0.98, "agreement_high": 0.995, "size_ratio": 2.63,
         "top1_drop_points": 0.06, "top1_drop_points_low": -0.09, "top1_drop_points_high": 0.21,
         "per_class": [{"class": 0}]},
        {"float": TIMES, "int8": {**TIMES, "speed_ratio": 1.7, "speed_ratio_low": 1.6,
                                  "speed_ratio_high": 1.8}},
        {"integer_only": False, "float_operators": 3, "interface_operators": 0, "tensors": 34,
         "integer_tensors": 31, "evidence": "parsed", "target": {"name": "cpu", "holds": True}},
        {"report": {"evidence": "predicted", "runtime_version": 14, "operators_total": 12,
                    "mapped_operators": 9, "unknown_operators": 1, "mapped_share": 0.75,
                    "mapped_share_macs": 0.5, "subgraphs": 1, "operators": [],
                    "memory": memory or {
                        "parameter_bytes": 2048, "parameter_bytes_low": 2048,
                        "parameter_bytes_high": 2048, "cached_bytes": 2048, "streamed_bytes": 0,
                        "verdict": "fits", "evidence": "predicted"}},
         "latency": {"low": 1.2, "high": 3.4, "cpu": {"cpu_ms": 0.5}, "evidence": "predicted"},
         "compilation": compilation or {"compiled": False},
         "run": run or {"ran": False}},
        {"verdict": "refused", "champion": "version 3", "rules": [
            {"outcome": name} for name in ("failed", "passed", "passed", "skipped")]},
        {"measured": MEASURED},
    )  # fmt: skip


def rendered(values: dict[str, Any]) -> str:
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=120).print(summary_table(values, MANIFEST))
    return out.getvalue()


def test_scores_of_other_examples_are_not_summed_up() -> None:
    sound = summary(**SCORES)
    for float_metrics, int8_metrics, comparison in (
        ({**SCORES, "examples": 10}, {**SCORES, "examples": 20}, sound["comparison"]),
        (SCORES, {}, sound["comparison"]),
        (SCORES, SCORES, {"agreement": 1.0}),
    ):
        with pytest.raises(ResultMissing, match="not of the same examples"):
            summarize(float_metrics, int8_metrics, comparison, {}, {}, {}, {}, {})


def test_the_summary_joins_scores_and_times() -> None:
    got = summary(**SCORES)
    assert set(got) == {"float", "int8", "comparison", "outputs", "integer_only", "edgetpu", "gate"}
    assert got["outputs"]["sqnr_db"] == 21.5
    assert got["outputs"]["worst_channel_sqnr_db"] == 14.25
    assert got["gate"] == {"verdict": "refused", "passed": False, "rules": 4, "failed": 1,
                           "undecided": 0, "skipped": 1, "champion": "version 3"}  # fmt: skip
    assert got["float"]["latency_ms_p50"] == 1.1
    assert got["comparison"]["speed_ratio_low"] == 1.6
    assert "per_class" not in got["comparison"]
    assert got["edgetpu"]["operators"] == 12


def test_key_figures_are_flat_and_of_the_summary() -> None:
    figures = key_figures(summary(**SCORES))
    assert figures["int8_top1"] == SCORES["top1"]
    assert figures["speed_ratio"] == 1.7
    assert figures["float_operators"] == 3
    assert figures["gate_passed"] is False
    check_result("key_figures", figures, Path("key_figures.json"))
    assert "int8_top1" not in key_figures(summary())


def test_the_table_shows_each_figure_with_its_evidence() -> None:
    text = rendered(summary(**SCORES))
    for words in ("clothes: 1,234 examples of 'test', calibrated on 3 of 'train'",
                  "92.55 ± 0.53 %", "-0.06 ± 0.15 points", "2.6x smaller",
                  "no: 3 operators float", "31 of 34 tensors", "target cpu", "kept",
                  "9 of 12 operators, 1 unknown", "21.5 dB, before SOFTMAX",
                  "channel 7: 14.2 dB", "measured", "parsed", "predicted"):  # fmt: skip
        assert words in text


def test_without_labels_there_is_no_accuracy() -> None:
    text = rendered(summary())
    assert "top-1 " not in text.replace("same top-1", "")
    assert "same top-1" in text
    assert draw_summary(summary()).startswith(b"\x89PNG")


def test_the_picture_is_a_png_and_the_same_twice() -> None:
    first = draw_summary(summary(**SCORES))
    assert first.startswith(b"\x89PNG")
    assert first == draw_summary(summary(**SCORES))


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.756, 0.819, "78.9 ± 3.3 %"),
        (0.7887, 0.7897, "78.920 ± 0.050 %"),
        (0.4, 1.0, "79 ± 39 %"),
        (0.7892, 0.7892, "78.92 ± 0.00 %"),
    ],
)
def test_an_uncertainty_has_two_digits(low: float, high: float, text: str) -> None:
    assert percent({"top1": 0.7892, "top1_low": low, "top1_high": high}, "top1") == text


def test_a_drop_is_shown_as_a_change() -> None:
    assert points({"d": 1.4, "d_low": -0.1, "d_high": 2.9}, "d") == "-1.4 ± 1.5 points"
    assert points({"d": 0.0, "d_low": -2.3, "d_high": 2.3}, "d") == "+0.0 ± 2.3 points"


COMPILATION: dict[str, Any] = {
    "compiled": True,
    "evidence": "read",
    "models": [{"operators_total": 12, "mapped_operators": 11, "subgraphs": 2}],
    "work": {"mapped_share_macs": 0.9, "evidence": "parsed"},
    "memory": {"parameter_bytes": 4096, "parameter_bytes_low": 4096, "parameter_bytes_high": 4096,
               "cached_bytes": 3072, "streamed_bytes": 1024,
               "verdict": "does not fit", "evidence": "parsed"},
    "comparison": {"misses": [{}, {}]},
}  # fmt: skip
RUN = {
    "ran": True,
    "device": "usb:0",
    "latency": {**TIMES, "latency_ms_first": 20.0, "evidence": "measured"},
    "metrics": {"top1": 0.91, "top1_low": 0.9, "top1_high": 0.92, "evidence": "measured"},
    "agreements": [{"equal_share": 0.99, "steps_max": 2, "top1_agreement": 0.997, "output": "a"}],
}


def test_what_was_foretold_gives_way_to_what_the_compiler_did() -> None:
    got = summary(compilation=COMPILATION)["edgetpu"]
    assert (got["mapped_operators"], got["unknown_operators"], got["subgraphs"]) == (11, 0, 2)
    assert (got["cached_bytes"], got["streamed_bytes"]) == (3072, 1024)
    assert (got["mapped_share_macs"], got["memory"]) == (0.9, "does not fit")
    assert (got["evidence"], got["memory_evidence"], got["predicted_wrongly"]) == (
        "read", "parsed", 2,
    )  # fmt: skip


def test_parameters_that_are_not_known_are_shown_with_their_bounds() -> None:
    unknown = {
        "parameter_bytes": None, "parameter_bytes_low": 2**20, "parameter_bytes_high": 3 * 2**20,
        "cached_bytes": None, "streamed_bytes": None, "verdict": "fits", "evidence": "predicted",
    }  # fmt: skip
    assert "unknown, 1.00 MiB to 3.00 MiB" in rendered(summary(memory=unknown))


def test_a_run_on_a_device_does_not_measure_what_the_compiler_printed() -> None:
    got = summary(compilation=COMPILATION, run=RUN)["edgetpu"]
    assert (got["evidence"], got["latency_evidence"]) == ("read", "measured")
    assert summary()["edgetpu"]["latency_evidence"] == "predicted"


def test_a_band_gives_way_to_what_a_device_took() -> None:
    assert "1.2 to 3.4 ms" in rendered(summary())
    text = rendered(summary(compilation=COMPILATION, run=RUN))
    assert "1.2 to 3.4 ms" not in text
    assert "usb:0" in text
    assert "99.70% as on the CPU" in text


class Refusing(io.StringIO):
    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


def test_a_table_is_lost_to_a_reader_who_left_and_an_error_on_a_full_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from rich.table import Table

    monkeypatch.setattr("sys.stdout", Refusing(BrokenPipeError()))
    print_results(Table("a"), "b", width=80)
    monkeypatch.setattr("sys.stdout", Refusing(OSError(28, "No space left on device")))
    with pytest.raises(OutputNotWritten, match="could not be printed"):
        print_results(Table("a"), "b", width=80)


def test_a_table_and_texts_are_printed_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    print_results(Table("heading"), "[not markup] " + "x" * 200, width=80)
    out = capsys.readouterr().out
    assert out.index("heading") < out.index("[not markup] " + "x" * 200)
