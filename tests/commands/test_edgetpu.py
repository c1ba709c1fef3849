"""``quantline edgetpu``: what it tells before and after compilation, and every mistake.

The compiler and the runtime library are stand-ins; the one compiled model that is not the tests'
own lies beside the repository.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.commands.conftest import Desk
from tests.edgetpu import compiling, pairs, programs, stand_in_library
from tests.edgetpu import published_output as published
from tests.edgetpu.conftest import Model
from tests.edgetpu.stand_in_compiler import install

from quantline.edgetpu.cost.remainder import Remainder

if TYPE_CHECKING:
    from pathlib import Path

CACHED = 32_768  # of 128 by 256 weights, in the compiler's layout
LATENCY = {"low", "high", "basis", "evidence", "cpu", "edgetpu_low", "edgetpu_high"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two operators for the Edge TPU, then one that is not and one that could be.

    With it what a compiler would make of it, the same in float, one of a single operator and what
    is no model.
    """
    folder = tmp_path_factory.mktemp("edgetpu")
    for dtype in ("int8", "float32"):
        model = Model()
        first, second = model.tensor(1, 256, dtype=dtype), model.tensor(1, 128, dtype=dtype)
        weights = model.tensor(128, 256, dtype=dtype, values=1)
        model.add("FULLY_CONNECTED", [first, weights, -1], [second])
        at = second
        for kind in ("RELU", "EXP", "RELU"):
            output = model.tensor(1, 128, dtype=dtype)
            model.add(kind, [at], [output])
            at = output
        graph = model.graph(at)
        (folder / f"{dtype}.tflite").write_bytes(compiling.file(graph))
        if dtype == "int8":
            compiled = compiling.compiled(graph, {0, 1}, program=programs.pair(CACHED, cycles=9000))
            (folder / "compiled.tflite").write_bytes(compiling.file(compiled))
    whole = Model()
    (folder / "whole.tflite").write_bytes(
        compiling.file(whole.graph(whole.unary("RELU", whole.tensor(1, 8))))
    )
    empty = Model()
    (folder / "nothing.tflite").write_bytes(compiling.file(empty.graph(empty.tensor(1, 8))))
    (folder / "empty.tflite").write_bytes(b"")
    (folder / "text.tflite").write_bytes(b"no model at all")
    (folder / "cut.tflite").write_bytes((folder / "int8.tflite").read_bytes()[:-4_000])
    np.savez(folder / "samples.npz", x=np.zeros((2, 256), np.float32))
    return folder


@pytest.fixture
def desk(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A folder with links to those files, and no compiler on PATH."""
    folder = tmp_path / "desk"
    folder.mkdir()
    for path in files.iterdir():
        (folder / path.name).symlink_to(path)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return Desk(folder)


@pytest.fixture(autouse=True)
def timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No child process to time the CPU's part: that has tests of its own."""
    module = import_module("quantline.edgetpu.evaluate")
    monkeypatch.setattr(
        module,
        "measure_remainder",
        lambda model, left: Remainder(
            len(left), (0.25, 0.5, 2.0) if left else (0.0, 0.0, 0.0), "xnnpack", 1, 10, "timed"
        ),
    )


def rows(block: str) -> dict[str, str]:
    """A block of names and values, further lines joined to the first."""
    found: dict[str, str] = {}
    name = ""
    for line in block.splitlines():
        head, text = line[:12].strip(), line[12:]
        name = head or name
        found[name] = f"{found[name]} {text}" if name in found else text
    return found


def test_before_compilation(desk: Desk) -> None:
    before = desk.files()
    done = desk.give("edgetpu", "int8.tflite")
    assert (done.status, done.err) == (0, "")
    verdict, left, few, advice, not_predicted = done.out.strip().split("\n\n")
    told = rows(verdict)
    assert few.splitlines() == [
        "By rules seen in fewer than 3 of 25 compiled models:",
        "  1 RELU: mapped (documented, in 0 of them)",
    ]
    assert told["operators"] == (
        "2 of 4 on the Edge TPU and 100% of the multiply-accumulates, in 1 subgraph, or 2 with "
        "--multiple-subgraphs (predicted for runtime 14)"
    )
    assert told["parameters"].startswith("32 KiB fit the chip's memory, with room for about 7.8")
    assert " ms on the Edge TPU (predicted), and " in told["latency"]
    assert "0.5 ms for 2 operators on this CPU (measured, 1 thread)" in told["latency"]
    assert left.splitlines() == [
        "Not on the Edge TPU:",
        "  2 EXP",
        "    Operation not supported",
        "    the operator is not in the documented table (documented)",
        "  3 RELU",
        "    More than one subgraph is not supported",
        "    only the first group of supported operators is compiled (seen in compiled models)",
    ]
    assert advice.startswith("To have more on it, the worst obstacle first:\n  2 EXP: +2 operators")
    assert not_predicted.startswith("Not predicted:\n")
    assert max(map(len, done.out.splitlines())) <= 100
    assert desk.files() == before


def test_machines_are_told_all_of_it(desk: Desk) -> None:
    told = desk.give("edgetpu", "int8.tflite", "--json").json
    assert (told["evidence"], told["subgraphs"], told["runtime_version"]) == ("predicted", 1, 14)
    assert [item["target"] for item in told["operators"]] == ["edgetpu", "edgetpu", "cpu", "cpu"]
    for index, operator in enumerate(told["operators"]):
        assert operator["index"] == index
        assert {"type", "name", "status", "rule", "evidence"} <= operator.keys()
    memory = told["memory"]
    assert memory["parameter_bytes"] == memory["cached_bytes"] == CACHED
    assert (memory["streamed_bytes"], memory["verdict"]) == (0, "fits")
    latency = told["latency_ms"]
    assert latency.keys() == LATENCY
    assert 0 < latency["edgetpu_low"] < latency["edgetpu_high"]
    assert latency["low"] == latency["edgetpu_low"] + 0.25
    assert latency["high"] == latency["edgetpu_high"] + 2.0
    assert (latency["evidence"], latency["cpu"]["evidence"]) == ("predicted", "measured")
    assert told["devices"] == []


def test_after_compilation(desk: Desk) -> None:
    done = desk.give("edgetpu", "compiled.tflite")
    assert (done.status, done.err) == (0, "")
    verdict, left, not_predicted, held = done.out.strip().split("\n\n")
    told = rows(verdict)
    assert told["operators"] == (
        "1 subgraph on the Edge TPU, 2 operators on the CPU (parsed; needs runtime 13)"
    )
    assert told["parameters"] == "32 KiB fit the chip's memory (parsed)"
    assert left.splitlines()[:2] == ["Not on the Edge TPU, by the rules because:", "  1 EXP"]
    assert "large activations" not in not_predicted
    row = held.splitlines()[-1].split()
    assert row[:5] == ["0", "runtime", "13", "32,768", "0"]
    assert "9,000" in row
    as_json = desk.give("edgetpu", "compiled.tflite", "--json").json
    assert as_json["evidence"] == as_json["memory"]["evidence"] == "parsed"
    assert as_json["compiled"]["subgraphs"][0]["min_runtime_version"] == 13


def test_a_compiled_file_without_cycles_tells_no_latency(desk: Desk) -> None:
    model = Model()
    graph = model.graph(model.unary("RELU", model.tensor(1, 8)))
    (desk.folder / "relu.tflite").write_bytes(compiling.file(compiling.compiled(graph, {0})))
    told = rows(desk.give("edgetpu", "relu.tflite").out.split("\n\n")[0])
    assert told["operators"].startswith("1 subgraph on the Edge TPU, nothing on the CPU (parsed")
    assert told["latency"].startswith("not known on the Edge TPU, as the file holds no estimate")
    latency = desk.give("edgetpu", "relu.tflite", "--json").json["latency_ms"]
    assert (latency["low"], latency["high"]) == (None, None)


@pytest.mark.parametrize(
    ("layers", "said"),
    [(7, "6.15 MiB may or may not fit"), (12, "10.5 MiB do not fit the chip's memory: ")],
)
def test_parameters_that_do_not_fit(desk: Desk, layers: int, said: str) -> None:
    """Each layer has 960 outputs of 960 weights."""
    model = Model()
    at = model.tensor(1, 960)
    for _ in range(layers):
        given, at = at, model.tensor(1, 960)
        model.add("FULLY_CONNECTED", [given, model.weights(960, 960), -1], [at])
    (desk.folder / "large.tflite").write_bytes(compiling.file(model.graph(at)))
    parameters = rows(desk.give("edgetpu", "large.tflite").out.split("\n\n")[0])["parameters"]
    assert parameters.startswith(said)
    assert parameters.endswith("sent anew for each inference (predicted)")


def test_parameters_of_unknown_size(desk: Desk) -> None:
    """A vector becomes a map of one channel: by a matrix, if any, that was never seen."""
    model = Model()
    image = model.unary("RESHAPE", model.unary("RELU", model.tensor(1, 2500)), (1, 50, 50, 1))
    (desk.folder / "flat.tflite").write_bytes(compiling.file(model.graph(image)))
    verdict, few, *_ = desk.give("edgetpu", "flat.tflite").out.split("\n\n")
    assert rows(verdict)["parameters"] == "unknown: 0 bytes to 24 MiB (predicted)"
    assert "  1: 0 bytes to 24 MiB of parameters, 0 bytes expected: channels split by a" in few
    assert "(seen in 0)" in few.replace("\n      ", " ")
    found = desk.give("edgetpu", "flat.tflite", "--json").json
    assert found["memory"]["parameter_bytes"] is None
    (rule,) = found["operators"][1]["parameter_rules"]
    assert (rule["low"], rule["bytes"], rule["seen_in_models"]) == (0, 0, 0)


def test_with_the_original_beside_it(desk: Desk) -> None:
    given = ["edgetpu", "compiled.tflite", "--original", "int8.tflite"]
    *blocks, placed = desk.give(*given).out.strip().split("\n\n")
    assert rows(blocks[0])["operators"] == (
        "2 of 4 on the Edge TPU, in 1 subgraph (parsed; needs runtime 13)"
    )
    told = rows(placed)
    assert told["subgraph 0"] == "2 operators: 0-1"
    assert told["on the CPU"] == "2 EXP, 3 RELU"
    assert desk.give(*given, "--json").json["original"] == {
        "cpu": [2, 3], "dead": [], "edgetpu": [0, 1], "evidence": "parsed", "subgraphs": [[0, 1]],
    }  # fmt: skip


def test_as_compiled_with_multiple_subgraphs(desk: Desk) -> None:
    told = desk.give("edgetpu", "int8.tflite", "--multiple-subgraphs", "--json").json
    assert (told["mapped_operators"], told["subgraphs"]) == (3, 2)


def test_for_an_older_runtime(desk: Desk) -> None:
    old, new = (
        desk.give("edgetpu", "whole.tflite", "--runtime-version", name, "--json").json
        for name in ("10", "14")
    )
    assert (old["runtime_version"], new["runtime_version"]) == (10, 14)


@pytest.mark.parametrize("model", ["float32.tflite", "nothing.tflite"])
def test_where_nothing_maps_the_status_is_1(desk: Desk, model: str) -> None:
    done = desk.give("edgetpu", model)
    assert (done.status, done.err) == (1, "")
    told = rows(done.out.split("\n\n")[0])
    assert told["operators"].startswith("none of ")
    assert told["parameters"] == "none on the Edge TPU"
    assert "Not predicted" not in done.out
    assert desk.give("edgetpu", model, "--json").json["mapped_operators"] == 0


def test_compiling(desk: Desk, tmp_path: Path) -> None:
    compiled = desk.folder / "compiled.tflite"
    script = install(tmp_path / "bin", compiled=[str(compiled)], stdout=published.V16)
    given = ["edgetpu", "int8.tflite", "--compile", "out.tflite", "--compiler", str(script)]
    done = desk.give(*given)
    assert done.status == 0
    assert (desk.folder / "out.tflite").read_bytes() == compiled.read_bytes()
    assert "\noperators   264 of 267 on the Edge TPU, subgraphs: 1 (read from the " in done.out
    assert "\nprediction  right for 4 of 4 operators, subgraphs: 1\n" in done.out
    assert done.out.endswith("\n\nwritten: out.tflite\n")
    told = desk.give(*given, "--json").json["compilation"]
    assert (told["evidence"], told["comparison"]["exact"]) == ("read", True)
    assert told["models"][0]["parsed"]["cached_bytes"] == CACHED


def test_what_was_predicted_wrongly_is_shown(desk: Desk, tmp_path: Path) -> None:
    original = Model()
    at = original.unary("RELU", original.tensor(1, 8))
    graph = original.graph(original.unary("RELU", at))
    (desk.folder / "two.tflite").write_bytes(compiling.file(graph))
    half = tmp_path / "half.tflite"
    half.write_bytes(compiling.file(compiling.compiled(graph, {0})))
    script = install(tmp_path / "bin", compiled=[str(half)], stdout=published.V16)
    given = ["edgetpu", "two.tflite", "--compile", "out.tflite", "--compiler", str(script)]
    done = desk.give(*given)
    assert "Predicted wrongly:\n  1 RELU: predicted edgetpu, and it is cpu\n" in done.out


def test_what_the_compiler_refuses_is_told_with_options(desk: Desk, tmp_path: Path) -> None:
    script = install(tmp_path / "bin", stdout=published.LARGE_ACTIVATIONS, status=1)
    given = ["edgetpu", "whole.tflite", "--compile", "out.tflite", "--compiler", str(script)]
    done = desk.give(*given)
    assert (done.status, done.out) == (1, "")
    assert "('--search-delegate')" in done.err
    assert "evaluation." not in done.err
    assert not (desk.folder / "out.tflite").exists()


def test_running_on_a_stand_in(
    desk: Desk, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    library = stand_in_library.build(tmp_path_factory.mktemp("library"))
    model = Model()
    graph = model.graph(model.unary("RELU", model.tensor(1, 8)))
    (desk.folder / "relu.tflite").write_bytes(compiling.file(graph))
    compiled = compiling.file(compiling.compiled(graph, {0}))
    (desk.folder / "relu_edgetpu.tflite").write_bytes(compiled)
    desk.save("eight.npz", x=np.zeros((2, 8), np.float32))
    given = ["edgetpu", "relu_edgetpu.tflite", "--original", "relu.tflite", "--run", "eight.npz"]
    done = desk.give(*given, "--library", library, "--device", "usb:0", "--json")
    assert (done.status, done.err) == (0, "")
    told = done.json["run"]
    assert (told["device"], told["samples"], told["evidence"]) == ("usb:0", 2, "measured")
    # It adds one step to every second value.
    (agreement,) = told["agreements"]
    assert (agreement["equal_share"], agreement["steps_max"]) == (0.5, 1)


NO_COMPILER = "Found: no program 'edgetpu_compiler' on PATH"
COMPILE = ["int8.tflite", "--compile"]
MISTAKES: dict[str, tuple[list[str], str]] = {
    "absent": (["none.tflite"], "There is no model at 'none.tflite'. Found: in '.': "),
    "a folder": (["."], "'.' cannot be read. Found: a folder"),
    "empty": (["empty.tflite"], "'empty.tflite' is empty"),
    "text": (["text.tflite"], "'text.tflite' is not a .tflite file"),
    "cut off": (["cut.tflite"], "'cut.tflite' is a damaged .tflite file"),
    "samples": (["samples.npz"], "is a zip file"),
    "no such runtime": (["int8.tflite", "--runtime-version", "15"], "15 is not in the range"),
    "another original": (
        ["compiled.tflite", "--original", "float32.tflite"], "was not made from this model",
    ),
    "an original of what is not compiled": (
        ["int8.tflite", "--original", "int8.tflite"], "was not compiled for the Edge TPU",
    ),
    "no compiler": ([*COMPILE, "out.tflite"], NO_COMPILER),
    "no such compiler": (
        [*COMPILE, "out.tflite", "--compiler", "none"], "Found: no file 'none'",
    ),
    "over the model": ([*COMPILE, "int8.tflite"], "would replace what it is made from"),
    "another ending": ([*COMPILE, "out.bin"], "Give 'out.tflite'"),
    "compiled already": (["compiled.tflite", "--compile", "out.tflite"], NO_COMPILER),
    "a compiler and nothing to compile": (
        ["int8.tflite", "--compiler", "x"], "'--compiler' needs '--compile'",
    ),
    "a device and nothing to run": (["int8.tflite", "--device", "usb:0"], "needs '--run'"),
    "no such device": (
        ["compiled.tflite", "--run", "samples.npz", "--device", "tpu"],
        "'tpu' does not name an Edge TPU",
    ),
    "no samples": (["compiled.tflite", "--run", "none.npz"], "none.npz"),
    "not compiled": (["int8.tflite", "--run", "samples.npz"], "was not compiled"),
    "a library and nothing to run": (["int8.tflite", "--library", "x"], "needs '--run'"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_paragraph(desk: Desk, arguments: list[str], said: str) -> None:
    before = desk.files()
    done = desk.give("edgetpu", *arguments, "--json")
    assert (done.status, done.json.keys()) == (2, {"error", "exit_status"})
    assert said in (done.err or json.dumps(done.json))
    assert desk.files() == before


def test_it_loads_nothing_heavy(desk: Desk) -> None:
    script = (
        "import sys\n"
        "from quantline.commands import quantline\n"
        "quantline(['edgetpu', 'whole.tflite'], standalone_mode=False)\n"
        "print({'tensorflow', 'keras', 'kedro', 'mlflow', 'matplotlib'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=desk.folder, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "set()"


@pairs.needed
def test_other_people_s_models(desk: Desk) -> None:
    name = str(pairs.PAIRS / "mobilenet_v2_1.0_224_quant")
    given = ["edgetpu", f"{name}_edgetpu.tflite", "--original", f"{name}.tflite"]
    done: Any = desk.give(*given)
    assert done.status == 0
    assert rows(done.out.split("\n\n")[0])["operators"].startswith("66 of 66 on the Edge TPU")
