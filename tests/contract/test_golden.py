"""Golden vectors against what a plain interpreter gives, and against models that were changed."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tests.conftest import public_quantize
from tests.graphs import here
from tests.quantization.architectures import architecture

from quantline.contract.golden import check, enforce, make
from quantline.contract.vectors import Golden
from quantline.errors import CheckFailed, DataError, MismatchError
from quantline.files import sha256
from quantline.tflite import read
from quantline.tflite.edit import pack
from quantline.tflite.graph import parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BUILTIN = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


@pytest.fixture(scope="module")
def golden(plain: Any) -> Golden:
    return make(plain.int8_tflite, list(plain.samples))


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no children, but for the vectors that most tests share."""
    monkeypatch.setattr("quantline.contract.golden.run_in_child", here)


def changed(golden: Golden, change: Callable[[np.ndarray], None], at: int = 0) -> Golden:
    """Change the first output of one vector."""
    arrays = {key: value.copy() for key, value in golden.arrays().items()}
    change(next(value for key, value in arrays.items() if key.startswith(f"{at}/output/")))
    return Golden.from_arrays(arrays)


def test_the_outputs_are_those_of_a_plain_interpreter(
    plain: Any, golden: Golden, tmp_path: Path
) -> None:
    """With numpy and LiteRT alone, as whoever has the two files may do it."""
    golden.save(tmp_path / "golden.npz")
    interpreter = Interpreter(
        model_content=plain.int8_tflite, experimental_op_resolver_type=BUILTIN
    )
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    with np.load(tmp_path / "golden.npz") as arrays:
        for number in range(8):
            interpreter.set_tensor(taken["index"], arrays[f"{number}/input/image"])
            interpreter.invoke()
            (name,) = (key for key in arrays if key.startswith(f"{number}/output/"))
            np.testing.assert_array_equal(arrays[name], interpreter.get_tensor(given["index"]))


def test_the_inputs_are_the_ends_zero_and_samples(plain: Any, golden: Golden) -> None:
    main = read(plain.int8_tflite).main
    stored = main.tensors[main.inputs[0]].quantization
    assert stored is not None
    inputs = {vector.source: vector.inputs["image"] for vector in golden.vectors}
    places = [0, 4, 8, 11, 15]  # of 16
    assert list(inputs) == ["lowest", "highest", "zero", *(f"sample {at}" for at in places)]
    for source, value in (("lowest", -128), ("highest", 127), ("zero", stored.zero_points[0])):
        assert np.unique(inputs[source]).tolist() == [value]
    for at in places:
        real = stored.scales[0] * (inputs[f"sample {at}"].astype(float) - stored.zero_points[0])
        assert np.abs(real - plain.samples[at]).max() <= stored.scales[0] * 0.501


def test_what_is_equal_is_kept_once(plain: Any) -> None:
    """Where the range begins with zero, the lowest input is zero."""
    positive = np.abs(plain.samples)
    model = public_quantize(plain.saved_model, positive)
    sources = [vector.source for vector in make(model, list(positive[[0, 0]])).vectors]
    assert sources == ["lowest", "highest", "sample 0"]


def test_the_file_is_the_same_each_time_and_comes_back(
    plain: Any, golden: Golden, tmp_path: Path
) -> None:
    again = make(plain.int8_tflite, list(plain.samples))
    assert again.to_bytes() == golden.to_bytes()
    golden.save(tmp_path / "golden.npz")
    loaded = Golden.load(tmp_path / "golden.npz")
    assert loaded.to_bytes() == golden.to_bytes() == (tmp_path / "golden.npz").read_bytes()
    assert loaded.model_sha256 == sha256(plain.int8_tflite)
    assert loaded.runtime.startswith("ai-edge-litert ")
    assert loaded.kernels == "builtin"
    assert check(plain.int8_tflite, loaded) == ()


def test_an_output_that_is_off_is_told_in_steps(plain: Any, golden: Golden) -> None:
    def shift(output: np.ndarray) -> None:
        output[0, 1] += 3 if output[0, 1] < 100 else -3

    (found,) = check(plain.int8_tflite, changed(golden, shift, at=4))
    assert found.source == golden.vectors[4].source
    assert (found.differing_share, found.largest_steps) == (0.25, 3)
    assert found.largest == 3 / 256  # the output scale of an int8 softmax


CONSTANTS = (
    "first conv", "first conv's bias", "second conv", "second conv's bias", "dense",
    "dense's bias",
)  # fmt: skip


@pytest.mark.parametrize("number", range(len(CONSTANTS)), ids=CONSTANTS)
def test_a_model_with_one_other_weight_is_found_out(
    plain: Any, golden: Golden, number: int
) -> None:
    layers = [
        operator for operator in read(plain.int8_tflite).main.operators if len(operator.inputs) == 3
    ]
    index = layers[number // 2].inputs[1 + number % 2]
    edited = parse(plain.int8_tflite)
    buffer = edited.buffers[edited.subgraphs[0].tensors[index].buffer]
    data = np.array(buffer.data)
    values = data.view(np.int32 if number % 2 else np.int8)
    values[0] += 3000 if number % 2 else (80 if values[0] < 40 else -80)
    buffer.data = data
    other = pack(edited, len(plain.int8_tflite))
    assert check(other, replace(golden, model_sha256=sha256(other)))


def test_the_vectors_of_another_model_are_refused(depthwise: Any, golden: Golden) -> None:
    with pytest.raises(MismatchError, match="not those of this model") as caught:
        check(depthwise.int8_tflite, golden)
    assert caught.value.exit_status == 2


DAMAGED: dict[str, Callable[[dict[str, np.ndarray]], Any]] = {
    "no input": lambda arrays: arrays.pop("2/input/image"),
    "no output": lambda arrays: arrays.pop("2/output/output_0"),
    "another name": lambda arrays: arrays.update({"2/input/x": arrays.pop("2/input/image")}),
    "another type": lambda arrays: arrays.update({"2/input/image": np.zeros((1, 10, 10, 3))}),
    "another shape": lambda arrays: arrays.update({"2/input/image": np.zeros((1, 9), np.int8)}),
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_vectors_that_do_not_fit_their_model_are_refused(
    damage: Callable[[dict[str, np.ndarray]], Any], plain: Any, golden: Golden
) -> None:
    arrays = golden.arrays()
    damage(arrays)
    with pytest.raises(MismatchError, match=r"damaged.*the vector 'zero' has the inputs"):
        check(plain.int8_tflite, Golden.from_arrays(arrays))


def test_float_outputs_have_a_tolerance(plain: Any) -> None:
    golden = make(plain.float_tflite, list(plain.samples))
    assert golden.tolerance == 1e-3
    assert check(plain.float_tflite, golden) == ()

    def add(share: float) -> Golden:
        def change(output: np.ndarray) -> None:
            output[0, 0] += share * output.max()

        return changed(golden, change)

    assert check(plain.float_tflite, add(0.9e-3)) == ()
    (found,) = check(plain.float_tflite, add(2e-3))
    assert found.largest_steps is None
    assert found.allowed < found.largest


def test_a_float_interface_of_an_integer_model_is_exact(plain: Any) -> None:
    model = public_quantize(plain.saved_model, plain.samples, "float32", "float32")
    golden = make(model, list(plain.samples))
    assert golden.tolerance == 0
    lowest, highest = (golden.vectors[at].inputs["image"] for at in (0, 1))
    chosen = plain.samples[[0, 4, 8, 11, 15]]
    assert np.unique(lowest).tolist() == [chosen.min()]
    assert np.unique(highest).tolist() == [chosen.max()]
    assert check(model, golden) == ()
    found = check(model, changed(golden, lambda output: output.__iadd__(2.0**-20)))
    assert len(found) == 1


def test_several_inputs_and_outputs_keep_their_names() -> None:
    two = architecture("two_ports")
    model = two.public("int8")
    golden = make(model, two.samples)
    vector = golden.vectors[0]
    assert {name: value.shape for name, value in vector.inputs.items()} == {
        "left": (1, 8, 8, 3), "right": (1, 5),
    }  # fmt: skip
    # Not in the order of the model's outputs: the names decide.
    assert {name: value.shape for name, value in vector.outputs.items()} == {
        "output_0": (1, 3), "output_1": (1, 2),
    }  # fmt: skip
    assert check(model, golden) == ()


def test_a_vector_does_not_depend_on_those_before_it() -> None:
    """An LSTM keeps its state from one run to the next."""
    cells = architecture("fused_lstm")
    model = cells.public("int8")
    assert any(tensor.is_variable for tensor in read(model).main.tensors)
    golden = make(model, cells.samples)
    for vector in golden.vectors:
        assert check(model, replace(golden, vectors=(vector, vector))) == ()


def test_indices_stay_among_those_that_samples_hold() -> None:
    """Beyond the table an EMBEDDING may read anything."""
    tokens = architecture("embedding")
    golden = make(tokens.public("int8"), tokens.samples)
    seen = np.concatenate([sample["tokens"].ravel() for sample in tokens.samples])
    given = np.concatenate([vector.inputs["tokens"].ravel() for vector in golden.vectors])
    assert given.dtype == np.int32
    assert (given.min(), given.max()) == (seen.min(), seen.max())


@pytest.mark.parametrize("model", ["int8", "float", "tokens"])
def test_without_samples_inputs_are_random_and_the_same_each_time(model: str, plain: Any) -> None:
    content = {
        "int8": lambda: plain.int8_tflite,
        "float": lambda: plain.float_tflite,
        "tokens": lambda: architecture("embedding").public("int8"),
    }[model]()
    golden = make(content, [])
    assert check(content, golden) == ()
    assert golden.to_bytes() == make(content, []).to_bytes()
    drawn = [vector for vector in golden.vectors if vector.source.startswith("random")]
    assert len(drawn) == (5 if model != "tokens" else 0)  # zeros, which are there already
    for operator in drawn:
        (value,) = operator.inputs.values()
        assert value.std() > value.dtype.type(0.5)


def test_samples_must_fit(plain: Any) -> None:
    with pytest.raises(DataError):
        make(plain.int8_tflite, [np.zeros((9, 9, 3), np.float32)])


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


DAMAGED_FILES: dict[str, Callable[[bytes], bytes | None]] = {
    "no file": lambda content: None,
    "empty": lambda content: b"",
    "cut off": lambda content: content[:-200],
    "another archive": lambda content: npz(x=np.zeros(3)),
    "pickled": lambda content: npz(about=np.array([{}], dtype=object)),
    "not JSON": lambda content: npz(about=np.array("{")),
    "no vectors": lambda content: npz(about=np.array("{}")),
    "text": lambda content: b"golden vectors",
}


@pytest.mark.parametrize("damage", DAMAGED_FILES.values(), ids=DAMAGED_FILES)
def test_a_damaged_file_is_told(
    golden: Golden, tmp_path: Path, damage: Callable[[bytes], bytes | None]
) -> None:
    content = damage(golden.to_bytes())
    if content is not None:
        (tmp_path / "golden.npz").write_bytes(content)
    with pytest.raises(MismatchError, match=r"no golden vectors in the file '.*golden.npz'"):
        Golden.load(tmp_path / "golden.npz")


def test_the_error_names_the_vector_and_where_both_were_made(plain: Any, golden: Golden) -> None:
    enforce(golden, ())
    wrong = changed(golden, lambda output: output.fill(5), at=1)
    wrong = replace(wrong, runtime="ai-edge-litert 9.9.9", machine="riscv64")
    with pytest.raises(CheckFailed) as caught:
        enforce(wrong, check(plain.int8_tflite, wrong))
    assert caught.value.exit_status == 1
    for words in (
        "for highest: ",
        "100.00% of the values",
        " quantization steps",
        "9.9.9 on riscv64",
    ):
        assert words in str(caught.value)
