"""Trainings by functions and commands of the user's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.training.conftest import SETTINGS

from quantline import recipe
from quantline.errors import (
    ConversionError,
    DataError,
    OutOfMemory,
    ParameterError,
    ProcessError,
    QuantlineError,
)
from quantline.files import sha256
from quantline.training import OwnTraining

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRAINS = """
import keras
import numpy as np


def network():
    return keras.Sequential([
        keras.Input((8, 8, 1), name="image"), keras.layers.Flatten(), keras.layers.Dense(2)
    ])


def train(dataset, *, arguments, seed):
    model = network()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(dataset.batch(32), epochs=arguments["epochs"], verbose=2)
    print("trained with", seed)
    return model


def saved(dataset, *, arguments, seed):
    assert len(dataset) == 96
    network().export("exported", verbose=False)
    return "exported", {"loss": np.array([0.5, np.nan], np.float32)}


def on(dataset, *, arguments, seed, start):
    return start


def other(dataset): ...
def quits(dataset, *, arguments, seed): raise SystemExit(3)
def raises(dataset, *, arguments, seed): return 1 / 0
def unbatched(dataset, *, arguments, seed):
    model = network()
    model.compile("sgd", "mse")
    model.fit(dataset)


def nothing(dataset, *, arguments, seed): ...
def many(dataset, *, arguments, seed): return 1, 2, 3
def history(dataset, *, arguments, seed): return network(), {"loss": "low"}
def nowhere(dataset, *, arguments, seed): return "no.keras"
def no_model(dataset, *, arguments, seed): return __file__


def reads(dataset, *, arguments, seed):
    for pair in dataset:
        pass


def killed(dataset, *, arguments, seed):
    import os
    import signal

    print("so far so good", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def sleeps(dataset, *, arguments, seed):
    import time

    time.sleep(60)
"""


def settings(**changes: Any) -> recipe.Training:
    return recipe.Training(**{**SETTINGS, **changes})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, with a module of the user's."""
    (tmp_path / "mine.py").write_text(TRAINS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_function_trains(folder: Path, dataset: Callable[..., recipe.Dataset]) -> None:
    given = settings(function="mine:train", arguments={"epochs": 2}, seed=7)
    own, log = OwnTraining.prepare(dataset(), given), folder / "logs/training.log"
    trained, again = own.train(log), own.train(log)
    assert trained.content == again.content  # from the same seed
    assert isinstance(trained.content, bytes)
    assert trained.about["sha256"] == sha256(trained.content)
    assert trained.about["examples"] == 96
    assert [len(numbers) for numbers in trained.about["history"].values()] == [2]
    assert "epochs" not in trained.about["parameters"]
    assert trained.about["parameters"]["arguments"] == {"epochs": 2}
    written = log.read_text()
    assert "Epoch 2/2" in written
    assert written.count("trained with 7") == 2


def test_a_function_returns_a_path_and_a_history(
    folder: Path, dataset: Callable[..., recipe.Dataset]
) -> None:
    own = OwnTraining.prepare(dataset(), settings(function="mine:saved"))
    trained = own.train(folder / "training.log")
    assert isinstance(trained.content, dict)
    assert {"saved_model.pb", "variables/variables.index"} <= trained.content.keys()
    assert trained.about["history"] == {"loss": [0.5, None]}


def test_a_function_goes_on_from_a_model(
    folder: Path, dataset: Callable[..., recipe.Dataset]
) -> None:
    start = b"\x1c\x00\x00\x00TFL3" + bytes(8)
    given = settings(function="mine:on", start="champion")
    trained = OwnTraining.prepare(dataset(), given, start).train(folder / "training.log")
    assert trained.content == start
    assert trained.about["start_sha256"] == trained.about["sha256"] == sha256(start)


BAD: dict[str, tuple[str, type[QuantlineError], str]] = {
    "no module": ("theirs:train", ParameterError, "cannot be imported. Found: ModuleNotFound"),
    "no function": ("mine:trains", ParameterError, "'mine:trains' cannot be imported"),
    "other arguments": ("mine:other", ParameterError, "does not take what it is given"),
    "quits": ("mine:quits", ConversionError, "failed. Found: SystemExit: 3 (mine.py, line"),
    "raises": ("mine:raises", ConversionError, "ZeroDivisionError: division by zero (mine.py"),
    "unbatched": ("mine:unbatched", ConversionError, "expected axis -1 of input shape"),
    "nothing": ("mine:nothing", ConversionError, "no model. Found: a result of type NoneType"),
    "many": ("mine:many", ConversionError, "a tuple of 3"),
    "history": ("mine:history", ConversionError, "'loss' in its history is of type str"),
    "nowhere": ("mine:nowhere", ConversionError, "the path 'no.keras', where nothing is"),
    "no model": ("mine:no_model", QuantlineError, "a file that ends in '.py'"),
    "killed": ("mine:killed", OutOfMemory, "its last words: so far so good"),
    "too slow": ("mine:sleeps", ProcessError, "raise `training_timeout_s`"),
}


@pytest.mark.parametrize(("function", "error", "said"), BAD.values(), ids=BAD)
def test_a_function_that_fails_is_told_in_a_paragraph(
    folder: Path,
    dataset: Callable[..., recipe.Dataset],
    function: str,
    error: type[QuantlineError],
    said: str,
) -> None:
    limit = 3 if function == "mine:sleeps" else 300
    given = settings(function=function, timeout_s=limit)
    with pytest.raises(error) as refused:
        OwnTraining.prepare(dataset(), given).train(folder / "training.log")
    assert said in str(refused.value)
    assert "Traceback" not in str(refused.value)


def test_the_log_of_a_failure_is_named(
    folder: Path, dataset: Callable[..., recipe.Dataset]
) -> None:
    own = OwnTraining.prepare(dataset(), settings(function="mine:raises"))
    with pytest.raises(ConversionError, match=r"its log is 'training\.log'"):
        own.train(folder / "training.log")
    assert "ZeroDivisionError" in (folder / "training.log").read_text()


def test_an_example_that_cannot_be_read_is_named(
    folder: Path, dataset: Callable[..., recipe.Dataset], blobs: tuple[np.ndarray, np.ndarray]
) -> None:
    x = blobs[0].copy()
    x[90] = np.nan
    own = OwnTraining.prepare(dataset(x=x), settings(function="mine:reads"))
    with pytest.raises(DataError, match=r"train\.npz\[90\]"):
        own.train(folder / "training.log")


def command(text: str, **changes: Any) -> recipe.Training:
    return settings(command=text, **changes)


def test_a_command_trains(folder: Path, dataset: Callable[..., recipe.Dataset]) -> None:
    (folder / "train.py").write_text(
        "import json, os, numpy as np\n"
        "folder = os.environ['QUANTLINE_EXAMPLES']\n"
        "x, y = (np.load(f'{folder}/{name}.npy', mmap_mode='r') for name in 'xy')\n"
        "assert (x.shape, y.shape) == ((96, 8, 8, 1), (96,)), (x.shape, y.shape)\n"
        "assert json.loads(os.environ['QUANTLINE_ARGUMENTS']) == {'rate': 0.5}\n"
        "assert os.environ['QUANTLINE_SEED'] == '1' and not os.environ['QUANTLINE_START']\n"
        "open(os.environ['QUANTLINE_HISTORY'], 'w').write('{\"loss\": [2, 1]}')\n"
        "open(os.environ['QUANTLINE_MODEL'] + '.tflite', 'wb').write(b'....TFL3')\n"
        "print('done')\n"
    )
    given = command("python train.py", arguments={"rate": 0.5})
    trained = OwnTraining.prepare(dataset(), given).train(folder / "training.log")
    assert trained.content == b"....TFL3"
    assert trained.about["history"] == {"loss": [2.0, 1.0]}
    assert (folder / "training.log").read_text() == "done\n"


FAILS: dict[str, tuple[str, type[QuantlineError], str]] = {
    "status": ("echo oh no; exit 3", ProcessError, "exit status 3; its last words: oh no"),
    "unknown": ("no_such_command", ProcessError, "exit status 127"),
    "no model": ("true", ConversionError, "left no model. Found: no file"),
    "another": ("echo > $QUANTLINE_MODEL.onnx", ConversionError, "$QUANTLINE_MODEL.onnx"),
    "several": (
        "echo > $QUANTLINE_MODEL.keras; echo > $QUANTLINE_MODEL.tflite",
        ConversionError,
        "left several models",
    ),
    "killed": ("kill -9 $$", OutOfMemory, "signal SIGKILL"),
    "history": (
        "echo a > $QUANTLINE_MODEL.keras; echo '[' > $QUANTLINE_HISTORY",
        ConversionError,
        "left a history that cannot be read",
    ),
}


@pytest.mark.parametrize(("text", "error", "said"), FAILS.values(), ids=FAILS)
def test_a_command_that_fails_is_told(
    folder: Path,
    dataset: Callable[..., recipe.Dataset],
    text: str,
    error: type[QuantlineError],
    said: str,
) -> None:
    with pytest.raises(error) as refused:
        OwnTraining.prepare(dataset(), command(text)).train(folder / "training.log")
    assert said in str(refused.value)


def test_a_command_that_takes_too_long_ends_with_all_that_it_started(
    folder: Path, dataset: Callable[..., recipe.Dataset]
) -> None:
    text = "(sleep 3; touch later) & sleep 60"
    own = OwnTraining.prepare(dataset(), command(text, timeout_s=1))
    begin = time.monotonic()
    with pytest.raises(ProcessError, match="took too long"):
        own.train(folder / "training.log")
    assert time.monotonic() - begin < 20
    time.sleep(3)
    assert not (folder / "later").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"function": "mine:train", "command": "true"}, "not both"),
        ({"arguments": {"a": 1}}, "a function or a command"),
        ({"function": "mine:train", "arguments": {"a": object()}}, "JSON"),
        ({"function": "mine.train"}, "a function 'module:function'"),
    ],
)
def test_parameters_that_make_no_training(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError) as refused:
        recipe.check(recipe.Training, {**SETTINGS, **changes})
    assert said in str(refused.value)
