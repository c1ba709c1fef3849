"""Every mistake is one paragraph on stderr and exit status 2, and leaves no file behind."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quantline.ranges import RangeSet

Q = ["quantize", "float.tflite", "-o", "out.tflite"]
DATA = [*Q, "--calibration", "samples.npz"]
RANGES = [*Q, "--ranges", "ranges.json"]


def shape(desk: Any, *sizes: int, dtype: str = "float32") -> None:
    rng = np.random.default_rng(3)
    desk.save("samples.npz", image=(9 * rng.normal(size=sizes)).astype(dtype))


def truncate(desk: Any) -> None:
    path = desk.folder / "samples.npz"
    path.write_bytes(path.read_bytes()[:-200])


def damage(desk: Any) -> None:
    path = desk.folder / "samples.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def zip_of_text(desk: Any) -> None:
    with zipfile.ZipFile(desk.folder / "samples.npz", "w") as archive:
        archive.writestr("notes.txt", "nothing")


def objects(desk: Any) -> None:
    desk.save("samples.npz", image=np.array([{}, []], dtype=object))


def broken_values(desk: Any, value: float) -> None:
    values = np.random.default_rng(1).normal(size=(5, 10, 10, 3)).astype(np.float32)
    values[3, 0, 0, 0] = value
    desk.save("samples.npz", image=values)


def foreign_ranges(desk: Any) -> None:
    path = desk.folder / "ranges.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "float_model_sha256": "ab" * 32}))


def write(desk: Any, name: str, content: bytes) -> None:
    (desk.folder / name).write_bytes(content)


def double_arrays(desk: Any) -> None:
    values = np.zeros((4, 10, 10, 3), np.float32)
    desk.save("samples.npz", left=values, right=values)


MISTAKES: dict[str, Any] = {
    "no model": (None, ["quantize", "flat.tflite", *DATA[2:]],
                 ["There is no model at 'flat.tflite'", "float.tflite"]),
    "no model, several arrays": (double_arrays, ["quantize", "flat.keras", *DATA[2:]],
                                 ["There is no model at 'flat.keras'", "float.tflite"]),
    "auto without samples": (None, [*RANGES, "--method", "auto"],
                             ["The method 'auto' needs samples", "Give '--calibration"]),
    "empty model": (lambda desk: write(desk, "float.tflite", b""), DATA, ["is empty"]),
    "model of another kind": (lambda desk: write(desk, "net.onnx", b"some"),
                              ["quantize", "net.onnx", *DATA[2:]], [".keras or .h5"]),
    "no data": (None, [*Q, "--calibration", "simples.npz"],
                ["no calibration data at 'simples.npz'", "samples.npz"]),
    "data is a folder": (None, [*Q, "--calibration", "."], ["Found: a folder"]),
    "empty data": (lambda desk: write(desk, "samples.npz", b""), DATA, ["an empty file"]),
    "not an npz": (lambda desk: write(desk, "samples.npz", b"x,y\n1,2\n"), DATA,
                   ["cannot be read", "begins with b'x,y"]),
    "pickle": (lambda desk: write(desk, "samples.npz", b"\x80\x04N."), DATA,
               ["cannot be read", "neither a .npz nor"]),
    "truncated": (truncate, DATA, ["cannot be read", "cut off"]),
    "damaged": (damage, DATA, ["cannot be read"]),
    "zip of text": (zip_of_text, DATA, ["holds no array"]),
    "objects": (objects, DATA, ["cannot be read", "pickled Python objects"]),
    "no array of that name": (double_arrays, DATA,
                              ["not named as the model's inputs", "'left' (4, 10, 10, 3)",
                               "'image' (10, 10, 3)"]),
    "other shape": (lambda desk: shape(desk, 4, 8, 8, 3), DATA,
                    ["Found: (8, 8, 3) after the transform. Expected: (10, 10, 3). ",
                     "to the preparation of the samples"]),
    "no axis of samples": (lambda desk: shape(desk, 10, 10, 3), DATA,
                           ["no axis of samples", "numpy.newaxis"]),
    "scalar": (shape, DATA, ["no axis of samples"]),
    "no samples": (lambda desk: shape(desk, 0, 10, 10, 3), DATA, ["0 examples"]),
    "text": (lambda desk: desk.save("samples.npz", image=np.full((3, 10, 10, 3), "a")), DATA,
             ["wrong_dtype"]),
    "complex": (lambda desk: shape(desk, 4, 10, 10, 3, dtype="complex64"), DATA, ["wrong_dtype"]),
    "NaN": (lambda desk: broken_values(desk, np.nan), DATA, ["nan", "(3)"]),
    "infinity": (lambda desk: broken_values(desk, np.inf), DATA, ["infinity"]),
    "all zeros": (lambda desk: desk.save("samples.npz", image=np.zeros((8, 10, 10, 3), "f4")),
                  DATA, ["constant_samples", "duplicates", "'--lint warn'"]),
    "no ranges": (None, Q, ["neither '--calibration' nor '--ranges'", "float16"]),
    "ranges not there": (None, [*Q, "--ranges", "none.json"], ["'none.json' cannot be read"]),
    "ranges of another kind": (lambda desk: write(desk, "ranges.json", b"[1]"), RANGES,
                               ["cannot be read", "Record the ranges again"]),
    "ranges cut off": (lambda desk: write(desk, "ranges.json", b'{"tensors": ['), RANGES,
                       ["cannot be read"]),
    "ranges of another model": (foreign_ranges, RANGES,
                                ["were not recorded from this model", "abababababab"]),
    "folder that is a file": (None, [*DATA[:2], "-o", "float.tflite/out.tflite", *DATA[4:]],
                              ["cannot be written"]),
    "no such device": (None, [*DATA[:2], "-o", "/proc/out.tflite", *DATA[4:]],
                       ["'/proc/out.tflite' cannot be written"]),
    "out is the model": (None, ["quantize", "float.tflite", "-o", "./float.tflite", *DATA[4:]],
                         ["would replace what it is made from"]),
    "recipe is the ranges": (None, ["quantize", "float.tflite", "-o", "ranges.tflite",
                                    "--ranges", "ranges.json"], ["'ranges.json' would replace"]),
    "out is a folder": (lambda desk: (desk.folder / "out.tflite").mkdir(), DATA,
                        ["a folder of that name"]),
    "out ends otherwise": (None, ["quantize", "float.tflite", "-o", "out.bin", *DATA[4:]],
                           ["Give 'out.tflite'"]),
    "input type of the scheme": (None, [*DATA, "--input-type", "int16"],
                                 ["no int16 inputs", "'--input-type int8'"]),
    "signature": (None, [*DATA, "--signature", "serve"], ["no signature 'serve'"]),
    "record: no samples": (lambda desk: shape(desk, 0, 10, 10, 3),
                           ["record", "float.tflite", "--calibration", "samples.npz", "-o",
                            "new.json"], ["0 examples"]),
    "record: out is the data": (None, ["record", "float.tflite", "--calibration", "samples.npz",
                                       "-o", "samples.npz"], ["ends in '.json'"]),
    "merge: not there": (None, ["merge", "ranges.json", "other.json", "-o", "new.json"],
                                ["'other.json' cannot be read"]),
    "merge: out is an input": (None, ["merge", "ranges.json", "other.json", "-o", "ranges.json"],
                               ["would replace"]),
    "ranges: not there": (None, ["ranges", "none.json"], ["'none.json' cannot be read"]),
    "ranges: plot": (None, ["ranges", "ranges.json", "--plot", "ranges.pdf"],
                     ["Give 'ranges.png'"]),
}  # fmt: skip


@pytest.mark.parametrize(("prepare", "arguments", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_paragraph_and_leaves_nothing(
    desk: Any, prepare: Any, arguments: list[str], said: list[str]
) -> None:
    if prepare is not None:
        prepare(desk)
    before = desk.files()
    done = desk.give(*arguments)
    assert done.status == 2, done.err
    assert done.out == ""
    assert len(done.err.strip().splitlines()) == 1, done.err
    for words in ("Error: ", "Found: ", "Expected: ", *said):
        assert words in done.err
    # What a parameter of the pipeline is called is of no use here.
    for block in ("'conversion.", "'dataset.", "'sampling.", "'model.path", "'validation."):
        assert block not in done.err
    assert desk.files() == before

    as_json = desk.give(*arguments, "--json")
    assert as_json.status == 2
    assert as_json.err == done.err
    assert as_json.json.keys() == {"error", "exit_status"}
    assert as_json.json["exit_status"] == 2
    assert as_json.json["error"].keys() == {"kind", "what", "found", "expected", "remedy"}


USAGE = {
    "scheme": ([*DATA, "--scheme", "int4"], "'int4' is not one of 'float16'"),
    "method": ([*DATA, "--method", "max"], "'max' is not one of"),
    "percentile": ([*DATA, "--percentile", "50"], "50.0 is not in the range 50<x<=100"),
    "backend": ([*DATA, "--backend", "openvino"], "'openvino' is not one of"),
    "type": ([*DATA, "--input-type", "int4"], "'int4' is not one of"),
    "unknown option": ([*DATA, "--calibraton", "x"], "--calibration"),
    "no output": (DATA[:2], "Missing option '-o' / '--out'"),
    "no model": (["quantize"], "Missing argument 'MODEL'"),
    "record without data": (["record", "float.tflite", "-o", "a.json"], "'--calibration'"),
    "merge of one": (["merge", "ranges.json", "-o", "a.json"], "nothing to merge it with"),
    "command": (["quantise", "float.tflite"], "Did you mean 'quantize'?"),
}


@pytest.mark.parametrize(("arguments", "said"), USAGE.values(), ids=USAGE)
def test_a_wrong_option_is_told_by_click(desk: Any, arguments: list[str], said: str) -> None:
    before = desk.files()
    done = desk.give(*arguments)
    assert done.status == 2
    assert done.out == ""
    assert said in done.err
    assert "Traceback" not in done.err
    assert desk.files() == before


def test_a_wrong_option_is_told_to_machines_too(desk: Any) -> None:
    done = desk.give(*DATA, "--scheme", "int4", "--json")
    assert done.status == 2
    assert done.json["error"]["kind"] == "UsageError"
    assert "'int4' is not one of" in done.json["error"]["what"]
    done = desk.give("merge", "ranges.json", "-o", "a.json", "--json")
    assert done.json["error"]["kind"] == "UsageError"


def test_arrays_of_different_lengths(desk: Any, two_inputs: Path) -> None:
    model = desk.folder / "two.tflite"
    from tests.conftest import public_convert

    model.write_bytes(public_convert(two_inputs))
    desk.save("two.npz", left=np.eye(4, dtype="f4"), right=np.eye(4, dtype="f4")[:3])
    give = ["record", "two.tflite", "--calibration", "two.npz", "-o", "two.json"]
    done = desk.give(*give)
    assert done.status == 2
    assert "4 samples in 'left', 3 samples in 'right'" in done.err
    desk.save("two.npz", left=np.eye(4, dtype="f4"))
    done = desk.give(*give)
    assert done.status == 2
    assert "'left' (4,), 'right' (4,)" in done.err
    rng = np.random.default_rng(0)
    desk.save("two.npz", **{name: rng.normal(size=(9, 4)).astype("f4")
                            for name in ("left", "right", "label")})  # fmt: skip
    done = desk.give(*give)
    assert done.status == 0, done.err
    assert "not used: label" in done.err
    assert RangeSet.load(desk.folder / "two.json").samples == 9


def test_a_folder_that_cannot_be_written_to(desk: Any) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    locked = desk.folder / "locked"
    locked.mkdir(mode=0o500)
    done = desk.give(*DATA[:2], "-o", "locked/out.tflite", *DATA[4:])
    assert done.status == 2
    assert "Permission denied" in done.err


def test_no_array_is_ever_unpickled(desk: Any) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (desk.folder / "sprung",)

    stream = io.BytesIO()
    np.save(stream, np.array([Trap()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(desk.folder / "samples.npz", "w") as archive:
        archive.writestr("image.npy", stream.getvalue())
    assert desk.give(*DATA).status == 2
    write(desk, "samples.npz", stream.getvalue())
    assert desk.give(*DATA).status == 2
    assert not (desk.folder / "sprung").exists()
