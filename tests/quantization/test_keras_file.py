"""Keras files of both generations: what loads them, and what of them must not run."""

from __future__ import annotations

import json
import sys
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from quantline.errors import DependencyError, ModelUnreadable, ModelUnsupported, UnsafeModel
from quantline.quantization.original_source import Source
from quantline.quantization.originals import run_and_convert
from quantline.tflite import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Trained

SAMPLES = np.random.default_rng(3).normal(size=(3, 8, 8, 3)).astype(np.float32)
SUFFIXES = pytest.mark.parametrize("suffix", [".h5", ".keras"])


@pytest.fixture(scope="module")
def keras2(tf: Any) -> Any:
    return pytest.importorskip("tf_keras")


def mobile(keras: Any) -> Any:
    """What Keras 3 does not load: a depthwise convolution's and a TensorFlow operator's config."""
    image = keras.layers.Input((8, 8, 3), name="image")
    values = keras.layers.DepthwiseConv2D(3, bias_initializer="normal")(image)
    values = keras.layers.BatchNormalization()(values)
    values = keras.activations.relu(values * 2.0, max_value=6.0)
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(values)))


def sequential(keras: Any) -> Any:
    """What Keras 3 loads from an .h5 file of Keras 2."""
    return keras.Sequential(
        [
            keras.layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def with_lambda(keras: Any, function: Callable[[Any], Any] = lambda x: x * 2.0) -> Any:
    image = keras.layers.Input((8, 8, 3), name="image")
    twice = keras.layers.Lambda(function, output_shape=(8, 8, 3), name="twice")(image)
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(twice)))


def save(model: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns that .h5 is an old format
        model.save(path)
    return path


def rewrite(path: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Change one JSON part of a .keras file."""
    with zipfile.ZipFile(path) as archive:
        parts = {item: archive.read(item) for item in archive.namelist()}
    parts[name] = json.dumps(change(json.loads(parts[name]))).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for value, content in parts.items():
            archive.writestr(value, content)


def convert(path: Path, **settings: Any) -> Any:
    return run_and_convert(Source("keras", str(path), **settings), SAMPLES)


@SUFFIXES
@pytest.mark.parametrize(
    ("build", "h5_loader"), [(mobile, "tf-keras"), (sequential, "keras")], ids=["mobile", "plain"]
)
def test_a_file_of_keras_2_gives_what_keras_2_gives(
    build: Any, h5_loader: str, suffix: str, keras2: Any, tmp_path: Path
) -> None:
    model = build(keras2)
    converted = convert(save(model, tmp_path / f"m{suffix}"))
    assert converted.loader == (h5_loader if suffix == ".h5" else "tf-keras")
    expected = model(SAMPLES, training=False).numpy()
    runtime = Runtime(converted.content)
    for index, sample in enumerate(SAMPLES):
        np.testing.assert_allclose(converted.outputs[index]["output_0"][0], expected[index],
                                   rtol=1e-4, atol=1e-5)  # fmt: skip
        np.testing.assert_allclose(runtime.predict(sample)[0], expected[index],
                                   rtol=1e-4, atol=1e-5)  # fmt: skip


@pytest.mark.parametrize("suffix", [".h5", ".hdf5"])
def test_an_h5_file_of_keras_3(suffix: str, plain: Trained, tmp_path: Path) -> None:
    path = save(plain.keras, tmp_path / f"m{suffix}")
    converted = run_and_convert(Source("keras", str(path)), plain.samples)
    assert converted.loader == "keras"
    outputs = np.concatenate([output["output_0"] for output in converted.outputs])
    np.testing.assert_allclose(outputs, plain(), rtol=1e-4, atol=1e-5)


@SUFFIXES
def test_without_tf_keras_the_extra_is_named(
    suffix: str, keras2: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(mobile(keras2), tmp_path / f"m{suffix}")
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    with pytest.raises(DependencyError) as caught:
        convert(path)
    assert str(path) in caught.value.what
    assert "Keras 2." in caught.value.found
    assert caught.value.remedy == "Run: pip install 'quantline[keras2]'"


@SUFFIXES
@pytest.mark.parametrize("generation", [2, 3])
def test_a_lambda_is_refused_until_it_is_allowed(
    generation: int, suffix: str, keras: Any, keras2: Any, tmp_path: Path
) -> None:
    path = save(with_lambda(keras if generation == 3 else keras2), tmp_path / f"m{suffix}")
    with pytest.raises(UnsafeModel) as caught:
        convert(path)
    assert caught.value.found == "a Python function in the layer 'twice'"
    assert "`allow_lambda=True`" in caught.value.remedy
    assert len(convert(path, allow_lambda=True).outputs) == len(SAMPLES)


@SUFFIXES
@pytest.mark.parametrize("generation", [2, 3])
def test_code_that_is_not_allowed_does_not_run(
    generation: int, suffix: str, keras: Any, keras2: Any, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"
    source = f"lambda x, mark=[].append, path={str(marker)!r}: (open(path, 'w').close(), x)[1]"
    function = eval(source)  # noqa: S307 - a function of constants only, as an attacker writes it
    path = save(
        with_lambda(keras if generation == 3 else keras2, function.__class__(
            function.__code__, {}, "<lambda>", (None, str(marker)))),
        tmp_path / f"m{suffix}",
    )  # fmt: skip
    marker.unlink(missing_ok=True)  # building a model of Keras 2 ran it
    with pytest.raises(UnsafeModel):
        convert(path)
    assert not marker.exists()


def test_a_module_that_a_file_names_is_not_imported(
    keras2: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "imported"
    (tmp_path / "unfriendly.py").write_text(f"open({str(marker)!r}, 'w').close()")
    monkeypatch.syspath_prepend(tmp_path)
    path = save(sequential(keras2), tmp_path / "m.keras")

    def change(config: Any) -> Any:
        dense = config["config"]["layers"][-1]
        dense["module"], dense["registered_name"] = "unfriendly", "Package>Dense"
        return config

    rewrite(path, "config.json", change)
    with pytest.raises(UnsafeModel, match=r"'unfriendly\.Dense'"):
        convert(path)
    assert not marker.exists()


def test_what_keras_itself_calls_unsafe_is_refused(
    keras: Any, plain: Trained, tmp_path: Path
) -> None:
    image = keras.Input((10, 10, 3))
    layer = keras.layers.TFSMLayer(str(plain.saved_model), call_endpoint="serving_default")
    path = save(keras.Model(image, layer(image)), tmp_path / "m.keras")
    with pytest.raises(UnsafeModel, match="allow_lambda"):
        run_and_convert(Source("keras", str(path)), plain.samples)


def test_weights_without_layers(plain: Trained, tmp_path: Path) -> None:
    path = tmp_path / "m.weights.h5"
    plain.keras.save_weights(path)
    with pytest.raises(ModelUnreadable, match="holds no model") as caught:
        convert(path)
    assert "model.save" in caught.value.remedy


@pytest.mark.parametrize("keep", [4, 100, 2000])
def test_a_damaged_h5_file(plain: Trained, tmp_path: Path, keep: int) -> None:
    path = save(plain.keras, tmp_path / "m.h5")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelUnreadable, match=r"m\.h5"):
        convert(path)


@SUFFIXES
@pytest.mark.parametrize("generation", [2, 3])
def test_a_layer_that_keras_does_not_know(
    generation: int, suffix: str, keras: Any, keras2: Any, tmp_path: Path
) -> None:
    library = keras if generation == 3 else keras2

    class Own(library.layers.Layer):  # type: ignore[name-defined]
        def call(self, values: Any) -> Any:
            return values

    image = library.layers.Input((8, 8, 3))
    path = save(library.Model(image, Own()(image)), tmp_path / f"m{suffix}")
    with pytest.raises((ModelUnreadable, UnsafeModel), match="Own") as caught:
        convert(path)
    assert "model.export('folder')" in caught.value.remedy
    assert len(str(caught.value)) < 1000


def test_a_model_that_does_not_say_its_inputs(keras: Any, tmp_path: Path) -> None:
    path = save(keras.Sequential([keras.layers.Dense(2)]), tmp_path / "m.keras")
    with pytest.raises(ModelUnsupported, match="what its inputs are") as caught:
        convert(path)
    assert "Input" in caught.value.expected


def test_a_keras_file_has_one_signature(plain: Trained) -> None:
    with pytest.raises(ModelUnsupported, match="no signature 'serve'") as caught:
        run_and_convert(Source("keras", str(plain.file), "serve"), plain.samples)
    assert caught.value.found == "the signatures serving_default"
