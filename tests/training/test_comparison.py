"""Trained models that cannot be the next version of the one that is retrained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from quantline import recipe
from quantline.errors import ConversionError, ModelUnsupported
from quantline.quantization import FloatModel
from quantline.quantization.parity import inputs_of, outputs_of
from quantline.quiet import tensorflow
from quantline.tflite import read
from quantline.training import refuse_other_interface, refuse_untrained

SAMPLES = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)


def model(kernel: Any, width: int = 4) -> FloatModel:
    """Return a model of one matrix product."""
    tf = tensorflow()
    weights = tf.constant(np.broadcast_to(kernel, (width, 2)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec((1, width), tf.float32, name="x")])
    def call(x: Any) -> Any:
        return {"y": x @ weights}

    concrete = call.get_concrete_function()
    content = tf.lite.TFLiteConverter.from_concrete_functions([concrete], call).convert()
    about: dict[str, Any] = {
        "source": {"path": "my.keras"},
        **{
            ports: {
                name: {"dtype": tensor.dtype, "shape": list(tensor.shape)}
                for name, tensor in found(read(content)).items()
            }
            for ports, found in (("inputs", inputs_of), ("outputs", outputs_of))
        },
    }
    return FloatModel(content, about)


@pytest.fixture(scope="module")
def good() -> FloatModel:
    return model([1.0, 2.0])


def refuse(trained: FloatModel, good: FloatModel, start: FloatModel | None = None) -> None:
    refuse_untrained(trained, good, SAMPLES, recipe.Limits(), start)


def test_a_trained_model_passes(good: FloatModel) -> None:
    refuse_other_interface(good, good)
    refuse(model([1.5, 2.0]), good, good)
    refuse(good, good)  # trained anew, it may well come out the same


def test_another_interface_is_refused(good: FloatModel) -> None:
    with pytest.raises(ModelUnsupported, match=r"has other inputs than 'my\.keras'") as refused:
        refuse_other_interface(model(1.0, 5), good)
    assert "float32 (1, 5)" in refused.value.found
    other = FloatModel(good.content, {**good.about, "outputs": {}})
    with pytest.raises(ModelUnsupported, match="has other outputs"):
        refuse_other_interface(other, good)
    (output,) = good.about["outputs"].values()
    renamed = FloatModel(good.content, {**good.about, "outputs": {"z": output}})
    refuse_other_interface(renamed, good)


def test_a_model_that_learned_nothing_is_refused(good: FloatModel) -> None:
    with pytest.raises(ConversionError, match="the same for every example"):
        refuse(model(0.0), good)
    with pytest.raises(ConversionError, match="diverged"):
        refuse(model(np.nan), good)
    with pytest.raises(ConversionError, match="changed nothing"):
        refuse(good, good, good)
