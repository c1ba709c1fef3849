"""``quantline quantize`` and ``quantline record`` end to end, on small models."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from quantline import recipe
from quantline.files import sha256
from quantline.quantization import quantize
from quantline.ranges import RangeSet, choose, record
from quantline.tflite import Runtime, read

Q = ["quantize", "float.tflite", "-o", "out.tflite"]
DATA = [*Q, "--calibration", "samples.npz"]


def test_int8_from_samples_is_what_the_library_gives(desk: Any, plain: Any) -> None:
    done = desk.give(*DATA)
    assert done.status == 0, done.err
    content = (desk.folder / "out.tflite").read_bytes()
    ranges = record(plain.float_tflite, plain.samples)
    expected = quantize(plain.float_tflite, ranges, recipe.Conversion()).content
    assert content == expected
    told = json.loads((desk.folder / "out.json").read_bytes())
    assert told["int8_model_sha256"] == sha256(content)
    assert told["method"] == "minmax"
    assert told["float_import"]["source"]["path"] == "float.tflite"

    rows = dict(re.split(r" {2,}", line, maxsplit=1) for line in done.out.splitlines())
    port = read(content).main.tensors[read(content).main.inputs[0]].quantization
    assert port is not None
    assert rows["input"] == (
        f"image: int8 [1, 10, 10, 3], scale {port.scales[0]:.6g}, zero point {port.zero_points[0]}"
    )
    assert re.fullmatch(r"[\d.]+ KiB -> [\d.]+ KiB, [\d.]+x smaller", rows["size"])
    assert rows["left in float"].startswith("none of ")
    assert rows["ranges"] == "minmax, from 16 samples"
    assert rows["written"] == "out.tflite, out.json, out.golden.npz"


def test_the_same_again_changes_nothing_and_something_else_is_not_replaced(desk: Any) -> None:
    give = ["quantize", "float.tflite", "-o", "out.tflite", "--scheme"]
    assert desk.give(*give, "float16").status == 0
    before = desk.files()
    assert desk.give(*give, "float16").status == 0
    assert desk.files() == before
    done = desk.give(*give, "dynamic_range")
    assert done.status == 2
    assert "use '--force' to replace it" in done.err
    assert desk.files() == before
    assert desk.give(*give, "dynamic_range", "--force").status == 0
    after = desk.files()
    assert after["out.tflite"] != before["out.tflite"]
    assert json.loads(after["out.json"])["int8_model_sha256"] == sha256(after["out.tflite"])


def test_recorded_ranges_and_a_method_need_no_samples(desk: Any, plain: Any) -> None:
    done = desk.give(*Q, "--ranges", "ranges.json", "--method", "percentile", "--percentile",
                     "99", "--output-type", "float32", "--json")  # fmt: skip
    assert done.status == 0, done.err
    assert done.err == ""
    found = done.json
    assert found["written"] == ["out.tflite", "out.json", "out.golden.npz"]
    assert found["recipe"]["method"] == "percentile"
    assert found["recipe"]["percentile"] == 99
    assert found["outputs"][0]["dtype"] == "float32"
    assert found["outputs"][0]["scale"] is None
    assert found["check"]["integer_only"]
    bounds = choose(
        RangeSet.load(desk.folder / "ranges.json"),
        recipe.Ranges(method="percentile", percentile=99),
    )
    low, high = bounds[read(plain.float_tflite).main.inputs[0]]
    assert found["inputs"][0]["scale"] == pytest.approx((high - low) / 255, rel=1e-6)


def test_float16_of_a_keras_file_needs_no_samples(desk: Any, plain: Any) -> None:
    done = desk.give("quantize", str(plain.file), "--scheme", "float16", "-o", "new/out.tflite",
                     "--json")  # fmt: skip
    assert done.status == 0, done.err
    told = json.loads((desk.folder / "new/out.json").read_bytes())
    assert told["float_import"]["parity"]["note"] == "on random inputs: no samples were given"
    assert told == done.json["recipe"]
    runtime = Runtime((desk.folder / "new/out.tflite").read_bytes())
    runtime.set(plain.samples[:1])
    runtime.invoke()
    np.testing.assert_allclose(runtime.get()[0], plain(plain.samples[:1]), atol=2e-3)


def test_operators_left_in_float_fail_where_integers_were_asked_for(desk: Any, sine: Any) -> None:
    (desk.folder / "sine.tflite").write_bytes(sine.float_tflite)
    desk.save("sine.npz", image=sine.samples)
    before = desk.files()
    give = ["quantize", "sine.tflite", "--calibration", "sine.npz", "-o", "out.tflite"]
    done = desk.give(*give, "--json")
    assert done.status == 1
    assert done.json["exit_status"] == 1
    assert done.json["error"]["kind"] == "CheckFailed"
    assert len(done.err.strip().splitlines()) == 1
    assert "SIN has no int8 form in TensorFlow" in done.err
    assert "write two parabolas" in done.err
    assert "'--scheme int8_float_fallback'" in done.err
    assert desk.files() == before

    done = desk.give(*give, "--scheme", "int8_float_fallback")
    assert done.status == 0, done.err
    assert re.search(r"left in float +1 of \d+ operators: SIN 1", done.out)
    assert "warning: " in done.err


def test_what_the_lint_finds_can_be_overruled(desk: Any) -> None:
    desk.save("samples.npz", image=np.tile(np.float32([[[[0, 1, 2]]]]), (5, 10, 10, 1)))
    done = desk.give("record", "float.tflite", "--calibration", "samples.npz", "-o", "new.json")
    assert done.status == 2
    assert "duplicates" in done.err
    done = desk.give("record", "float.tflite", "--calibration", "samples.npz", "-o", "new.json",
                     "--lint", "warn", "--json")  # fmt: skip
    assert done.status == 0
    assert "warning: duplicates" in done.err
    assert done.json["samples"] == 5
    assert "duplicates" in [entry["name"] for entry in done.json["findings"]]


def test_a_keras_file_recorded_twice_gives_ranges_that_its_quantization_takes(
    desk: Any, plain: Any
) -> None:
    """The import gives the same bytes each time, or the ranges would be of another model."""
    # Several arrays: which of them is the input must be asked of the model first.
    desk.save("both.npz", image=plain.samples, label=np.arange(16))
    model = str(plain.file)
    done = desk.give("record", model, "--calibration", "both.npz", "-o", "keras.json", "--json")
    assert done.status == 0, done.err
    assert "not used: label" in done.err
    done = desk.give("quantize", model, "--ranges", "keras.json", "-o", "out.tflite")
    assert done.status == 0, done.err
    assert "from 16 samples" in done.out


def test_a_single_array_needs_no_name(desk: Any, plain: Any) -> None:
    expected = (desk.folder / "ranges.json").read_bytes()
    np.save(desk.folder / "one.npy", plain.samples)
    desk.save("one.npz", whatever=plain.samples)
    desk.save("x.npz", x=plain.samples, ids=np.array(["a"] * 16))
    found = []
    for name in ("one.npy", "one.npz", "x.npz", "samples.npz"):
        done = desk.give("record", "float.tflite", "--calibration", name, "-o", "new.json",
                         "--force")  # fmt: skip
        assert done.status == 0, done.err
        found.append(RangeSet.load(desk.folder / "new.json"))
    assert all(item == found[0] for item in found)
    assert found[0].tensors == RangeSet.from_dict(json.loads(expected)).tensors
