"""Layers and functions of the user's own, in a module that the user names."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from quantline.errors import DependencyError, ModelUnsupported, UnsafeModel
from quantline.loading import load_keras, module_file
from quantline.loading.custom_objects import custom_objects

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
import keras
from subprocess import run

@keras.saving.register_keras_serializable("mine")
class Halves(keras.layers.Layer):
    def call(self, x):
        return x / 2

class Thirds(keras.layers.Layer):
    def call(self, x):
        return x / 3

def tenths(x):
    return x / 10
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, keras: Any) -> Path:
    """A module, and a model with what it defines."""
    folder = tmp_path_factory.mktemp("custom")
    (folder / "quantline_test_layers.py").write_text(MODULE)
    own = custom_objects(str(folder / "quantline_test_layers.py"), keras)
    x = keras.Input((2,), name="x")
    y = keras.layers.Activation(own["tenths"])(own["Thirds"]()(own["mine>Halves"]()(x)))
    keras.Model(x, y).save(folder / "m.keras")
    return folder


def test_a_model_loads_with_the_module_and_is_refused_without(folder: Path) -> None:
    path, module = str(folder / "m.keras"), str(folder / "quantline_test_layers.py")
    model, loader = load_keras(path, allow_lambda=False, custom=module)
    assert loader == "keras"
    np.testing.assert_allclose(model(np.full((1, 2), 60, np.float32)), 1)
    with pytest.raises(UnsafeModel, match="custom_objects") as caught:
        load_keras(path, allow_lambda=False)
    assert "Halves" in caught.value.found


def test_a_module_is_no_leave_for_anything_else(folder: Path, tmp_path: Path) -> None:
    """Neither for what it imports, nor for names of other modules."""
    module = str(folder / "quantline_test_layers.py")
    for name in ("run", "system"):
        path = tmp_path / f"{name}.keras"
        with zipfile.ZipFile(folder / "m.keras") as given, zipfile.ZipFile(path, "w") as made:
            for part in given.namelist():
                text = given.read(part)
                if part == "config.json":
                    text = text.replace(b"tenths", name.encode())
                    assert json.loads(text)
                made.writestr(part, text)
        with pytest.raises(UnsafeModel, match=name):
            load_keras(str(path), allow_lambda=False, custom=module)


def test_a_module_is_found_by_path_and_by_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "quantline_test_package"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(folder / "quantline_test_layers.py", package / "layers.py")
    monkeypatch.chdir(tmp_path)
    expected = str((package / "layers.py").resolve())
    assert module_file("quantline_test_package.layers") == expected
    assert module_file("quantline_test_package/layers.py") == expected
    with pytest.raises(DependencyError, match="quantline_test_missing"):
        module_file("quantline_test_missing")


def test_a_module_that_cannot_be_imported(tmp_path: Path, keras: Any) -> None:
    (tmp_path / "quantline_test_broken.py").write_text("import quantline_test_missing")
    with pytest.raises(ModelUnsupported, match="quantline_test_missing"):
        custom_objects(str(tmp_path / "quantline_test_broken.py"), keras)


def test_a_model_that_tf_mot_trained_needs_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keras2 = pytest.importorskip("tf_keras", reason="Keras 2 is not installed")
    monkeypatch.setitem(sys.modules, "tensorflow_model_optimization", None)
    model = keras2.Sequential([keras2.Input((2,)), keras2.layers.Dense(2)])
    path = tmp_path / "m.h5"
    with warnings.catch_warnings(action="ignore"):  # Keras 2 calls its own format legacy
        model.save(path)
    with h5py.File(path, "r+") as file:
        config = file.attrs["model_config"]
        file.attrs["model_config"] = config.replace('"Dense"', '"QuantizeWrapperV2"')
    with pytest.raises(DependencyError, match="tensorflow-model-optimization"):
        load_keras(str(path), allow_lambda=False)
