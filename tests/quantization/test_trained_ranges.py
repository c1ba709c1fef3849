"""Models that were trained with simulated quantization, against TensorFlow's public converter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.conftest import public_convert

from quantline import recipe
from quantline.quantization import quantize
from quantline.quantization.fixed_ranges import trained_ranges
from quantline.quantization.original_source import Source
from quantline.quantization.originals import run_and_convert
from quantline.ranges import record
from quantline.tflite import Runtime, read

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)
SAMPLES = RNG.uniform(-1, 1, (8, 6, 6, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory, tf: Any) -> Path:
    """A SavedModel with the operators that TensorFlow simulates quantization with."""
    kernel = tf.constant(RNG.normal(size=(3, 3, 3, 4)), tf.float32)
    weights = tf.constant(RNG.normal(size=(4, 5)), tf.float32)
    ends = np.abs(kernel.numpy()).max((0, 1, 2)) * [1.0, 1.2, 0.8, 1.1]
    simulate = tf.quantization.fake_quant_with_min_max_vars
    per_axis = tf.quantization.fake_quant_with_min_max_vars_per_channel

    def model(image: Any) -> dict[str, Any]:
        x = simulate(image, -1.0, 1.0)
        x = tf.nn.conv2d(x, per_axis(kernel, -ends, ends, narrow_range=True), 2, "SAME")
        x = simulate(tf.nn.relu(x), 0.0, 4.5)
        x = simulate(tf.reduce_mean(x, [1, 2]), 0.0, 2.5)
        x = tf.matmul(x, simulate(weights, -1.5, 1.5, narrow_range=True))
        return {"scores": simulate(x, -3.0, 3.0)}

    folder = tmp_path_factory.mktemp("simulated") / "m"
    spec = tf.TensorSpec((1, 6, 6, 3), tf.float32, name="image")
    signature = tf.function(model).get_concrete_function(image=spec)
    tf.saved_model.save(tf.Module(), str(folder), signatures=signature)
    return folder


def test_the_int8_model_is_the_public_converters(simulated: Path, tf: Any) -> None:
    converted = run_and_convert(Source("saved_model", str(simulated)), SAMPLES)
    assert "simulated quantization" in converted.rebuilt[0]
    content = converted.content
    made = quantize(content, record(content, list(SAMPLES)), recipe.Conversion()).content
    public = public_convert(
        simulated, optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: ([sample[np.newaxis]] for sample in SAMPLES),
        supported_ops=[tf.lite.OpsSet.TFLITE_BUILTINS_INT8],
        inference_input_type=tf.int8, inference_output_type=tf.int8,
    )  # fmt: skip
    ours, theirs = read(made).main, read(public).main
    assert [operator.type for operator in ours.operators] == [
        operator.type for operator in theirs.operators
    ]
    models = [Runtime(made), Runtime(public)]
    for runtime in models:
        assert (runtime.inputs[0].scale, runtime.inputs[0].zero_point) == (
            models[1].inputs[0].scale, models[1].inputs[0].zero_point,
        )  # fmt: skip
    for sample in SAMPLES:
        outputs = []
        for runtime in models:
            runtime.set(runtime.inputs[0].quantize(sample[np.newaxis]))
            runtime.invoke()
            outputs.append(runtime.get()[0])
        np.testing.assert_array_equal(*outputs)


def test_a_plain_model_was_trained_with_no_ranges(plain: Any) -> None:
    assert not trained_ranges(read(plain.float_tflite))
