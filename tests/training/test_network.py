"""A model can be retrained if its file is of the embedded network; its file is read, not run."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from quantline import recipe
from quantline.errors import ModelError, ModelUnreadable, ModelUnsupported
from quantline.training import build_model, refuse_another_network

EMBEDDED = Path(__file__).resolve().parents[2] / "data/06_models/fashion_mnist.keras"
MADE = ((28, 28, 1), 10)


@pytest.fixture(scope="module")
def made() -> Any:
    return build_model(*MADE)


def test_the_network_is_of_the_promised_layers(made: Any) -> None:
    names = [type(layer).__name__ for layer in made.layers]
    assert {
        "Conv2D",
        "BatchNormalization",
        "ReLU",
        "DepthwiseConv2D",
        "GlobalAveragePooling2D",
        "Dense",
        "Softmax",
    } <= set(names)


def test_the_embedded_model_can_be_retrained(made: Any) -> None:
    refuse_another_network(str(EMBEDDED), made, recipe.Limits())


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_model_that_the_same_code_built_can_be_retrained(
    made: Any, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"own{suffix}"
    build_model(*MADE).save(path)
    refuse_another_network(str(path), made, recipe.Limits())


@pytest.mark.parametrize(
    ("shape", "classes", "said"),
    [((28, 28, 1), 4, r"\[28, 28, 1\] and 4 classes"), ((8, 8, 3), 10, r"input \[8, 8, 3\]")],
)
def test_a_model_for_other_data_is_refused(
    made: Any, tmp_path: Path, shape: tuple[int, ...], classes: int, said: str
) -> None:
    path = tmp_path / "own.keras"
    build_model(shape, classes).save(path)
    with pytest.raises(ModelUnsupported, match=said) as refused:
        refuse_another_network(str(path), made, recipe.Limits())
    assert "input [28, 28, 1] and 10 classes" in refused.value.found


def changed(path: Path, **config: Any) -> None:
    """Write the embedded model with these values in the configuration of its first convolution."""
    with zipfile.ZipFile(EMBEDDED) as archive, zipfile.ZipFile(path, "w") as other:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "config.json":
                model = json.loads(content)
                model["config"]["layers"][1]["config"].update(config)
                content = json.dumps(model).encode()
            other.writestr(name, content)


@pytest.mark.parametrize("config", [{"filters": 16}, {"strides": [1, 1]}, {"activation": "relu"}])
def test_a_network_of_other_layers_is_refused(
    made: Any, tmp_path: Path, config: dict[str, Any]
) -> None:
    path = tmp_path / "own.keras"
    changed(path, **config)
    with pytest.raises(ModelUnsupported, match="trains the embedded network only"):
        refuse_another_network(str(path), made, recipe.Limits())
    changed(path, name="of_another_name")
    refuse_another_network(str(path), made, recipe.Limits())


@pytest.mark.parametrize(
    "config",
    [[], {}, {"config": 1}, {"config": {"layers": 1}}, {"config": {"layers": [1, {"config": 2}]}}],
    ids=str,
)
def test_a_file_that_names_no_layers_is_another_network(
    made: Any, tmp_path: Path, config: Any
) -> None:
    path = tmp_path / "own.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.0.0"}')
        archive.writestr("config.json", json.dumps(config))
    with pytest.raises((ModelUnsupported, ModelUnreadable)):
        refuse_another_network(str(path), made, recipe.Limits())


def test_other_kinds_of_models_are_refused(made: Any, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"\0")
    (tmp_path / "own.tflite").write_bytes(b"\0")
    for path in (folder, tmp_path / "own.tflite"):
        with pytest.raises(ModelUnsupported, match="is no Keras file") as refused:
            refuse_another_network(str(path), made, recipe.Limits())
        assert "`training_function`" in refused.value.remedy
    with pytest.raises(ModelError):
        refuse_another_network(str(tmp_path / "none.keras"), made, recipe.Limits())
