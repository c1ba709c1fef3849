from __future__ import annotations

import pytest
from tests.edgetpu import pairs

from quantline.edgetpu.compiled.read import read_compiled
from quantline.edgetpu.cost.cycles import convolution_cycles, depthwise_steps

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
