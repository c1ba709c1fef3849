"""Originals that TensorFlow Lite cannot take as they are, and what they become."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from quantline.errors import ConversionError, MismatchError, ModelUnsupported
from quantline.quantization.import_changes import widening
from quantline.quantization.original_source import Source
from quantline.quantization.originals import run_and_convert
from quantline.quantization.parity import run_imported
from quantline.tflite import read

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)
SEQUENCES = RNG.normal(size=(3, 5, 4)).astype(np.float32)


def _difference(content: bytes, name: str, samples: np.ndarray, expected: np.ndarray) -> float:
    got = run_imported(content, {name: samples})
    values = np.concatenate([next(iter(item.values())) for item in got])
    return float(np.abs(values - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize(("policy", "kind"), [("mixed_float16", "keras"),
                                              ("bfloat16", "saved_model")])  # fmt: skip
def test_a_model_of_a_narrow_type_is_computed_in_float32(
    tmp_path: Path, keras: Any, policy: str, kind: str
) -> None:
    image = keras.Input((6, 6, 2), name="image")
    x = keras.layers.Conv2D(4, 3, use_bias=False, dtype=policy)(image)
    x = keras.layers.BatchNormalization(dtype=policy)(x)
    x = keras.layers.GlobalAveragePooling2D(dtype=policy)(x)
    model = keras.Model(image, keras.layers.Dense(3, dtype=policy)(x))
    samples = RNG.uniform(0, 1, (3, 6, 6, 2)).astype(np.float32)
    path = tmp_path / "m.keras"
    model.save(path)
    if kind == "saved_model":
        path = tmp_path / "m"
        model.export(path, verbose=False)
    converted = run_and_convert(Source(kind, str(path)), samples)
    assert {tensor.dtype for tensor in read(converted.content).main.tensors} <= {"float32", "int32"}
    assert policy.removeprefix("mixed_") in converted.rebuilt[0]
    narrow = np.asarray(model(samples)).astype(np.float32)
    assert _difference(converted.content, "image", samples, narrow) < 0.05


def test_more_than_rounding_explains_is_no_widening() -> None:
    ones = [{"y": np.ones((1, 2), np.float32)}]
    assert "0.005" in widening("m", ["bfloat16"], ones, [{"y": ones[0]["y"] * 1.005}])
    with pytest.raises(MismatchError, match="float32"):
        widening("m", ["float16"], ones, [{"y": ones[0]["y"] * 1.5}])
    with pytest.raises(MismatchError, match="float32"):
        widening("m", ["float16"], ones, [{"y": ones[0]["y"] * np.inf}])


def test_recurrent_layers_are_written_out_and_sizes_are_those_of_the_samples(
    tmp_path: Path, keras: Any
) -> None:
    layers = keras.layers
    sequence = keras.Input((None, 4), name="sequence")
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(sequence)
    inner = keras.Sequential([keras.Input((None, 6)), layers.SimpleRNN(4)])
    model = keras.Model(sequence, layers.Dense(2)(inner(layers.GRU(6, return_sequences=True)(x))))
    model.save(tmp_path / "m.keras")
    converted = run_and_convert(Source("keras", str(tmp_path / "m.keras")), SEQUENCES)
    graph = read(converted.content)
    assert len(graph.subgraphs) == 1
    assert "WHILE" not in {operator.type for operator in graph.main.operators}
    assert f"{len(graph.main.operators)} operators" in " ".join(converted.rebuilt)
    expected = np.asarray(model(SEQUENCES))
    assert _difference(converted.content, "sequence", SEQUENCES, expected) < 1e-5


def test_names_that_are_not_ascii_stay_the_users(tmp_path: Path, keras: Any) -> None:
    inputs = [keras.Input((4,), name=name) for name in ("größe", "层", "grosse")]
    x = keras.layers.Concatenate(name="_verknüpft")(inputs)
    outputs = {"höhe": keras.layers.Dense(2, name="ähnlich")(x)}
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "m.keras")
    samples = {
        model_input.name: RNG.normal(size=(3, 4)).astype(np.float32) for model_input in inputs
    }
    converted = run_and_convert(Source("keras", str(tmp_path / "m.keras")), samples)
    assert not converted.rebuilt
    got = run_imported(converted.content, samples)
    expected = np.asarray(model([samples[model_input.name] for model_input in inputs])["höhe"])
    np.testing.assert_allclose(np.concatenate([item["höhe"] for item in got]), expected, atol=1e-5)


def test_an_extreme_of_keras_3_converts(tmp_path: Path, keras: Any) -> None:
    image = keras.Input((4, 4, 2), name="image")
    scores = keras.layers.Conv2D(3, 1)(image)
    found = {name: getattr(keras.ops, name)(scores, axis=-1) for name in ("argmax", "argmin")}
    model = keras.Model(image, found)
    model.export(tmp_path / "m", verbose=False)
    samples = RNG.normal(size=(3, 4, 4, 2)).astype(np.float32)
    samples[0] = 0  # of equal values the first
    converted = run_and_convert(Source("saved_model", str(tmp_path / "m")), samples)
    got = run_imported(converted.content, {"image": samples})
    for name, expected in model(samples).items():
        values = np.concatenate([item[name] for item in got])
        np.testing.assert_array_equal(values, np.asarray(expected))


def test_operators_that_tensorflow_lite_lacks_are_named(tmp_path: Path, keras: Any) -> None:
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.layers.Dense(2, name="head")(keras.ops.erfinv(x)))
    model.save(tmp_path / "m.keras")
    with pytest.raises(ConversionError, match="lacks") as caught:
        run_and_convert(Source("keras", str(tmp_path / "m.keras")), SEQUENCES[:, 0])
    assert caught.value.found.startswith("Erfinv")
    assert "fused[" not in str(caught.value)
    assert "func.func" in caught.value.details


def test_texts_belong_outside(tmp_path: Path, tf: Any) -> None:
    function = tf.function(lambda x: {"y": tf.strings.length(x)})
    signature = function.get_concrete_function(x=tf.TensorSpec((None, 4), tf.string, name="x"))
    tf.saved_model.save(tf.Module(), str(tmp_path), signatures=signature)
    with pytest.raises(ModelUnsupported, match="real numbers") as caught:
        run_and_convert(Source("saved_model", str(tmp_path)), SEQUENCES[:, 0])
    assert "text" in caught.value.remedy


def test_an_hdf5_file_under_the_suffix_of_keras_3(tmp_path: Path, keras: Any) -> None:
    model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(3)])
    with warnings.catch_warnings(action="ignore"):  # Keras calls the format legacy
        model.save(tmp_path / "m.h5")
    path = (tmp_path / "m.h5").rename(tmp_path / "m.keras")
    converted = run_and_convert(Source("keras", str(path)), SEQUENCES[:, 0])
    expected = np.asarray(model(SEQUENCES[:, 0]))
    assert _difference(converted.content, "x", SEQUENCES[:, 0], expected) < 1e-5


def test_variables_that_a_saved_model_assigns_are_named(tmp_path: Path, tf: Any) -> None:
    module = tf.Module()
    module.level = tf.Variable(tf.zeros(4), name="level")
    module.weight = tf.Variable(tf.ones(4), name="weight")

    def smooth(x: Any) -> dict[str, Any]:
        return {"y": module.level.assign(0.5 * module.level + module.weight * x[0])}

    spec = tf.TensorSpec((1, 4), tf.float32, name="x")
    signature = tf.function(smooth).get_concrete_function(x=spec)
    tf.saved_model.save(module, str(tmp_path), signatures=signature)
    with pytest.raises(ModelUnsupported, match="assigns variables") as caught:
        run_and_convert(Source("saved_model", str(tmp_path)), SEQUENCES[:, 0])
    assert "'level'" in caught.value.found
    assert "weight" not in caught.value.found


def test_a_table_is_no_computation(tmp_path: Path, keras: Any) -> None:
    table = keras.layers.IntegerLookup(vocabulary=[3, 5], output_mode="one_hot")
    integers = keras.Input((1,), name="x", dtype="int32")
    keras.Model(integers, keras.layers.Dense(2)(table(integers))).save(tmp_path / "m.keras")
    with pytest.raises(ModelUnsupported, match="table"):
        run_and_convert(Source("keras", str(tmp_path / "m.keras")), np.full((2, 1), 3, np.int32))
