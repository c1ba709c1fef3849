"""Models that assign variables when they are called: their state is an input and an output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from quantline import recipe
from quantline.contract import golden
from quantline.errors import DataError, ModelUnsupported
from quantline.loading.custom_objects import custom_objects
from quantline.quantization import import_float
from quantline.quantization.original_source import Source
from quantline.quantization.originals import Converted, run_and_convert
from quantline.quantization.parity import inputs_of, outputs_of, run_imported
from quantline.tflite import read

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)
MODULE = """
import keras

class Level(keras.layers.Layer):
    # Smooths what it is given, by a buffer without a batch that does not begin with zero.
    def build(self, shape):
        self.level = self.add_weight(shape=(3,), initializer="ones", trainable=False, name="level")

    def call(self, x):
        self.level.assign(0.5 * self.level + keras.ops.mean(x, axis=(0, 1)))
        return x + self.level

class Noise(keras.layers.Layer):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.generator = keras.random.SeedGenerator(1)

    def call(self, x):
        return x + keras.random.normal((1, 2, 3), seed=self.generator)
"""
STEPS = RNG.normal(size=(4, 2, 3)).astype(np.float32)


def _saved(path: Path, keras: Any, layer: Any, batch: int = 1) -> Any:
    """Save a model with one recurrent layer, of sequences of two steps of three values."""
    sequence = keras.Input(batch_shape=(batch, 2, 3), name="sequence")
    model = keras.Model(sequence, keras.layers.Dense(2)(layer(sequence)))
    model.save(path)
    return model


def _streamed(model: Any, samples: np.ndarray, states: list[Any]) -> tuple[Any, list[Any]]:
    """Return what Keras itself gives over samples in order, and its states after each."""
    outputs, after = [], []
    for sample in samples:
        outputs.append(np.asarray(model(sample[None], training=False)))
        after.append([np.asarray(state.value) for state in states])
    return np.concatenate(outputs), after


def _handed_on(converted: Converted, samples: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Return what the imported model gives over samples where a caller hands its state on."""
    state = {name: value[None] for name, value in converted.states.items()}
    outputs = []
    for sample in samples:
        given = {"sequence": sample[None], **state}
        shapes = {name: value.shape[1:] for name, value in given.items()}
        shapes["sequence"] = (1, *sample.shape)
        [found] = run_imported(converted.content, given, shapes)
        outputs.append(found["output_0"])
        state = {name: found[f"{name}_next"][None] for name in state}
    return np.concatenate(outputs), state


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_a_caller_that_hands_the_state_on_gets_what_keras_gives(
    tmp_path: Path, keras: Any, kind: str
) -> None:
    layer = getattr(keras.layers, kind)(4, stateful=True, name="keeper")
    model = _saved(tmp_path / "m.keras", keras, layer)
    converted = run_and_convert(Source("keras", str(tmp_path / "m.keras")), STEPS)
    names = ["keeper_rnn_state", "keeper_rnn_state_1"][: len(layer.states)]
    graph = read(converted.content)
    assert inputs_of(graph).keys() == {"sequence", *names}
    assert outputs_of(graph).keys() == {"output_0", *(f"{name}_next" for name in names)}
    assert "keeper_rnn_state" in " ".join(converted.rebuilt)
    expected, after = _streamed(model, STEPS, layer.states)
    got, state = _handed_on(converted, STEPS)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    for name, value in zip(names, after[-1], strict=True):
        np.testing.assert_allclose(state[name][0], value, atol=1e-5)
    # Without samples of the state, they are what it is before each sample.
    for place, name in enumerate(names):
        before = np.stack([np.zeros(4), *(item[place][0] for item in after[:-1])])
        np.testing.assert_allclose(converted.computed[name], before, atol=1e-5)


def test_states_that_are_given_are_those_that_the_two_models_are_compared_on(
    tmp_path: Path, keras: Any
) -> None:
    layer = keras.layers.SimpleRNN(4, stateful=True, name="keeper")
    model = _saved(tmp_path / "m.keras", keras, layer)
    states = RNG.uniform(-1, 1, (4, 4)).astype(np.float32)
    samples = {"sequence": STEPS, "keeper_rnn_state": states}
    imported = import_float(recipe.Model(path=str(tmp_path / "m.keras")), samples, recipe.Parity())
    assert imported.about["parity"]["examples"] == 4
    [state] = imported.about["states"].values()
    assert state == {"next": "keeper_rnn_state_next", "initial": [[0.0] * 4], "samples": "given"}
    for found, sample, given in zip(
        run_imported(imported.content, samples), STEPS, states, strict=True
    ):
        layer.states[0].assign(given[None])
        np.testing.assert_allclose(found["output_0"], np.asarray(model(sample[None])), atol=1e-5)
        np.testing.assert_allclose(
            found["keeper_rnn_state_next"], np.asarray(layer.states[0].value), atol=1e-5
        )


def test_a_batch_of_several_becomes_one(tmp_path: Path, keras: Any) -> None:
    layer = keras.layers.GRU(4, stateful=True, name="keeper")
    model = _saved(tmp_path / "m.keras", keras, layer, batch=3)
    converted = run_and_convert(Source("keras", str(tmp_path / "m.keras")), STEPS)
    assert inputs_of(read(converted.content))["keeper_rnn_state"].shape == (1, 4)
    given = {"sequence": STEPS[:1], "keeper_rnn_state": np.zeros((1, 4), np.float32)}
    [found] = run_imported(converted.content, given)
    expected = np.asarray(model(np.repeat(STEPS[:1], 3, axis=0)))[:1]
    np.testing.assert_allclose(found["output_0"], expected, atol=1e-5)


def test_samples_of_a_part_of_the_state_are_refused(tmp_path: Path, keras: Any) -> None:
    layer = keras.layers.LSTM(4, stateful=True, name="keeper")
    _saved(tmp_path / "m.keras", keras, layer)
    samples = {"sequence": STEPS, "keeper_rnn_state": np.zeros((4, 4), np.float32)}
    with pytest.raises(DataError, match="keeper_rnn_state_1"):
        run_and_convert(Source("keras", str(tmp_path / "m.keras")), samples)


def test_a_model_that_keeps_nothing_has_no_further_inputs(tmp_path: Path, keras: Any) -> None:
    _saved(tmp_path / "m.keras", keras, keras.layers.GRU(4, name="forgetter"))
    converted = run_and_convert(Source("keras", str(tmp_path / "m.keras")), STEPS)
    assert inputs_of(read(converted.content)).keys() == {"sequence"}
    assert not converted.states


def test_a_layer_of_the_users_own_that_assigns_a_buffer(tmp_path: Path, keras: Any) -> None:
    (tmp_path / "quantline_test_state.py").write_text(MODULE)
    module = str(tmp_path / "quantline_test_state.py")
    own = custom_objects(module, keras)
    path = str(tmp_path / "m.keras")
    level = own["Level"](name="smooth")
    model = _saved(tmp_path / "m.keras", keras, level)
    converted = run_and_convert(Source("keras", path, custom=module), STEPS)
    np.testing.assert_array_equal(converted.states["smooth_level"], np.ones(3))
    expected, after = _streamed(model, STEPS, [level.level])
    got, state = _handed_on(converted, STEPS)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    np.testing.assert_allclose(state["smooth_level"][0], after[-1][0], atol=1e-5)
    _saved(tmp_path / "m.keras", keras, own["Noise"](name="noise"))
    with pytest.raises(ModelUnsupported, match="assigns variables") as caught:
        run_and_convert(Source("keras", path, custom=module), STEPS)
    assert "seed_generator" in caught.value.found
    assert "random" in caught.value.remedy


def test_a_state_that_is_an_output_too_has_two_names(tmp_path: Path, keras: Any) -> None:
    sequence = keras.Input(batch_shape=(1, 2, 3), name="sequence")
    layer = keras.layers.GRU(4, stateful=True, name="keeper")
    model = keras.Model(sequence, layer(sequence))
    model.save(tmp_path / "m.keras")
    converted = run_and_convert(Source("keras", str(tmp_path / "m.keras")), STEPS)
    assert {"output_0", "keeper_rnn_state_next"} == outputs_of(read(converted.content)).keys()
    for vector in golden.make(converted.content, []).vectors:
        assert vector.outputs.keys() == {"output_0", "keeper_rnn_state_next"}
    expected, after = _streamed(model, STEPS, layer.states)
    got, state = _handed_on(converted, STEPS)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    np.testing.assert_allclose(state["keeper_rnn_state"][0], after[-1][0], atol=1e-5)
