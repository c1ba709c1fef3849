"""Any trained model becomes a float .tflite with a batch of 1 that gives the same outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.conftest import public_convert

from quantline import recipe
from quantline.errors import (
    DataError,
    ModelError,
    ModelUnreadable,
    ModelUnsupported,
)
from quantline.quantization import import_float, source_of
from quantline.tflite import Runtime, read

if TYPE_CHECKING:
    from pathlib import Path

PARITY = recipe.Parity(examples=4)


def imported(path: Path, samples: np.ndarray, **model: Any) -> Any:
    return import_float(recipe.Model(path=str(path), **model), samples, PARITY)


@pytest.fixture(scope="module")
def plain_import(plain: Any) -> Any:
    return imported(plain.file, plain.samples)


def same_outputs(content: bytes, model: Any) -> None:
    runtime = Runtime(content)
    assert runtime.inputs[0].shape == (1, *model.samples.shape[1:])
    got = np.concatenate([runtime.predict(sample) for sample in model.samples])
    np.testing.assert_allclose(got, model().reshape(got.shape), atol=1e-5)
    assert all(size > 0 for size in read(content).main.tensors[0].shape)


@pytest.mark.parametrize("name", ["plain", "depthwise", "residual"])
def test_a_keras_file(name: str, plain_import: Any, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    result = plain_import if name == "plain" else imported(model.file, model.samples)
    same_outputs(result.content, model)
    assert [signature.key for signature in read(result.content).signatures] == ["serving_default"]
    parity = result.about["parity"]
    assert parity["examples"] == 4
    assert parity["max_difference"] < 1e-4


def test_a_saved_model_of_any_batch(plain: Any) -> None:
    result = imported(plain.saved_model_any_batch, plain.samples)
    same_outputs(result.content, plain)


def test_the_signature_is_chosen_and_kept(plain: Any) -> None:
    result = imported(plain.saved_model_any_batch, plain.samples, signature="serve")
    assert [signature.key for signature in read(result.content).signatures] == ["serve"]
    with pytest.raises(ModelUnsupported, match="has no signature 'sreve'") as caught:
        imported(plain.saved_model_any_batch, plain.samples, signature="sreve")
    assert "Did you mean 'serve'" in str(caught.value)


@pytest.mark.parametrize("folder", ["saved_model", "saved_model_any_batch"])
def test_a_float_tflite(plain: Any, folder: str, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(public_convert(getattr(plain, folder)))
    same_outputs(imported(path, plain.samples).content, plain)


def test_equal_imports_are_equal_bytes(plain: Any, plain_import: Any) -> None:
    assert imported(plain.file, plain.samples) == plain_import


def test_a_quantized_tflite_is_refused(plain: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(plain.int8_tflite)
    with pytest.raises(ModelUnsupported, match="quantized tensors"):
        imported(path, plain.samples)


@pytest.mark.parametrize(
    ("shape", "advice"),
    [
        ((20, 16, 3), "resize: {height: 10, width: 10}"),
        ((10, 10, 1), "`color='rgb'`"),
        ((300,), "module:name"),
        ((10, 10, 3, 1), "Drop the extra dimension"),
    ],
)
def test_samples_of_another_shape(
    plain: Any, shape: tuple[int, ...], advice: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(plain.float_tflite)
    with pytest.raises(DataError) as caught:
        imported(path, np.zeros((4, *shape), np.float32))
    assert str(shape) in str(caught.value)
    assert "(10, 10, 3)" in str(caught.value)
    assert advice in str(caught.value)


def test_an_original_is_not_run_on_samples_of_another_shape(plain: Any) -> None:
    with pytest.raises(DataError, match=r"resize: \{height: 10, width: 10\}"):
        imported(plain.file, np.zeros((4, 20, 16, 3), np.float32))


def test_two_inputs_are_refused(two_inputs: Path) -> None:
    with pytest.raises(ModelUnsupported, match="exactly one input"):
        imported(two_inputs, np.zeros((4, 4), np.float32))


def test_files_that_are_no_model(tmp_path: Path) -> None:
    samples = np.zeros((4, 8), np.float32)
    with pytest.raises(ModelError, match="There is no model at"):
        imported(tmp_path / "none.keras", samples)
    for name in ("empty.keras", "empty.tflite"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(ModelError, match="is empty"):
            imported(tmp_path / name, samples)
    (tmp_path / "text.tflite").write_text("this is not a model, whatever it is called")
    with pytest.raises(ModelUnreadable, match=r"not a \.tflite file"):
        imported(tmp_path / "text.tflite", samples)
    with pytest.raises(ModelUnreadable, match="not a SavedModel"):
        imported(tmp_path, samples)


def test_nan_of_the_original_is_agreement_and_its_first_operator_is_named(
    keras: Any, plain: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "model.keras"
    inputs = keras.Input((10, 10, 3))
    roots = keras.ops.sqrt(keras.layers.Flatten()(inputs))  # NaN for the negative samples
    keras.Model(inputs, keras.layers.Dense(2)(roots)).save(path)
    parity = imported(path, plain.samples).about["parity"]
    assert parity["not_finite"] == [0, 1, 2, 3]
    assert "4 of 4 samples (0, 1, 2, 3); first in operator 0 SQRT" in caplog.text


def test_a_model_with_gradients_of_its_own(keras: Any, tmp_path: Path) -> None:
    """Swish has one, which cannot be saved and is not needed."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            layers.Conv2D(4, 3, activation="swish"),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    model.save(tmp_path / "swish.keras")
    samples = np.random.default_rng(0).uniform(-1, 1, (4, 6, 6, 3)).astype(np.float32)
    content = imported(tmp_path / "swish.keras", samples).content
    got = np.concatenate([Runtime(content).predict(sample) for sample in samples])
    np.testing.assert_allclose(got, np.asarray(model(samples)), atol=1e-5)


def test_the_source_is_the_model_that_was_imported_and_not_the_one_that_is_named_by_now() -> None:
    named = recipe.Model(path="another.keras", allow_lambda=True)
    source = source_of({"source": {"path": "data/06_models/trained.keras"}}, named)
    assert source == recipe.Model(path="data/06_models/trained.keras", allow_lambda=True)
