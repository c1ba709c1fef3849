"""The options of a conversion say what its parameters say."""

from __future__ import annotations

from typing import Any

import pytest

from quantline import recipe
from quantline.quantization import quantize
from quantline.ranges import record
from quantline.tflite import read

DATA = ["quantize", "float.tflite", "-o", "out.tflite", "--calibration", "samples.npz"]


def made_by(desk: Any, *options: str) -> bytes:
    done = desk.give(*DATA, *options)
    assert done.status == 0, done.err
    return bytes((desk.folder / "out.tflite").read_bytes())


def expected(plain: Any, **values: Any) -> bytes:
    conversion = recipe.check(recipe.Conversion, values)
    ranges = record(plain.float_tflite, plain.samples)
    return quantize(plain.float_tflite, ranges, conversion, list(plain.samples)).content


def test_overrides_and_bias_correction(desk: Any, plain: Any) -> None:
    name = read(plain.float_tflite).main.tensors[read(plain.float_tflite).main.inputs[0]].name
    overrides = [
        {"tensor": ".*", "method": "percentile", "percentile": 99.5},
        {"tensor": name, "min": -1.5, "max": 2.5},
    ]
    got = made_by(
        desk, "--override", ".*=percentile,99.5", "--override", f"{name}=-1.5,2.5",
        "--bias-correction",
    )  # fmt: skip
    assert got == expected(plain, ranges={"overrides": overrides}, bias_correction=True)
    main = read(got).main
    assert main.tensors[main.inputs[0]].quantization.scales[0] == pytest.approx(4 / 255)


def test_a_pin_is_the_scale_and_the_zero_point_of_the_input(desk: Any) -> None:
    main = read(made_by(desk, "--pin", "image=0.25,-3")).main
    quantization = main.tensors[main.inputs[0]].quantization
    assert quantization is not None
    assert (quantization.scales[0], quantization.zero_points[0]) == (0.25, -3)


def test_what_is_kept_in_float(desk: Any) -> None:
    got = read(
        made_by(desk, "--scheme", "int8_float_fallback", "--keep-float", "MEAN", "--keep-float",
                "CONV_2D")
    )  # fmt: skip
    kept = {operator.type for operator in got.main.operators
            if got.main.tensors[operator.outputs[0]].dtype == "float32"}  # fmt: skip
    assert "CONV_2D" in kept
    assert "FULLY_CONNECTED" not in kept


MISTAKES: dict[str, tuple[list[str], list[str]]] = {
    "override without '='": (["--override", "relu"], ["'--override relu'", "TENSOR=METHOD"]),
    "override of an unknown method": (["--override", "x=kl"], ["Found: 'kl'", "TENSOR=MIN,MAX"]),
    "override from high to low": (["--override", "x=3,1"], ["'--override x=3,1'", "min below max"]),
    "override of infinity": (["--override", "x=0,inf"], ["finite"]),
    "override of a bad percentile": (["--override", "x=percentile,2"], ["greater than 50"]),
    "override with a number too many": (["--override", "x=mse,2"], ["'2' after 'mse'"]),
    "override of a bad expression": (["--override", "(=mse"], ["regular expression"]),
    "override that fits nothing": (["--override", "zzz=mse"], ["'zzz' fits no tensor"]),
    "pin without a number": (["--pin", "image=wide"], ["'--pin image=wide'", "Found: 'wide'"]),
    "pin of scale 0": (["--pin", "image=0,0"], ["greater than 0"]),
    "pin of half a zero point": (["--pin", "image=1,0.5"], ["a whole zero point"]),
    "pin twice": (["--pin", "image=1,0", "--pin", "image=2,0"], ["'image' pinned twice"]),
    "pin of no input": (["--pin", "imago=1,0"], ["'imago' in '--pin'", "'image'"]),
    "kept by a bad expression": (["--keep-float", "("], ["'--keep-float' has a bad value"]),
    "kept where all is an integer": (
        ["--keep-float", "MEAN"],
        ["'--scheme int8_float_fallback'", "no '--keep-float'"],
    ),
    "kept what is not there": (
        ["--scheme", "int8_float_fallback", "--keep-float", "SOFTMIX"],
        ["'SOFTMIX' in '--keep-float' fits no operator"],
    ),
    "float16 with a pin": (
        ["--scheme", "float16", "--pin", "image=1,0"],
        ["leaves activations", "Leave out '--pin'"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_paragraph_that_names_the_option(desk: Any, mistake: str) -> None:
    options, texts = MISTAKES[mistake]
    before = desk.files()
    done = desk.give(*DATA, *options)
    assert done.status == 2
    assert len(done.err.strip().splitlines()) == 1
    for text in texts:
        assert text in done.err
    assert "conversion." not in done.err
    assert desk.files() == before


def test_bias_correction_needs_samples(desk: Any) -> None:
    done = desk.give("quantize", "float.tflite", "-o", "out.tflite", "--ranges", "ranges.json",
                     "--bias-correction")  # fmt: skip
    assert done.status == 2
    assert "Bias correction needs samples" in done.err
    assert "without '--bias-correction'" in done.err
