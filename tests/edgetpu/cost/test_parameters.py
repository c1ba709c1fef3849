"""Bytes of parameters, against numbers that the real compiler gave.

The models whose compiled files tell more lie beside the repository and are not part of it.
"""

from __future__ import annotations

import pytest
from benchmarks.yolov5 import yolov5n
from tests.edgetpu import pairs

from quantline.edgetpu.cost.parameters import parameter_parts
from quantline.edgetpu.cost.rules import FEW, RULES, total


def parameter_bytes(main, chosen, runtime_version):
    """Bytes, and their bounds, by operator index."""
    parts = parameter_parts(main, chosen, runtime_version)
    return {index: total(listed) for index, listed in parts.items()}


def sizes(model, *outputs, runtime_version=14):
    """Bytes, and their bounds, of all operators of a model."""
    main = model.graph(*outputs).main
    found = parameter_bytes(main, range(len(main.operators)), runtime_version)
    return [found[index] for index in range(len(main.operators))]


def only(model, *outputs, runtime_version=14):
    """Bytes of the last operator."""
    return sizes(model, *outputs, runtime_version=runtime_version)[-1].bytes


@pairs.all_needed
@pytest.mark.parametrize("folder", pairs.FOLDERS, ids=lambda item: item.name)
def test_the_compilers_own_sums(folder):
    """To the byte, but for a YOLO with two transpositions; all within the bounds, none unknown."""
    for record in pairs.truth(folder):
        main = pairs.graph(record["model"], folder).main
        found = parameter_bytes(main, record["edgetpu"], max(record["min_runtime"]))
        compiled = record["on_chip_cached_parameter_bytes"] + record["streamed_parameter_bytes"]
        assert sorted(found) == record["edgetpu"]
        assert sum(item.bytes for item in found.values()) == pytest.approx(
            compiled, rel=0.006 if "yolo" in record["model"] else 0
        )
        low, high = (sum(getattr(item, end) for item in found.values()) for end in ("low", "high"))
        assert low <= compiled <= high


def convolution(model, outputs, height, width, inputs, scales=(0.5,), bias=1, kind="CONV_2D"):
    shape = (outputs, height, width, inputs) if kind == "CONV_2D" else (1, height, width, outputs)
    weights = model.weights(*shape, scales=scales)
    biases = model.tensor(outputs, dtype="int32", values=bias)
    result = model.tensor(1, 8, 8, outputs)
    model.add(kind, [model.tensor(1, 8, 8, inputs), weights, biases], [result])
    return result


@pytest.mark.parametrize(("outputs", "rows"), [(1, 4), (8, 16), (24, 32), (64, 64), (72, 128)])
def test_outputs_are_filled_up_to_blocks(model, outputs, rows):
    result = convolution(model, outputs, 3, 3, 16)
    assert only(model, result) == -(-rows * (9 * 16 + 4) // 64) * 64


def test_outputs_of_different_scales_cost_a_scale_and_a_zero_point_each(model):
    # As in PoseNet and YAMNet with a scale for each channel; a mean of them has one.
    single = convolution(model, 100, 3, 3, 100)
    several = convolution(model, 100, 3, 3, 100, scales=tuple(range(1, 101)))
    equal = convolution(model, 100, 3, 3, 100, scales=(0.5,) * 100)
    found = [size.bytes for size in sizes(model, single, several, equal)]
    assert found == [128 * 904, 128 * 912, 128 * 904]


@pytest.mark.parametrize(
    ("kind", "runtime_version", "kept"),
    [
        ("CONV_2D", 14, False),
        ("CONV_2D", 12, True),
        ("DEPTHWISE_CONV_2D", 14, True),
        ("DEPTHWISE_CONV_2D", 12, True),
    ],
)
def test_biases_of_zero_are_left_out_or_kept(model, kind, runtime_version, kept):
    def size(bias):
        result = convolution(model, 16, 3, 3, 16, bias=bias, kind=kind)
        return only(model, result, runtime_version=runtime_version)

    assert size(1) - size(0) == (0 if kept else 16 * 4)


def test_a_layer_without_biases_has_none(model):
    result = model.tensor(1, 10)
    model.add("FULLY_CONNECTED", [model.tensor(1, 9504), model.weights(10, 9504), -1], [result])
    assert only(model, result) == 16 * 9504  # what the compiler streams of a network's last layer


def test_a_channel_s_weight_takes_a_diagonal(model):
    # The largest depthwise convolution of a compiled face detector: its biases are zero, and kept.
    result = convolution(model, 42, 3, 3, 42, range(1, 43), bias=0, kind="DEPTHWISE_CONV_2D")
    assert only(model, result, runtime_version=12) == 2112


def test_few_outputs_give_an_interval(model):
    (one, two) = sizes(model, convolution(model, 1, 1, 1, 64), convolution(model, 2, 1, 1, 64))
    assert one.low == one.high
    assert (two.low, two.high - two.low) == (two.bytes, (16 - 4) * (64 + 4))


@pytest.mark.parametrize(("multiplier", "far"), [(1, False), (2, True)])
def test_a_multiplier_of_channels_was_not_seen(model, multiplier, far):
    result = convolution(model, 64 * multiplier, 5, 5, 64, kind="DEPTHWISE_CONV_2D")
    (found,) = sizes(model, result)
    assert found.is_known is not far


def test_transposed_convolutions_were_not_seen(model):
    source, result = model.tensor(1, 8, 8, 64), model.tensor(1, 16, 16, 64)
    weights = model.weights(64, 2, 2, 64)
    model.add("TRANSPOSE_CONV", [model.integers(1, 16, 16, 64), weights, source], [result],
              strideH=2, strideW=2)  # fmt: skip
    (found,) = sizes(model, result)
    assert (found.bytes, found.is_known) == (64 * 4 * 64, False)


def test_a_published_log_of_a_network_with_a_scale_for_each_channel():
    """YOLOv5n at 480 by 640 for 80 classes: 60 convolutions, 1.82 MiB printed by version 16.0."""
    main = yolov5n(480, 640).main
    chosen = range(len(main.operators))
    assert sum(operator.type == "CONV_2D" for operator in main.operators) == 60
    found = sum(byte.bytes for byte in parameter_bytes(main, chosen, 14).values())
    assert found / 2**20 == pytest.approx(1.82, rel=0.02)


def test_a_published_log_of_units_of_different_scales(model):
    """MNIST's 784 pixels to 10 classes by TensorFlow 2.18: 49.75 KiB (tensorflow issue 73946)."""
    image = model.unary("QUANTIZE", model.tensor(1, 28, 28, dtype="uint8"), (1, 28, 28))
    vector = model.unary("RESHAPE", image, (1, 784))
    weights = model.weights(10, 784, scales=tuple(range(1, 11)))
    result = model.tensor(1, 10)
    bias = model.tensor(10, dtype="int32", values=1)
    model.add("FULLY_CONNECTED", [vector, weights, bias], [result])
    found = sizes(model, model.unary("QUANTIZE", result))
    assert sum(item.bytes for item in found) / 2**10 == 49.75
    assert sum(item.low for item in found) == 16 * (784 + 12)


def weather(model, image, pooled):
    """A published network of 27 features over time: a bottleneck, and three paths from it."""
    vector = model.unary("RESHAPE", pooled, (1, model.tensors[pooled].shape[1] * 27))

    def dense(source, units):
        inputs = model.tensors[source].shape[1]
        weights = model.weights(units, inputs, scales=tuple(range(1, units + 1)))
        result = model.tensor(1, units)
        bias = model.tensor(units, dtype="int32", values=1)
        model.add("FULLY_CONNECTED", [source, weights, bias], [result])
        return result

    def pair(kind, first, second, width):
        result = model.tensor(1, width)
        model.add(kind, [first, second], [result], axis=1)
        return result

    x = dense(vector, 64)
    deep = dense(x, 128)
    deep = dense(pair("ADD", dense(deep, 64), dense(deep, 64), 64), 32)
    cross = dense(x, 16)
    cross = dense(pair("CONCATENATION", cross, pair("MUL", cross, cross, 16), 32), 32)
    joined = pair("CONCATENATION", pair("CONCATENATION", dense(x, 16), deep, 48), cross, 80)
    return sizes(model, *(dense(joined, 1) for _ in range(3)))


def test_a_published_log_of_a_map_of_27_channels_that_becomes_a_vector(model):
    """Pooled before: 796.25 KiB. Of the input itself: 363.50 KiB, and 23.40 MiB for the matrix."""
    image = model.tensor(1, 30, 27)
    pooled = sum(item.bytes for item in weather(model, image, model.unary("RELU", image)))
    assert pooled / 2**10 == pytest.approx(796.25, rel=0.02)


def test_a_published_log_of_an_input_of_27_channels_that_becomes_a_vector(model):
    image = model.tensor(1, 180, 27)
    matrix, *layers = [item.bytes for item in weather(model, image, image)]
    assert f"{matrix / 2**20:.2f}" == "23.40"
    assert sum(layers) / 2**10 == pytest.approx(363.5, rel=0.04)


def test_only_what_was_chosen_is_counted(model):
    last = model.unary("RELU", model.tensor(1, 8))
    assert parameter_bytes(model.graph(last).main, [], 14) == {}


@pairs.all_needed
def test_a_rule_seen_in_few_models_widens_what_it_says():
    widened, taken = set(), set()
    for folder in pairs.FOLDERS:
        for record in pairs.truth(folder):
            main = pairs.graph(record["model"], folder).main
            parts = parameter_parts(main, record["edgetpu"], max(record["min_runtime"]))
            for part in (part for other in parts.values() for part in other):
                taken.add(part.rule)
                if part.low < part.high:
                    assert part.rule.seen_in_models < FEW, part
                    widened.add(part.rule)
    few = {rule for rule in taken if rule.seen_in_models < FEW}
    # The one exception can be read in a compiled file: its input has the later shape.
    assert few - widened == {RULES["the host sends one channel"]}
    assert len(few) >= 8
    assert len(taken) >= 20
