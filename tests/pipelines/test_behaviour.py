"""What the chain keeps of a model's behaviour, and that it stops where the model gives another."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.pipelines.conftest import Project

from quantline.contract.golden import check
from quantline.contract.vectors import Golden
from quantline.datasets import NpzDataset
from quantline.errors import CheckFailed
from quantline.pipelines.validation import check_golden
from quantline.tflite import read

if TYPE_CHECKING:
    from pathlib import Path


def test_the_golden_vectors_are_those_of_the_model(finished: Any) -> None:
    models = finished.folder / "data/06_models"
    golden = Golden.load(models / "golden.npz")
    stored = NpzDataset(filepath=str(models / "golden.npz")).load()
    assert stored.keys() == golden.arrays().keys()
    for name, value in golden.arrays().items():
        np.testing.assert_array_equal(stored[name], value)
    assert check((models / "int8.tflite").read_bytes(), golden) == ()
    told = finished.json("08_reporting/golden.json")
    assert told["vectors"] == [vector.source for vector in golden.vectors]
    assert told["tolerance"] == 0


def test_the_kernels_and_the_layers_are_reported(finished: Any) -> None:
    kernels = finished.json("08_reporting/kernels.json")
    assert kernels["samples"] == 32  # of 40
    assert kernels["repeatable"]
    assert kernels["failed"] == {}
    assert len(kernels["comparisons"]) == 3
    layers = finished.json("08_reporting/layers.json")
    assert layers["samples"] == 32
    effects = [layer["effect"] for layer in layers["layers"]]
    assert effects == sorted(effects, reverse=True)
    assert effects[0] > 0
    float_model = read((finished.folder / "data/06_models/float.tflite").read_bytes())
    assert len(effects) == len(float_model.main.operators)


@pytest.fixture
def copied(finished: Any, tmp_path: Path) -> Project:
    folder = tmp_path / "copied"
    shutil.copytree(finished.folder, folder)
    return Project(folder)


def test_a_model_that_gives_something_else_stops_the_run(copied: Project) -> None:
    dataset = NpzDataset(filepath=str(copied.folder / "data/06_models/golden.npz"))
    arrays = dataset.load()
    output = next(value for key, value in arrays.items() if key.startswith("0/output/"))
    output += np.where(output > 0, -1, 1).astype(output.dtype)
    with pytest.raises(CheckFailed) as error:
        check_golden((copied.folder / "data/06_models/int8.tflite").read_bytes(), arrays)
    assert error.value.exit_status == 1
    assert "does not give the outputs of its golden vectors" in str(error.value)
    assert ", 1 quantization steps" in str(error.value)

    dataset.save(arrays)  # and so changed on disk they are not even looked at
    status, _, err = copied.run("--nodes", "check_golden")
    assert status == 2
    assert "'data/06_models/golden.npz'" in err
    assert "Traceback" not in err
