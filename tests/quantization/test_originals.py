"""What is refused before and while an original model is run, without the child's start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.conftest import public_convert

from quantline import recipe
from quantline.errors import (
    ConversionError,
    DataError,
    ModelError,
    ModelUnreadable,
    ModelUnsupported,
)
from quantline.quantization import import_float
from quantline.quantization.original_source import Source
from quantline.quantization.originals import run_and_convert
from quantline.tflite import read

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Trained

SAMPLES = np.zeros((2, 4), np.float32)


@pytest.mark.parametrize("content", [b"garbage", b"PK\x03\x04" + bytes(100), b"\x89HDF\r\n\x1a\n"])
def test_a_keras_file_that_is_none(tmp_path: Path, tf: Any, content: bytes) -> None:
    (tmp_path / "m.keras").write_bytes(content)
    with pytest.raises(ModelUnreadable, match="Keras 3"):
        run_and_convert(Source("keras", str(tmp_path / "m.keras")), SAMPLES)


def test_a_keras_file_that_was_cut_off(tmp_path: Path, plain: Trained) -> None:
    content = plain.file.read_bytes()
    (tmp_path / "m.keras").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelUnreadable, match=r"m\.keras"):
        run_and_convert(Source("keras", str(tmp_path / "m.keras")), plain.samples)


def test_a_saved_model_that_is_none(tmp_path: Path, tf: Any) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"garbage")
    with pytest.raises(ModelUnreadable, match="SavedModel"):
        run_and_convert(Source("saved_model", str(tmp_path)), SAMPLES)


def test_a_saved_model_without_its_variables(tmp_path: Path, plain: Trained) -> None:
    content = (plain.saved_model / "saved_model.pb").read_bytes()
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(ModelUnreadable, match="SavedModel"):
        run_and_convert(Source("saved_model", str(tmp_path)), plain.samples)


def test_a_saved_model_without_signatures(tmp_path: Path, tf: Any) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path))
    with pytest.raises(ModelUnsupported, match="no signature") as caught:
        run_and_convert(Source("saved_model", str(tmp_path)), SAMPLES)
    assert caught.value.found == "the signatures none"


def test_a_wrong_signature_is_named_with_its_close_match(plain: Trained) -> None:
    with pytest.raises(ModelUnsupported, match="'serving_defalt'") as caught:
        run_and_convert(
            Source("saved_model", str(plain.saved_model), "serving_defalt"), plain.samples
        )
    assert "'serving_default'" in caught.value.remedy


@pytest.mark.parametrize("shape", [(None, None), (None,), (None, None, 3), None], ids=str)
def test_sizes_that_are_not_known_are_those_of_the_samples(
    tmp_path: Path, tf: Any, shape: tuple[int | None, ...] | None
) -> None:
    folder = _doubling(tmp_path, tf, shape)
    samples = np.ones((2, *(size or 4 for size in (shape or (None, 5))[1:])), np.float32)
    converted = run_and_convert(Source("saved_model", folder), samples)
    assert read(converted.content).main.tensors[0].shape == (1, *samples.shape[1:])
    assert [output["y"].shape for output in converted.outputs] == [(1, *samples.shape[1:])] * 2


def test_another_batch_and_other_dimensions_than_the_samples(tmp_path: Path, tf: Any) -> None:
    folder = _doubling(tmp_path / "a", tf, (2, 4))
    converted = run_and_convert(Source("saved_model", folder), SAMPLES)
    assert read(converted.content).main.tensors[0].shape == (1, 4)
    assert {output["y"].shape for output in converted.outputs} == {(1, 4)}
    assert "exported with [2, 4]" in converted.rebuilt[0]
    pairs = SAMPLES[:2][np.newaxis]
    whole = run_and_convert(Source("saved_model", folder), pairs)
    assert read(whole.content).main.tensors[0].shape == (2, 4)
    np.testing.assert_array_equal(whole.outputs[0]["y"], 2 * pairs[0])
    assert whole.rebuilt == ()
    with pytest.raises(DataError, match="do not have the shape"):
        run_and_convert(Source("saved_model", _doubling(tmp_path / "b", tf, [None] * 3)), SAMPLES)


def _doubling(folder: Path, tf: Any, shape: Any) -> str:
    function = tf.function(lambda x: {"y": x * 2.0})
    signature = function.get_concrete_function(x=tf.TensorSpec(shape, tf.float32, name="x"))
    tf.saved_model.save(tf.Module(), str(folder), signatures=signature)
    return str(folder)


def test_an_operator_that_tensorflow_lite_lacks_is_named(tmp_path: Path, tf: Any) -> None:
    function = tf.function(lambda x: {"y": tf.math.igamma(x, x)})
    signature = function.get_concrete_function(x=tf.TensorSpec((None, 4), tf.float32, name="x"))
    tf.saved_model.save(tf.Module(), str(tmp_path), signatures=signature)
    with pytest.raises(ConversionError, match="builtin operators") as caught:
        run_and_convert(Source("saved_model", str(tmp_path)), SAMPLES)
    assert "Igamma" in caught.value.found


def test_samples_of_another_shape_are_refused_before_the_model_runs(plain: Trained) -> None:
    with pytest.raises(DataError, match="resize"):
        run_and_convert(Source("keras", str(plain.file)), np.zeros((2, 20, 30, 3), np.float32))


def test_the_outputs_are_those_of_keras_on_every_sample(depthwise: Trained) -> None:
    converted = run_and_convert(Source("keras", str(depthwise.file)), depthwise.samples)
    outputs = np.concatenate([output["output_0"] for output in converted.outputs])
    np.testing.assert_allclose(outputs, depthwise(), rtol=1e-4, atol=1e-5)


def test_int8_weights_are_no_float_model(tmp_path: Path, tf: Any, keras: Any) -> None:
    """No activation is an integer, yet it cannot be quantized again."""
    model = keras.Sequential([keras.Input((64,), 1, name="x"), keras.layers.Dense(64)])
    model.export(tmp_path / "saved_model", verbose=False)
    settings = {"optimizations": [tf.lite.Optimize.DEFAULT]}
    path = tmp_path / "m.tflite"
    path.write_bytes(public_convert(tmp_path / "saved_model", **settings))
    assert "int8" in {tensor.dtype for tensor in read(path.read_bytes()).main.tensors}
    with pytest.raises(ModelUnsupported, match="int8"):
        import_float(recipe.Model(path=str(path)), np.zeros((2, 64), np.float32), recipe.Parity())


def test_a_tflite_of_two_outputs_or_two_inputs(two_inputs: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(public_convert(two_inputs))
    with pytest.raises(ModelUnsupported, match="2 inputs: 'left'"):
        import_float(recipe.Model(path=str(path)), SAMPLES, recipe.Parity())


def test_what_lies_beside_a_missing_model_is_listed(tmp_path: Path) -> None:
    (tmp_path / "best.keras").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"best\.keras"):
        import_float(recipe.Model(path=str(tmp_path / "bset.keras")), SAMPLES, recipe.Parity())


@pytest.mark.parametrize("name", ["m.pb", "m.onnx", "m"])
def test_another_kind_of_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"content")
    with pytest.raises(ModelUnreadable, match=r"\.keras or \.h5 file"):
        import_float(recipe.Model(path=str(tmp_path / name)), SAMPLES, recipe.Parity())
