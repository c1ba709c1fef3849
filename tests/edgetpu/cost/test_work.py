"""Multiply-accumulates and estimated cycles of operators."""

from __future__ import annotations

import numpy as np
import pytest
from tests.edgetpu import pairs

from quantline.edgetpu.compiled.read import read_compiled
from quantline.edgetpu.cost.work import convolution_cycles, depthwise_steps, macs, share_of_macs


def only(model, *outputs):
    graph = model.graph(*outputs)
    return macs(graph.main.operators[-1], graph.main.tensors)


def test_convolution_counts_every_tap_of_every_output(model):
    output = model.tensor(1, 5, 7, 8)
    model.add("CONV_2D", [model.tensor(1, 5, 7, 3), model.weights(8, 3, 3, 3)], [output])
    assert only(model, output) == 5 * 7 * 8 * 3 * 3 * 3


def test_grouped_convolution_counts_the_channels_of_a_group(model):
    output = model.tensor(1, 5, 5, 8)
    model.add("CONV_2D", [model.tensor(1, 5, 5, 4), model.weights(8, 1, 1, 2)], [output])
    assert only(model, output) == 5 * 5 * 8 * 2


def test_depthwise_convolution_has_one_filter_a_channel(model):
    output = model.tensor(1, 6, 6, 16)
    model.add("DEPTHWISE_CONV_2D", [model.tensor(1, 12, 12, 8), model.weights(1, 3, 5, 16)],
              [output])  # fmt: skip
    assert only(model, output) == 6 * 6 * 16 * 15


def test_transposed_convolution_counts_from_its_input(model):
    output = model.tensor(1, 8, 8, 5)
    shape = model.integers(1, 8, 8, 5)
    model.add("TRANSPOSE_CONV", [shape, model.weights(5, 2, 2, 6), model.tensor(1, 4, 4, 6)],
              [output])  # fmt: skip
    assert only(model, output) == 4 * 4 * 6 * 2 * 2 * 5


def test_fully_connected_of_several_rows(model):
    output = model.tensor(3, 10)
    model.add("FULLY_CONNECTED", [model.tensor(3, 64), model.weights(10, 64)], [output])
    assert only(model, output) == 3 * 10 * 64


@pytest.mark.parametrize(("adjoint", "left"), [(False, (2, 4, 6)), (True, (2, 6, 4))])
def test_a_product_of_matrices(model, adjoint, left):
    output = model.tensor(2, 4, 5)
    model.add("BATCH_MATMUL", [model.tensor(*left), model.tensor(2, 6, 5)], [output], adjX=adjoint)
    assert only(model, output) == np.size(np.ones((2, 4, 6, 5)))


def test_an_lstm_reads_its_weights_at_every_step(model):
    """Without an input gate (coupled with the forget gate) and with a projection."""
    units, inputs, projected, steps = 8, 3, 5, 7
    from_input = [-1] + [model.weights(units, inputs) for _ in range(3)]
    recurrent = [-1] + [model.weights(units, projected) for _ in range(3)]
    rest = [-1] * 3 + [model.tensor(units, dtype="int32", values=0) for _ in range(4)]
    projection = [model.weights(projected, units), -1]
    output = model.tensor(1, steps, projected)
    model.add("UNIDIRECTIONAL_SEQUENCE_LSTM",
              [model.tensor(1, steps, inputs), *from_input, *recurrent, *rest, *projection],
              [output])  # fmt: skip
    assert only(model, output) == steps * (3 * units * (inputs + projected) + units * projected)


def test_a_basic_lstm_has_one_matrix(model):
    output = model.tensor(1, 4)
    state = [model.tensor(1, 4), model.tensor(1, 4, dtype="int16")]
    model.add("LSTM",
              [model.tensor(1, 3), state[0], model.weights(16, 7), model.weights(16), state[1]],
              [output])  # fmt: skip
    assert only(model, output) == 16 * 7


def test_of_unknown_batch_one_example_is_counted(model):
    output = model.tensor(-1, 10)
    model.add("FULLY_CONNECTED", [model.tensor(-1, 64), model.weights(10, 64)], [output])
    assert only(model, output) == 640


def test_shares(model):
    first, second, third = (model.tensor(1, size) for size in (8, 4, 2))
    model.add("FULLY_CONNECTED", [first, model.weights(4, 8)], [second])
    model.add("FULLY_CONNECTED", [second, model.weights(2, 4)], [third])
    last = model.unary("RELU", third)
    main = model.graph(last).main
    assert share_of_macs(main.operators[:1], main.operators, main.tensors) == 32 / 40
    assert share_of_macs(main.operators[2:], main.operators[2:], main.tensors) == 0.0


# Read in a compiled file that is not at hand.
POSENET_353 = "posenet_mobilenet_v1_075_353_481_quant_decoder.tflite", 1_428_960


def estimates():
    for record in pairs.compiled():
        cycles = read_compiled(pairs.graph(record["compiled"])).estimated_cycles
        if cycles is not None:
            yield record["model"], cycles
    yield POSENET_353


@pairs.needed
def test_the_compilers_own_estimates():
    found = list(estimates())
    assert len(found) >= 4
    mapped = {record["model"]: record["edgetpu"] for record in pairs.truth()}
    for name, cycles in found:
        main = pairs.graph(name).main
        total = sum(convolution_cycles(main.operators[i], main.tensors) for i in mapped[name])
        assert total == pytest.approx(cycles, rel=0.004), name


def cycles(model, count, kind, source, weights, result):
    output = model.tensor(*result)
    model.add(kind, [model.tensor(*source), model.weights(*weights)], [output])
    main = model.graph(output).main
    return count(main.operators[0], main.tensors)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((32, 7, 7, 32), 2 * 3 * 7 * 7 * 8 * 2),
        ((33, 7, 7, 33), 2 * 3 * 7 * 7 * 9 * 3),
        ((32, 1, 1, 16), 2 * 3 * 16 * 2),  # 4 cycles of arithmetic, but no fewer than 16
    ],
)
def test_tiles_times_taps_times_blocks(model, weights, expected):
    source, result = (1, 8, 12, weights[3]), (1, 8, 12, weights[0])
    assert cycles(model, convolution_cycles, "CONV_2D", source, weights, result) == expected


def test_a_single_pixel_takes_next_to_none(model):
    shapes = (1, 1, 1, 1280), (1001, 1, 1, 1280), (1, 1, 1, 1001)
    assert cycles(model, convolution_cycles, "CONV_2D", *shapes) == 0


def test_depthwise_steps_are_taps_over_tiles_and_blocks(model):
    shapes = (1, 9, 9, 24), (1, 5, 5, 24), (1, 9, 9, 24)
    assert cycles(model, depthwise_steps, "DEPTHWISE_CONV_2D", *shapes) == 3 * 3 * 25 * 2


def test_other_operators_have_none(model):
    last = model.unary("RELU", model.tensor(1, 8, 8, 4))
    main = model.graph(last).main
    for count in (convolution_cycles, depthwise_steps):
        assert count(main.operators[0], main.tensors) == 0
