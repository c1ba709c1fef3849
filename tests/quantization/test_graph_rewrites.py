"""One-hot rows and counts, against TensorFlow and Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from quantline import recipe
from quantline.quantization import quantize
from quantline.quantization.original_source import Source
from quantline.quantization.originals import run_and_convert
from quantline.quantization.parity import run_imported
from quantline.ranges import record
from quantline.tflite import Runtime, read

if TYPE_CHECKING:
    from pathlib import Path

IDS = np.random.default_rng(0).integers(0, 5, (6, 4)).astype(np.int32)


def test_ids_out_of_range_have_no_row(tmp_path: Path, tf: Any) -> None:
    function = tf.function(lambda ids: {"rows": tf.one_hot(ids, 3, 2.0, -1.0)})
    signature = function.get_concrete_function(ids=tf.TensorSpec((None, 4), tf.int32, name="ids"))
    tf.saved_model.save(tf.Module(), str(tmp_path), signatures=signature)
    ids = np.asarray([[-2, -1, 0, 1], [2, 3, 4, 1000]], np.int32)
    content = run_and_convert(Source("saved_model", str(tmp_path)), ids).content
    assert "GATHER" in {operator.type for operator in read(content).main.operators}
    rows = np.concatenate([item["rows"] for item in run_imported(content, {"ids": ids})])
    np.testing.assert_array_equal(rows, tf.one_hot(ids, 3, 2.0, -1.0))


@pytest.mark.parametrize("mode", ["multi_hot", "count"])
def test_category_encoding_in_integers(tmp_path: Path, keras: Any, mode: str) -> None:
    ids = keras.Input((4,), name="ids", dtype="int32")
    encoded = keras.layers.CategoryEncoding(5, output_mode=mode)(ids)
    model = keras.Model(ids, keras.layers.Dense(3)(encoded))
    model.save(tmp_path / "m.keras")
    content = run_and_convert(Source("keras", str(tmp_path / "m.keras")), IDS).content
    expected = np.asarray(model(IDS))
    values = np.concatenate([arrays["output_0"] for arrays in run_imported(content, {"ids": IDS})])
    np.testing.assert_allclose(values, expected, atol=1e-5)
    made = quantize(content, record(content, list(IDS)), recipe.Conversion()).content
    assert "float32" not in {tensor.dtype for tensor in read(made).main.tensors}
    runtime = Runtime(made)
    port = runtime.outputs[0]
    for sample, wanted in zip(IDS, expected, strict=True):
        runtime.set(sample[np.newaxis])
        runtime.invoke()
        np.testing.assert_allclose(
            port.dequantize(runtime.get()[0])[0], wanted, atol=0.03 * np.abs(expected).max()
        )
