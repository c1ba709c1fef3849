"""Loading ends within its limits, and a .tflite file has no way to other files."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.loading import strange

from quantline import recipe
from quantline.errors import ModelUnsupported, ProcessError
from quantline.quantization import import_float

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fresh_children

PARITY = recipe.Parity()


def test_loading_that_takes_too_long_ends_and_names_its_limit(tmp_path: Path) -> None:
    layers = [strange.layer("Dense", f"d{index}", units=4) for index in range(20_000)]
    for before, after in pairwise(layers):
        after["inbound_nodes"] = [[[before["name"], 0, 0, {}]]]
    path = strange.h5(tmp_path / "m.h5", strange.functional(*layers))
    limits = recipe.Limits(load_s=1)
    with pytest.raises(ProcessError, match="1 s at stage 'loading'") as caught:
        import_float(recipe.Model(path=str(path)), np.zeros((1, 4), np.float32), PARITY, limits)
    assert "`load_s`" in caught.value.remedy


def test_an_operator_of_tensorflow_in_a_tflite_file_does_not_run(tf: Any, tmp_path: Path) -> None:
    @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.float32)])
    def call(x: Any) -> Any:
        tf.io.write_file(str(tmp_path / "ran"), "x")
        return x * 2.0

    converter = tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()])
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS
    ]  # fmt: skip
    path = tmp_path / "m.tflite"
    path.write_bytes(converter.convert())
    (tmp_path / "ran").unlink(missing_ok=True)
    with pytest.raises(ModelUnsupported, match="Flex"):
        import_float(recipe.Model(path=str(path)), np.zeros((1, 4), np.float32), PARITY)
    assert not (tmp_path / "ran").exists()
