"""``quantline validate``: verdict, findings, exit status, and every mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.conftest import public_convert, public_quantize
from tests.contract.test_constants import former
from tests.tflite.tiny_model import tree

from quantline.contract import check_model
from quantline.contract.golden import make
from quantline.contract.targets import check_target, load
from quantline.tflite import read
from quantline.tflite.edit import pack

if TYPE_CHECKING:
    from collections.abc import Callable

GIVE = ["validate", "int8.tflite"]


@pytest.fixture
def made(desk: Any, plain: Any) -> Any:
    """A desk with the quantized model too."""
    (desk.folder / "int8.tflite").write_bytes(plain.int8_tflite)
    return desk


@pytest.fixture(scope="module")
def float_ports(plain: Any) -> bytes:
    """The quantized model with float32 inputs and outputs."""
    return public_quantize(plain.saved_model, plain.samples, "float32", "float32")


def rows(out: str) -> dict[str, str]:
    """The verdict lines: what stands before the findings."""
    lines = out.split("\n\n", maxsplit=1)[0].splitlines()
    return dict(line.split("  ", 1) for line in lines)


def test_a_model_that_holds(made: Any, plain: Any) -> None:
    done = made.give(*GIVE)
    assert (done.status, done.err) == (0, "")
    told = {name: text.strip() for name, text in rows(done.out).items()}
    tensors = len(read(plain.int8_tflite).main.tensors)
    assert told["integer-only"] == f"yes: {tensors} of {tensors} tensors are integers"
    assert told["specification"] == "kept"
    assert told["interface"] == "int8 -> int8"
    assert told["scheme"] == "int8 (no recipe next to it)"
    assert "\n\n" not in done.out


@pytest.mark.parametrize("name", ["cpu", "edgetpu"])
def test_json_is_the_report_and_more(name: str, made: Any, sine: Any) -> None:
    model = bytes(sine.int8_tflite)
    (made.folder / "int8.tflite").write_bytes(model)
    done = made.give(*GIVE, "--target", name, "--json")
    graph = read(model)
    report = check_target(check_model(graph), graph, load(name), len(model)).to_dict()
    assert done.status == 1
    # By way of JSON, in which a tuple is a list.
    assert json.loads(json.dumps(report)).items() <= done.json.items()
    assert done.json["target"] == {"name": name, "holds": name == "cpu"}
    assert done.json["integer_only"] is done.json["holds"] is False
    assert done.json["golden"] is None
    assert {"operators", "tensors", "specification", "findings"} <= done.json.keys()


def test_findings_stand_by_severity_and_type(made: Any, sine: Any) -> None:
    (made.folder / "int8.tflite").write_bytes(sine.int8_tflite)
    done = made.give(*GIVE, "--target", "edgetpu")
    assert done.status == 1
    _, *blocks = done.out.strip().split("\n\n")
    assert [block.split(" (")[0] for block in blocks] == ["Not integer-only", "Against the target"]
    found = [line.split(",")[0] for line in blocks[0].splitlines()[1:] if " operator " in line]
    assert [name.split()[-1] for name in found] == ["DEQUANTIZE", "QUANTIZE", "SIN"]
    assert "SIN, which 'edgetpu' does not have" in blocks[1]


def test_after_twenty_findings_only_counts(made: Any) -> None:
    many = tree()
    many.subgraphs[0].operators *= 25
    (made.folder / "int8.tflite").write_bytes(pack(many, 1 << 12))
    (made.folder / "mcu.yml").write_text("per_axis_dense: false\n")
    done = made.give(*GIVE, "--target", "mcu.yml")
    assert done.status == 1
    assert done.out.count("target.per_axis_dense: operator ") == 20
    assert "  and 5 more: FULLY_CONNECTED 5\n" in done.out
    assert len(made.give(*GIVE, "--target", "mcu.yml", "--json").json["findings"]) >= 25


def test_a_float_interface_is_shown_as_such(made: Any, float_ports: bytes) -> None:
    (made.folder / "int8.tflite").write_bytes(float_ports)
    done = made.give(*GIVE)
    assert done.status == 1
    hint = "if float32 is meant there, give '--float-input' and '--float-output'"
    assert hint in rows(done.out)["interface"]
    half = made.give(*GIVE, "--float-input")
    assert half.status == 1
    assert "give '--float-output'" in half.out
    whole = made.give(*GIVE, "--float-input", "--float-output")
    assert whole.status == 0
    assert "inside: 2 operators of a float interface apart" in rows(whole.out)["integer-only"]


def test_the_recipe_beside_says_what_was_asked_for(desk: Any, float_ports: bytes) -> None:
    ports = ["--input-type", "float32", "--output-type", "float32"]
    asked = ["quantize", "float.tflite", "--ranges", "ranges.json", *ports, "-o", "int8.tflite"]
    assert desk.give(*asked).status == 0
    done = desk.give(*GIVE)
    assert done.status == 0, done.out
    assert "int8 ('int8.json')" in rows(done.out)["scheme"]
    (desk.folder / "int8.tflite").write_bytes(float_ports[:-4] + b"\0" * 4)
    other = desk.give(*GIVE)
    assert other.err == "warning: 'int8.json' is the recipe of another model, and is not used\n"
    assert other.status == 1


@pytest.mark.parametrize("change", [{"scheme": "int9"}, {"input_type": 3}, {"keep_float": ["("]}])
def test_a_damaged_recipe_of_this_very_model_is_an_error(change: dict[str, Any], desk: Any) -> None:
    assert desk.give("quantize", "float.tflite", "--ranges", "ranges.json", "-o",
                     "int8.tflite").status == 0  # fmt: skip
    beside = desk.folder / "int8.json"
    beside.write_text(json.dumps({**json.loads(beside.read_text()), **change}))
    done = desk.give(*GIVE)
    assert done.status == 2
    assert f"The recipe '{beside.name}' cannot be read" in done.err
    assert f"at '{next(iter(change))}" in done.err


@pytest.mark.parametrize(
    "beside", ["{", "[1]", "[" * 100_000, '{"scheme": "int9"}', '{"scheme": [1]}', ""]
)
def test_other_json_beside_is_nothing(beside: str, made: Any) -> None:
    (made.folder / "int8.json").write_text(beside)
    done = made.give(*GIVE)
    assert (done.status, done.err) == (0, "")
    assert "no recipe next to it" in done.out


def test_float_breaks_nothing_where_the_scheme_allows_it(tf: Any, made: Any, plain: Any) -> None:
    dynamic = public_convert(plain.saved_model, optimizations=[tf.lite.Optimize.DEFAULT])
    (made.folder / "int8.tflite").write_bytes(dynamic)
    strict = made.give(*GIVE)
    assert strict.status == 1
    assert rows(strict.out)["integer-only"].strip().startswith("no: ")
    allowed = made.give(*GIVE, "--scheme", "dynamic_range")
    assert allowed.status == 0
    assert "no, as the scheme allows: " in allowed.out
    assert "Worth knowing (" in allowed.out
    as_json = made.give(*GIVE, "--scheme", "dynamic_range", "--json").json
    assert (as_json["integer_only"], as_json["holds"]) == (False, True)


def test_golden_vectors_are_kept_or_broken(made: Any, plain: Any) -> None:
    golden = make(plain.int8_tflite, list(plain.samples))
    golden.save(made.folder / "golden.npz")
    kept = made.give(*GIVE, "--golden", "golden.npz")
    assert kept.status == 0, kept.out
    assert f"kept: {len(golden.vectors)} vectors" in rows(kept.out)["golden vectors"]
    arrays = golden.arrays()
    output = next(value for key, value in arrays.items() if key.startswith("1/output/"))
    output += np.where(output > 0, -3, 3).astype(output.dtype)
    made.save("golden.npz", **arrays)
    broken = made.give(*GIVE, "--golden", "golden.npz")
    assert broken.status == 1
    said = f"broken: 1 of {len(golden.vectors)} vectors ({golden.vectors[1].source})"
    assert f"{said}, by up to 3 quantization steps" in broken.out
    told = made.give(*GIVE, "--golden", "golden.npz", "--json").json
    assert (told["holds"], told["integer_only"], told["golden"]["holds"]) == (False, True, False)
    assert told["golden"]["mismatches"][0]["largest_steps"] == 3


def test_a_model_of_2018_is_held_to_the_specification_that_is_named(made: Any) -> None:
    (made.folder / "int8.tflite").write_bytes(former())
    by_default = made.give(*GIVE, "--target", "edgetpu")
    assert by_default.status == 1
    assert "model.uint8: the model: 1 operator on uint8 activations" in by_default.out
    assert "'--specification uint8'" in by_default.out
    named = made.give(*GIVE, "--target", "edgetpu", "--specification", "uint8")
    assert named.status == 0, named.out
    assert rows(named.out)["specification"].strip() == "kept (the former one, of uint8)"
    none = made.give(*GIVE, "--specification", "none")
    assert (none.status, rows(none.out)["specification"].strip()) == (0, "not checked")
    told = made.give(*GIVE, "--specification", "none", "--json").json
    assert (told["holds"], told["specification"], told["held_to"]) == (True, True, "none")


def test_an_int8_model_does_not_keep_the_former_specification(made: Any) -> None:
    done = made.give(*GIVE, "--specification", "uint8")
    assert done.status == 1
    assert "model.int8" in done.out


def spoil(change: Callable[[bytes], bytes]) -> Callable[[Any], None]:
    def edit(desk: Any) -> None:
        path = desk.folder / "int8.tflite"
        path.write_bytes(change(path.read_bytes()))

    return edit


MISTAKES: dict[str, Any] = {
    "no model": (None, ["int9.tflite"], ["There is no model at 'int9.tflite'", "int8.tflite"]),
    "a folder": (None, ["."], ["'.' cannot be read", "a folder"]),
    "a device": (None, ["/dev/zero"], ["Found: a device"]),
    "a zip": (None, ["samples.npz"], ["is a zip file", "'quantline quantize' makes one"]),
    "text": (None, ["ranges.json"], ["is a JSON file, not a .tflite file"]),
    "empty": (spoil(lambda _: b""), ["int8.tflite"], ["is empty", "0 bytes"]),
    "cut off": (spoil(lambda model: model[:-4000]), ["int8.tflite"], ["is a damaged .tflite"]),
    "a claim of 2 GB": (spoil(lambda model: model[:8] + b"\xff\xff\xff\x7f" * 30), ["int8.tflite"],
                        ["'int8.tflite' is a damaged"]),
    "no target": (None, ["int8.tflite", "--target", "edgtpu"], ["Did you mean 'edgetpu'?"]),
    "no target file": (None, ["int8.tflite", "--target", "mcu.yml"], ["'mcu.yml' cannot be read"]),
    "no golden vectors": (None, ["int8.tflite", "--golden", "samples.npz"],
                          ["There are no golden vectors in the file 'samples.npz'"]),
}  # fmt: skip


@pytest.mark.parametrize(("prepare", "arguments", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_paragraph(
    made: Any, prepare: Any, arguments: list[str], said: list[str]
) -> None:
    if prepare is not None:
        prepare(made)
    done = made.give("validate", *arguments)
    assert done.status == 2, done.out
    assert done.out == ""
    assert len(done.err.strip().splitlines()) == 1, done.err
    for words in ("Error: ", "Found: ", "Expected: ", *said):
        assert words in done.err
    as_json = made.give("validate", *arguments, "--json")
    assert as_json.status == 2
    assert as_json.json.keys() == {"error", "exit_status"}


def test_golden_vectors_of_another_model(made: Any, depthwise: Any) -> None:
    make(depthwise.int8_tflite, list(depthwise.samples)).save(made.folder / "golden.npz")
    done = made.give(*GIVE, "--golden", "golden.npz")
    assert done.status == 2
    assert "not those of this model" in done.err


def test_it_loads_nothing_heavy(made: Any) -> None:
    script = (
        "import sys\n"
        "from quantline.commands import quantline\n"
        "quantline(['validate', 'int8.tflite', '--target', 'cpu'], standalone_mode=False)\n"
        "print({'tensorflow', 'keras', 'kedro', 'mlflow', 'matplotlib'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=made.folder, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "set()"
