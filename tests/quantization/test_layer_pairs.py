"""Names that TensorFlow's converter gave tensors, and the layers that they are of."""

from __future__ import annotations

from typing import Any

import pytest

from quantline.quantization.layer_pairs import layer_of
from quantline.tflite import read


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("functional_1/first_1/convolution", "first_1"),
        ("model/conv2d_3/Relu6;model/bn/FusedBatchNormV3;model/conv2d_3/Conv2D", "conv2d_3"),
        ("model/block_2/conv/BiasAdd/ReadVariableOp", "block_2/conv"),
        ("StatefulPartitionedCall/functional_1/dense_1/MatMul", "dense_1"),
        ("functional_3_1/dense_4_1/Tensordot/MatMul", "dense_4_1"),
        ("functional_3_1/layer_normalization_1/moments/mean", "layer_normalization_1"),
        ("functional_3_1/multi_head_attention_1/key_1/MatMul", "multi_head_attention_1/key_1"),
        ("mobilenetv2/Conv1_relu/Relu6;mobilenetv2/bn_Conv1/batchnorm/mul_1", "Conv1_relu"),
        ("arith.constant4;model/dense/MatMul", "dense"),
        ("MobilenetEdgeTPU/expanded_conv_10/expand/weights", "expanded_conv_10/expand"),
        ("dense_1/MatMul", "dense_1"),
        ("functional_1/Sin", None),
        ("sequential_2_1/Relu", None),
        ("serving_default_image:0", None),
        ("StatefulPartitionedCall:0", None),
        ("PartitionedCall:01", None),
        ("tfl.pseudo_qconst3", None),
        ("Sin", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_layer_that_a_name_tells(name: str, layer: str | None) -> None:
    assert layer_of(name) == layer


def test_a_converted_model_names_its_own_layers(depthwise: Any, residual: Any) -> None:
    for trained in (depthwise, residual):
        told = {layer_of(tensor.name) for tensor in read(trained.float_tflite).main.tensors} - {
            None
        }
        layers = [layer.name for layer in trained.keras.layers]
        assert told
        for name in told:
            assert name in layers or name.rpartition("_")[0] in layers, name
