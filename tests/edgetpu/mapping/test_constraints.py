from __future__ import annotations

import pytest

from quantline.edgetpu import Placement, Provenance, Status, predict

NEWEST = 14


def only(model, *outputs, runtime_version=NEWEST):
    """The verdict on the last operator of a model."""
    return predict(model.graph(*outputs), runtime_version).operators[-1]


@pytest.mark.parametrize(
    "kind",
    ["ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"],
)
def test_elementwise_operators_of_two_inputs_are_mapped(model, kind):
    output = model.tensor(1, 8, 8, 3)
    model.add(kind, [model.tensor(1, 8, 8, 3), model.tensor(1, 8, 8, 3)], [output])
    assert only(model, output).target is Placement.EDGETPU


@pytest.mark.parametrize(
    "kind", ["RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH", "L2_NORMALIZATION", "RSQRT"]
)
def test_elementwise_operators_of_one_input_are_mapped(model, kind):
    assert only(model, model.unary(kind, model.tensor(1, 8, 8, 3))).target is Placement.EDGETPU


@pytest.mark.parametrize(
    "kind", ["LEAKY_RELU", "HARD_SWISH", "ELU", "EXP", "DIV", "GATHER", "BATCH_MATMUL"]
)
def test_operators_outside_the_table_are_not_supported(model, kind):
    verdict = only(model, model.unary(kind, model.tensor(1, 8, 8, 3)))
    assert (verdict.target, verdict.status) == (Placement.CPU, Status.NOT_SUPPORTED)


@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize(("fused", "target"), [(0, Placement.EDGETPU), (1, Placement.CPU)])
def test_pooling_takes_no_fused_activation(model, kind, fused, target):
    output = model.unary(
        kind, model.tensor(1, 8, 8, 3), (1, 4, 4, 3), fusedActivationFunction=fused
    )
    assert only(model, output).target is target


@pytest.mark.parametrize(
    ("count", "constant", "target"),
    [
        (2, None, Placement.EDGETPU),
        (2, -5, Placement.EDGETPU),  # the zero point: real zeros
        (2, 0, Placement.CPU),
        (3, -5, Placement.CPU),
    ],
)
def test_concatenation_takes_a_constant_as_zero_padding_only(model, count, constant, target):
    inputs = [model.tensor(1, 4, 4, 2) for _ in range(count - 1)]
    inputs.append(model.tensor(1, 4, 4, 2, values=constant, zero_point=-5))
    output = model.tensor(1, 4, 4, 2 * count)
    model.add("CONCATENATION", inputs, [output], axis=3)
    assert only(model, output).target is target


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize(
    ("dilation", "runtime_version", "target"),
    [
        ((1, 1), 10, Placement.EDGETPU),
        ((2, 2), 12, Placement.EDGETPU),
        ((2, 2), 14, Placement.EDGETPU),
        ((2, 1), 14, Placement.CPU),
    ],
)
def test_convolutions_are_dilated_alike_in_x_and_y(model, kind, dilation, runtime_version, target):
    output = model.tensor(1, 8, 8, 4)
    inputs = [model.tensor(1, 8, 8, 3), model.weights(4, 3, 3, 3), model.integers(0, 0, 0, 0)]
    model.add(kind, inputs, [output], dilationWFactor=dilation[0], dilationHFactor=dilation[1])
    assert only(model, output, runtime_version=runtime_version).target is target


@pytest.mark.parametrize(
    ("taps", "dilation", "target"),
    [
        ((3, 1), (2, 1), Placement.EDGETPU),  # a network over time
        ((1, 3), (1, 4), Placement.EDGETPU),
        ((3, 1), (1, 4), Placement.EDGETPU),  # what is dilated has one tap
        ((3, 2), (2, 1), Placement.CPU),
    ],
)
def test_a_dimension_of_one_tap_is_not_dilated(model, taps, dilation, target):
    output = model.tensor(1, 8, 8, 4)
    inputs = [model.tensor(1, 8, 8, 3), model.weights(4, *taps, 3), model.integers(0, 0, 0, 0)]
    model.add("CONV_2D", inputs, [output], dilationHFactor=dilation[0], dilationWFactor=dilation[1])
    assert only(model, output).target is target


@pytest.mark.parametrize(
    ("rows", "weights_format", "target"),
    [(1, 0, Placement.EDGETPU), (2, 0, Placement.CPU), (1, 1, Placement.CPU)],
)
def test_fully_connected_gives_one_dimension(model, rows, weights_format, target):
    output = model.tensor(rows, 10)
    inputs = [model.tensor(rows, 64), model.weights(10, 64), -1]
    model.add("FULLY_CONNECTED", inputs, [output], version=4, weightsFormat=weights_format)
    assert only(model, output).target is target


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        ((1, 1001), Placement.EDGETPU),
        ((1, 1, 1, 10), Placement.EDGETPU),
        ((1, 16_384), Placement.EDGETPU),
        ((1, 16_385), Placement.CPU),
        ((1, 1344, 4, 16), Placement.EDGETPU),
    ],
)
def test_softmax_is_along_so_many_elements(model, shape, target):
    assert only(model, model.unary("SOFTMAX", model.tensor(*shape))).target is target


@pytest.mark.parametrize(
    "row",
    [
        ("MEAN", (1, 2), 7, 14, Placement.EDGETPU),
        ("MEAN", (1, 2), 7, 10, Placement.EDGETPU),
        ("MEAN", (-1,), 8, 14, Placement.EDGETPU),
        ("MEAN", (-1,), 7, 14, Placement.CPU),
        ("MEAN", (-1,), 8, 12, Placement.CPU),
        ("MEAN", (0,), 8, 14, Placement.CPU),
        ("SUM", (1,), 7, 14, Placement.EDGETPU),
        ("SUM", (0,), 7, 14, Placement.CPU),
        ("SUM", (1,), 7, 12, Placement.CPU),
        ("REDUCE_MAX", (1,), 7, 14, Placement.EDGETPU),
        ("REDUCE_MAX", (1,), 7, 13, Placement.CPU),
        ("REDUCE_MIN", (-4,), 7, 14, Placement.CPU),
    ],
)
def test_reductions_leave_the_batch_alone(model, row):
    kind, axis, channels, runtime_version, target = row
    output = model.tensor(1, 4, 4, channels)
    model.add(kind, [model.tensor(1, 4, 4, channels), model.integers(*axis)], [output])
    assert only(model, output, runtime_version=runtime_version).target is target


@pytest.mark.parametrize(("axis", "target"), [(1, Placement.EDGETPU), (-1, Placement.EDGETPU)])
def test_pack_outside_the_batch_is_mapped(model, axis, target):
    output = model.tensor(1, 2, 4, 2)
    model.add("PACK", [model.tensor(1, 4, 2), model.tensor(1, 4, 2)], [output], axis=axis)
    assert only(model, output).target is target


def test_pack_in_the_batch_is_not_mapped(model):
    output = model.tensor(2, 4, 2)
    model.add("PACK", [model.tensor(4, 2), model.tensor(4, 2)], [output], axis=0)
    assert only(model, output).target is Placement.CPU


@pytest.mark.parametrize(("axis", "target"), [(3, Placement.EDGETPU), (0, Placement.CPU)])
def test_split_leaves_the_batch_alone(model, axis, target):
    outputs = [model.tensor(1, 4, 4, 2), model.tensor(1, 4, 4, 2)]
    model.add("SPLIT", [model.integers(axis), model.tensor(1, 4, 4, 4)], outputs)
    assert only(model, *outputs).target is target


def test_split_into_one_splits_nothing(model):
    """YAMNet's first operator: the axis is the batch, and there is one output."""
    source, output = model.tensor(1, 96, 64, 1), model.tensor(1, 96, 64, 1)
    model.add("SPLIT", [model.integers(0), source], [output], numSplits=1)
    verdict = only(model, output)
    assert (verdict.target, verdict.seen_in_models) == (Placement.EDGETPU, 1)


@pytest.mark.parametrize(
    ("amounts", "runtime_version", "target"),
    [
        ([(0, 0), (1, 1), (1, 1), (0, 0)], 10, Placement.EDGETPU),
        ([(0, 0), (1, 1), (1, 1), (0, 5)], 14, Placement.EDGETPU),
        ([(0, 0), (1, 1), (1, 1), (0, 5)], 12, Placement.EDGETPU),  # a face detector of 2020
        ([(0, 1), (0, 0), (0, 0), (0, 0)], 14, Placement.CPU),
    ],
)
def test_pad_leaves_the_batch_alone(model, amounts, runtime_version, target):
    padding = model.tensor(4, 2, dtype="int32", values=amounts)
    output = model.tensor(1, 6, 6, 8)
    model.add("PAD", [model.tensor(1, 4, 4, 3), padding], [output])
    assert only(model, output, runtime_version=runtime_version).target is target


@pytest.mark.parametrize(
    ("alpha", "target"), [((1, 1, 8), Placement.EDGETPU), ((4, 4, 8), Placement.CPU)]
)
def test_prelu_takes_an_alpha_a_channel(model, alpha, target):
    output = model.tensor(1, 4, 4, 8)
    model.add("PRELU", [model.tensor(1, 4, 4, 8), model.weights(*alpha)], [output])
    assert only(model, output).target is target


@pytest.mark.parametrize(
    ("shape", "runtime_version", "target"),
    [
        ((1, 1, 10), 12, Placement.EDGETPU),
        ((1, 5, 10), 12, Placement.EDGETPU),
        ((5, 1, 10), 12, Placement.CPU),
        ((5, 1, 10), 13, Placement.EDGETPU),
    ],
)
def test_squeeze_of_leading_ones_until_runtime_12(model, shape, runtime_version, target):
    output = model.unary("SQUEEZE", model.tensor(*shape), (5, 10))
    assert only(model, output, runtime_version=runtime_version).target is target


@pytest.mark.parametrize(
    ("strides", "masks", "status"),
    [
        ((1, 1, 1, 1), {}, Status.MAPPED),
        ((1, 1, 1, 1), {"shrinkAxisMask": 1}, Status.MAPPED),
        ((1, 2, 2, 1), {}, Status.STRIDES),
        ((1, 1, 1, 1), {"newAxisMask": 1}, Status.UNSPECIFIED),
        ((1, 1, 1, 1), {"ellipsisMask": 1}, Status.UNSPECIFIED),
    ],
)
def test_strided_slice_takes_every_element(model, strides, masks, status):
    output = model.tensor(1, 4, 4, 3)
    bounds = [model.integers(0, 0, 0, 0), model.integers(1, 4, 4, 3), model.integers(*strides)]
    model.add("STRIDED_SLICE", [model.tensor(1, 8, 8, 3), *bounds], [output], **masks)
    assert only(model, output).status is status


def test_quantize_maps_between_8_bit_types_only(model):
    image = model.tensor(1, 4, 4, 3, dtype="float32")
    stored = model.unary("QUANTIZE", image)
    other = model.tensor(1, 4, 4, 3, dtype="uint8")
    model.add("QUANTIZE", [stored], [other])
    real = model.tensor(1, 4, 4, 3, dtype="float32")
    model.add("DEQUANTIZE", [other], [real])
    first, second, third = predict(model.graph(real)).operators
    assert (first.target, first.status) == (Placement.CPU, Status.UNSPECIFIED)
    assert second.status is Status.MAPPED
    assert (third.target, third.status) == (Placement.CPU, Status.DTYPE)


def test_an_lstm_may_hold_int16_state(model):
    state = model.tensor(1, 16, dtype="int16", variable=True)
    output = model.tensor(1, 5, 16)
    inputs = [model.tensor(1, 5, 8), -1, *(model.weights(16, 8) for _ in range(3))]
    inputs += [-1] * (18 - len(inputs)) + [model.tensor(1, 16, variable=True), state]
    model.add("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [output])
    assert only(model, output).target is Placement.EDGETPU


def test_a_newer_runtime_has_more_operators(model):
    output = model.tensor(1, 3, 4, 4)
    model.add("TRANSPOSE", [model.tensor(1, 4, 4, 3), model.integers(0, 3, 1, 2)], [output])
    old = only(model, output, runtime_version=13)
    assert (old.target, old.status, old.provenance) == (
        Placement.CPU,
        Status.NOT_SUPPORTED,
        Provenance.MEMORY,
    )
    assert only(model, output).target is Placement.EDGETPU
