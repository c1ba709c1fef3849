"""``quantline ranges`` and ``quantline merge``."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from tests.ranges.sketches import sketch_of

from quantline.commands.draw import COLUMNS, column_shares, draw_ranges
from quantline.commands.ranges import int8_steps
from quantline.ranges import RangeSet, TensorRange
from quantline.tflite import read


def shards(desk: Any, plain: Any) -> None:
    for name, values in (("a", plain.samples[:9]), ("b", plain.samples[9:])):
        desk.save(f"{name}.npz", image=values)
        done = desk.give("record", "float.tflite", "--calibration", f"{name}.npz", "-o",
                         f"{name}.json")  # fmt: skip
        assert done.status == 0, done.err


def test_shards_merge_in_any_order(desk: Any, plain: Any) -> None:
    shards(desk, plain)
    assert desk.give("merge", "a.json", "b.json", "-o", "ab.json").status == 0
    done = desk.give("merge", "b.json", "a.json", "-o", "ba.json", "--json")
    assert done.status == 0
    assert done.json["samples"] == 16
    assert (desk.folder / "ab.json").read_bytes() == (desk.folder / "ba.json").read_bytes()
    whole = RangeSet.load(desk.folder / "ranges.json")
    assert RangeSet.load(desk.folder / "ab.json").tensors == whole.tensors

    done = desk.give("merge", "a.json", "ab.json", "-o", "new.json")
    assert done.status == 2
    assert "from the same samples" in done.err
    assert not (desk.folder / "new.json").exists()


def test_the_table_has_a_row_a_tensor(desk: Any) -> None:
    recorded = RangeSet.load(desk.folder / "ranges.json")
    done = desk.give("ranges", "ranges.json")
    assert done.status == 0, done.err
    rows = done.out.splitlines()
    assert rows[0].startswith(f"{len(recorded.tensors)} tensors, 16 samples")
    assert len(rows) == 3 + len(recorded.tensors)
    for row, tensor in zip(rows[3:], recorded.tensors, strict=True):
        cells = row.split()
        assert cells[0] == str(tensor.index)
        assert cells[1] == f"{tensor.min:.4g}"
        assert row.endswith(tensor.name)


def test_json_tells_all_of_each_tensor(desk: Any) -> None:
    done = desk.give("ranges", "ranges.json", "--method", "percentile", "--percentile", "90",
                     "--json")  # fmt: skip
    for item in done.json["tensors"]:
        assert item["min"] <= item["p0_1"] <= item["p99_9"] <= item["max"]
        assert item["min"] <= item["average_min"] <= item["average_max"] <= item["max"]
        assert item["chosen_max"] <= item["max"]
        assert 0 <= item["zero_share"] <= 1
        assert item["nan"] == item["inf"] == 0


def test_drift_is_shown_the_largest_first(desk: Any, plain: Any) -> None:
    shards(desk, plain)
    done = desk.give("ranges", "ranges.json", "--compare", "a.json", "--json")
    worst = [max(abs(item["min_steps"]), abs(item["max_steps"])) for item in done.json["drift"]]
    assert worst == sorted(worst, reverse=True)
    assert worst[0] > 0
    done = desk.give("ranges", "ranges.json", "--compare", "a.json")
    assert "min moved" in done.out
    first = done.out.splitlines()[3].split()
    assert max(abs(float(first[1])), abs(float(first[2]))) == pytest.approx(worst[0], abs=0.06)


def test_scale_and_zero_point_are_those_of_the_int8_model(desk: Any, plain: Any) -> None:
    recorded = RangeSet.load(desk.folder / "ranges.json")
    made = read(plain.int8_tflite)
    by_name = {
        tensor.name: tensor.quantization for tensor in made.main.tensors if tensor.quantization
    }
    compared = 0
    for tensor in recorded.tensors:
        if tensor.name not in by_name or "Softmax" in tensor.name or "Partitioned" in tensor.name:
            continue
        steps = int8_steps(tensor.min, tensor.max)
        assert steps is not None
        found = by_name[tensor.name]
        assert steps[0] == pytest.approx(found.scales[0], rel=1e-5)
        assert steps[1] == found.zero_points[0]
        compared += 1
    assert compared >= 4


def test_a_tensor_of_zeros_or_without_a_finite_value_has_no_scale(desk: Any) -> None:
    assert int8_steps(0.0, 0.0) is None
    assert int8_steps(1.0, 2.55) == (pytest.approx(0.01), -128)
    assert int8_steps(-2.55, -1.0) == (pytest.approx(0.01), 127)
    tensors = (
        TensorRange(0, "zeros", 0.0, 0.0, 1, 4, sketch=sketch_of(np.zeros(4, np.float32))),
        TensorRange(1, "broken", np.inf, -np.inf, 1, 4, nan=3, inf=1),
        TensorRange(2, "sound", -1.0, 3.0, 1, 2, sketch=sketch_of(np.float32([-1, 3]))),
    )
    RangeSet(tensors, 1, "ab" * 32, (), {}).save(desk.folder / "odd.json")
    done = desk.give("ranges", "odd.json", "--method", "mse", "--plot", "odd.png")
    assert done.status == 0, done.err
    zeros, broken, _ = done.out.splitlines()[3:6]
    assert zeros.split()[-3:] == ["-", "-", "zeros"]
    assert broken.split()[-4:] == ["3/1", "-", "-", "broken"]
    assert (desk.folder / "odd.png").read_bytes().startswith(b"\x89PNG")
    assert desk.give("ranges", "odd.json", "--json").json["tensors"][1]["min"] is None


def test_columns_hold_every_value_once() -> None:
    rng = np.random.default_rng(5)
    values = np.maximum(rng.normal(1, 2, 5000), 0).astype(np.float32)
    edges = np.linspace(0, float(values.max()), COLUMNS + 1)
    shares = column_shares(sketch_of(values), edges)
    assert shares.sum() == pytest.approx(1)
    assert shares[0] >= (values == 0).mean()
    exact = np.histogram(values, edges)[0] / len(values)
    # A bin of the sketch is up to two columns wide: cumulated, one column's worth may be apart.
    assert np.abs(np.cumsum(shares) - np.cumsum(exact)).max() < 0.01


def test_a_picture_of_many_tensors_grows_with_them() -> None:
    def height(count: int) -> int:
        sketch = sketch_of(np.linspace(-1, 1, 50, dtype=np.float32))
        tensors = [TensorRange(at, f"tensor_{at}", -1.0, 1.0, 1, 50, sketch=sketch)
                   for at in range(count)]  # fmt: skip
        picture = draw_ranges(tensors, dict.fromkeys(range(count), (-1.0, 1.0)), "many", "minmax")
        return int.from_bytes(picture[20:24], "big")

    assert height(60) - height(20) >= 40 * 15


@pytest.mark.parametrize("arguments", [["--help"], ["ranges", "ranges.json"], ["ranges", "--help"],
                                       ["quantize", "--help"], ["--version"]])  # fmt: skip
def test_start_up_loads_nothing_heavy(desk: Any, arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from quantline.__main__ import main\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "try:\n    main()\n"
        "finally:\n    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    loaded = {part.partition(".")[0] for part in done.stderr.split()}
    heavy = {"tensorflow", "keras", "mlflow", "kedro", "dvc", "matplotlib", "tensorflow_datasets"}
    assert not loaded & heavy
    assert "quantline" in done.stdout or "tensors" in done.stdout
