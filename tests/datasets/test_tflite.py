"""A model that breaks the promise of its catalog entry is not written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kedro.io import DataCatalog, DatasetError
from tests.conftest import public_quantize

from quantline.datasets import TfliteDataset
from quantline.errors import CheckFailed, ModelUnreadable, ParameterError

if TYPE_CHECKING:
    from pathlib import Path


def dataset(folder: Path, **settings: Any) -> Any:
    """The dataset as a catalog makes it."""
    entry = {"type": "quantline.datasets.TfliteDataset", "filepath": str(folder / "int8.tflite")}
    return DataCatalog.from_config({"model": {**entry, **settings}})["model"]


def refused(made: Any, model: bytes) -> BaseException | None:
    """Why a model is not saved; what was there stays."""
    before = made.load() if made.exists() else None
    with pytest.raises(DatasetError) as error:
        made.save(model)
    assert (made.load() if made.exists() else None) == before
    return error.value.__cause__


def test_a_model_that_keeps_its_promise_is_saved(tmp_path: Path, plain: Any) -> None:
    made = dataset(tmp_path, target="cpu")
    made.save(plain.int8_tflite)
    assert made.load() == plain.int8_tflite


def test_a_model_that_is_in_part_float_is_not_saved(tmp_path: Path, plain: Any, sine: Any) -> None:
    made = dataset(tmp_path)
    made.save(plain.int8_tflite)
    error = refused(made, sine.int8_tflite)
    assert isinstance(error, CheckFailed)
    assert f"'{tmp_path / 'int8.tflite'}' was not written" in str(error)
    assert "SIN" in str(error)
    assert "quantline.datasets.BytesDataset" in str(error)
    dataset(tmp_path, promise="int8_float_fallback").save(sine.int8_tflite)


def test_a_float_interface_must_be_promised(tmp_path: Path, plain: Any) -> None:
    model = public_quantize(plain.saved_model, plain.samples, "float32", "float32")
    assert isinstance(refused(dataset(tmp_path, float_input=True), model), CheckFailed)
    dataset(tmp_path, float_input=True, float_output=True).save(model)


def test_a_model_that_breaks_its_target_is_not_saved(tmp_path: Path, plain: Any) -> None:
    (tmp_path / "mcu.yml").write_text("size_limit: 100\n")
    made = dataset(tmp_path, target=str(tmp_path / "mcu.yml"))
    assert isinstance(refused(made, plain.int8_tflite), CheckFailed)


def test_what_is_no_model_is_not_saved(tmp_path: Path, plain: Any) -> None:
    damaged = plain.int8_tflite[:-4000]
    assert isinstance(refused(dataset(tmp_path), damaged), ModelUnreadable)
    assert isinstance(refused(dataset(tmp_path, promise="float16"), damaged), ModelUnreadable)


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"promise": "int9"}, "Did you mean 'int8'"), ({"target": "cpuu"}, "Did you mean 'cpu'?")],
)
def test_a_promise_that_is_none(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError) as error:
        TfliteDataset(filepath=str(tmp_path / "int8.tflite"), **settings)
    assert said in str(error.value)
