"""Which transform a dataset has, by the layers of configuration that name it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.conftest import PROJECT

from quantline.configuration import ConfigLoader

if TYPE_CHECKING:
    from pathlib import Path

EMBEDDED = [{"rescale": {"scale": 1 / 255, "offset": 0.0}}]
OWN = [{"normalize": {"mean": 0.5, "std": 2.0}}]


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    shutil.copytree(PROJECT / "conf/base", tmp_path / "conf/base")
    for name in ("local", "mine"):
        (tmp_path / "conf" / name).mkdir()
    return tmp_path / "conf"


def transform(conf: Path, env: str | None = None, **given: Any) -> Any:
    loader = ConfigLoader(
        str(conf), env=env, base_env="base", default_run_env="local", runtime_params=given,
        merge_strategy={"parameters": "soft"},
    )  # fmt: skip
    values = loader["parameters"]
    assert values["sampling"]["seed"] == 2019  # the rest is as it was
    return values["dataset"]["transform"]


def write(conf: Path, env: str, **dataset: Any) -> None:
    (conf / env / "parameters.yml").write_text(yaml.safe_dump({"dataset": dataset}))


def test_the_embedded_dataset_has_its_transform(conf: Path) -> None:
    assert transform(conf) == EMBEDDED
    assert transform(conf, dataset={"data_dir": "/data/tfds"}) == EMBEDDED
    assert transform(conf, dataset={"source": "tfds"}) == EMBEDDED
    assert transform(conf, model={"path": "my.keras"}) == EMBEDDED
    write(conf, "local", label_offset=1, tfds={"version": None})
    assert transform(conf) == EMBEDDED


@pytest.mark.parametrize(
    "dataset",
    [
        {"source": "npz", "data_dir": "my_data"}, {"source": "image_csv"},
        {"tfds": {"name": "cifar10"}}, {"source": "tfds", "tfds": {"name": "mnist"}},
    ],
)  # fmt: skip
def test_a_dataset_of_ones_own_inherits_none(conf: Path, dataset: dict[str, Any]) -> None:
    assert transform(conf, dataset=dataset) == []
    assert transform(conf, dataset={**dataset, "transform": OWN}) == OWN
    assert transform(conf, dataset={**dataset, "transform": "module:name"}) == "module:name"
    for env in ("local", "mine"):
        write(conf, env, **dataset)
        assert transform(conf, env) == []
        assert transform(conf, env, dataset={"transform": OWN}) == OWN
        write(conf, env, **dataset, transform=OWN)
        assert transform(conf, env) == OWN


def test_an_environment_keeps_its_own_for_other_examples_of_the_same_source(conf: Path) -> None:
    write(conf, "mine", source="npz", data_dir="one", transform=OWN)
    assert transform(conf, "mine", dataset={"data_dir": "two"}) == OWN
    assert transform(conf, "mine", dataset={"source": "image_csv"}) == []
    assert transform(conf, "mine", dataset={"source": "tfds"}) == []


@pytest.mark.parametrize("env", ["imagenet", "nights"])
def test_the_environments_of_the_project_declare_theirs(env: str) -> None:
    values = yaml.safe_load((PROJECT / f"conf/{env}/parameters.yml").read_text())["dataset"]
    assert values["source"] != "tfds"
    assert transform(PROJECT / "conf", env) == values["transform"]
