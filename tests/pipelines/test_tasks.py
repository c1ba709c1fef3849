"""The chain on models that are no classifiers, with the examples of the documentation."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from tests.conftest import PROJECT

from quantline.quiet import tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.pipelines.conftest import Project

FILE = re.compile(r"<!-- file: (?P<path>\w+\.py) -->\n\n```python\n(?P<text>.*?)```", re.DOTALL)
Run = "Callable[..., tuple[int, str]]"


def save(path: Path, inputs: list[Any], outputs: Any) -> None:
    import keras

    keras.Model(inputs, outputs).save(path)


@pytest.fixture
def regression(project: Project) -> Project:
    """A project with the documentation's functions, and a model for their data."""
    tensorflow()
    import keras

    for page in ("tasks.md", "your-own-model.md"):
        for match in FILE.finditer((PROJECT / "docs" / page).read_text()):
            (project.folder / match["path"]).write_text(match["text"])
    keras.utils.set_random_seed(3)
    window = keras.Input((128, 3), name="window")
    pooled = keras.layers.GlobalAveragePooling1D()(
        keras.layers.Conv1D(8, 5, activation="relu")(window)
    )
    angle = keras.layers.Dense(1, name="angle")(pooled)
    save(project.folder / "angle.keras", [window], {"angle": angle})
    project.set(
        model={"path": "angle.keras"},
        dataset={"source": "function", "function": "my_data:examples", "transform": []},
        sampling={
            "calibration": {"split": "train", "examples": 40},
            "evaluation": {"split": "test"},
        },
        task={"kind": "my_score:score", "lower_is_better": "error_degrees"},
        gate={"against_float": {"margins": {"error_degrees": 0.5, "within_5_degrees": 0.05}}},
    )
    return project


def test_a_function_yields_the_data_and_another_scores_it(
    regression: Project, kedro_run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(regression.folder))
    status, printed = kedro_run()
    assert status == 0, printed
    gate = regression.json("08_reporting/gate.json")
    outcomes = {rule["rule"]: rule["outcome"] for rule in gate["rules"]}
    assert outcomes["against_float.margins.error_degrees"] == "passed"
    assert not any("top1" in rule for rule in outcomes)
    scores = regression.json("08_reporting/int8_metrics.json")
    assert scores["error_degrees_low"] <= scores["error_degrees"] <= scores["error_degrees_high"]
    figures = regression.json("08_reporting/key_figures.json")
    assert figures["int8_error_degrees"] == scores["error_degrees"]
    (run,) = regression.runs()
    assert run.data.metrics["int8.error_degrees"] == pytest.approx(scores["error_degrees"])


def test_without_a_margin_the_verdict_says_what_is_missing(
    regression: Project, kedro_run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(regression.folder))
    own = yaml.safe_load((regression.folder / "conf/local/parameters.yml").read_text())
    regression.set(**{**own, "task": {"kind": "regression"}, "gate": {}})
    status, printed = kedro_run("--to-nodes", "write_summary")
    assert status == 0, printed
    gate = regression.json("08_reporting/gate.json")
    assert gate["verdict"] == "undecided"
    assert any("'gate.against_float.margins.mae'" in reason for reason in gate["reasons"])


def test_two_inputs_and_a_label_of_another_kind(
    project: Project, kedro_run: Callable[..., tuple[int, str]]
) -> None:
    tensorflow()
    import keras

    rng = np.random.default_rng(5)
    keras.utils.set_random_seed(5)
    raw = project.folder / "data/01_raw"
    for name, count in (("train", 40), ("test", 60)):
        image = rng.uniform(size=(count, 8, 8, 1)).astype(np.float32)
        shift = rng.integers(0, 5, (count, 1)).astype(np.int32)
        np.savez(raw / f"{name}.npz", image=image, shift=shift, y=(image[..., 0] > 0.5).astype(int))
    image, shift = (
        keras.Input((8, 8, 1), name="image"),
        keras.Input((1,), dtype="int32", name="shift"),
    )
    moved = keras.layers.Reshape((1, 1, 4))(keras.layers.Embedding(5, 4)(shift))
    both = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(image) + moved
    scores = keras.layers.Conv2D(2, 1, activation="softmax")(both)
    save(project.folder / "scenes.keras", [image, shift], scores)
    project.set(
        model={"path": "scenes.keras"},
        dataset={"source": "npz", "data_dir": "data/01_raw", "transform": [],
                 "transforms": {"image": [{"rescale": {"scale": 1.0}}]},
                 "npz": {"x": ["image", "shift"]}},
        task={"kind": "segmentation"},
        gate={"absolute": {"int8_metrics": {"mean_iou": {"max": 1.0}}}},
    )  # fmt: skip
    status, printed = kedro_run("--to-nodes", "write_summary")
    assert status == 0, printed
    scores = project.json("08_reporting/int8_metrics.json")
    assert 0 <= scores["mean_iou_low"] <= scores["mean_iou"] <= 1
    assert len(scores["details"]["iou_per_class"]) == 2
    manifest = json.loads((project.folder / "data/03_primary/manifest.json").read_bytes())
    assert {row["label"] for row in manifest["evaluation"]["examples"]} == {None}
    ports = regression_inputs(project)
    assert ports == {"image", "shift"}


def regression_inputs(project: Project) -> set[str]:
    from quantline.tflite import read

    graph = read((project.folder / "data/06_models/int8.tflite").read_bytes())
    return set(graph.signatures[0].inputs)


def test_a_mask_of_another_size_names_its_example(
    project: Project, kedro_run: Callable[..., tuple[int, str]]
) -> None:
    project.set(task={"kind": "segmentation"})
    status, printed = kedro_run("--to-nodes", "import_model")
    assert status == 2
    assert "cannot be scored as 'segmentation'" in printed
