"""Fused LSTMs, against the original layer and TensorFlow's public converter."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.conftest import public_convert

from quantline import recipe
from quantline.errors import ModelUnsupported
from quantline.quantization import quantize
from quantline.quantization.original_source import Source
from quantline.quantization.originals import run_and_convert
from quantline.ranges import record
from quantline.tflite import Runtime, read
from quantline.tflite.edit import pack
from quantline.tflite.graph import parse

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.quantization.originals import Converted

LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
SEQUENCES = np.random.default_rng(0).normal(size=(12, 7, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def layers(tf: Any) -> Any:
    keras2 = pytest.importorskip("tf_keras", reason="Keras 2 is not installed")
    keras2.utils.set_random_seed(0)
    sequence = keras2.Input((7, 3), name="sequence")
    lstm = keras2.layers.LSTM(5)
    return keras2.Model(sequence, keras2.layers.Dense(2)(lstm(sequence))), lstm


@pytest.fixture(scope="module")
def converted(layers: Any, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    path = tmp_path_factory.mktemp("keras2") / "m.h5"
    with warnings.catch_warnings(action="ignore"):  # Keras 2 calls its own format legacy
        layers[0].save(path)
    return run_and_convert(Source("keras", str(path)), SEQUENCES)


def test_the_states_are_those_of_every_step(layers: Any, converted: Converted, tf: Any) -> None:
    main = read(converted.content).main
    fused = next(operator for operator in main.operators if operator.type == LSTM)
    ranges = {tensor.index: tensor for tensor in record(converted.content, list(SEQUENCES)).tensors}
    cell = layers[1].cell
    state, states = [tf.zeros((12, 5))] * 2, []
    for step in SEQUENCES.swapaxes(0, 1):
        _, state = cell(step, state)
        states.append(np.asarray(state[1]))
    found = ranges[fused.inputs[19]]
    assert (found.min, found.max) == pytest.approx((np.min(states), np.max(states)), rel=1e-5)
    assert ranges[fused.inputs[18]].max == ranges[fused.outputs[0]].max


def test_the_int8_model_is_as_good_as_the_public_converters(
    layers: Any, converted: Converted, tf: Any, tmp_path: Path
) -> None:
    assert any("reset_all_variables" in item for item in converted.rebuilt)
    content = converted.content
    made = quantize(content, record(content, list(SEQUENCES)), recipe.Conversion()).content
    spec = tf.TensorSpec((1, 7, 3), tf.float32, name="sequence")
    signature = tf.function(layers[0]).get_concrete_function(spec)
    module = tf.Module()
    module.read = layers[0].variables
    tf.saved_model.save(module, str(tmp_path), signatures=signature)
    public = public_convert(
        tmp_path, optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: ([sequence[np.newaxis]] for sequence in SEQUENCES),
        supported_ops=[tf.lite.OpsSet.TFLITE_BUILTINS_INT8],
        inference_input_type=tf.int8, inference_output_type=tf.int8,
    )  # fmt: skip
    kinds = [[operator.type for operator in read(model).main.operators] for model in (made, public)]
    assert LSTM in kinds[0]
    assert kinds[0] == kinds[1]
    noise = []
    for model in (made, public):
        runtime = Runtime(model)
        got = np.concatenate([runtime.predict(sequence) for sequence in SEQUENCES])
        noise.append(float(np.square(got - np.asarray(layers[0](SEQUENCES))).mean()))
    assert noise[0] < 1.5 * noise[1]


def test_a_run_starts_from_the_beginning(converted: Converted) -> None:
    runtime = Runtime(converted.content)
    first = runtime.predict(SEQUENCES[0])
    runtime.predict(SEQUENCES[1])
    np.testing.assert_array_equal(runtime.predict(SEQUENCES[0]), first)


def test_a_projection_has_no_tensor_for_what_it_reads(converted: Converted) -> None:
    edited = parse(converted.content)
    fused = next(
        operator for operator in edited.subgraphs[0].operators if len(operator.inputs) >= 20
    )
    fused.inputs = [*fused.inputs[:16], fused.inputs[5], *fused.inputs[17:]]
    with pytest.raises(ModelUnsupported, match="LSTM") as caught:
        record(pack(edited, len(converted.content)), list(SEQUENCES))
    assert "a projection" in caught.value.found
