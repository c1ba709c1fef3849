"""Bytes of parameters, against numbers that the real compiler gave.

The models whose compiled files tell more lie beside the repository and are not part of it.
"""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.yolov5 import yolov5n
from tests.edgetpu import pairs

from quantline.edgetpu.cost.parameters import parameter_bytes


def only(model, *outputs, runtime_version=14):
    main = model.graph(*outputs).main
    sizes = parameter_bytes(main, range(len(main.operators)), runtime_version)
    return sizes[len(main.operators) - 1]


@pairs.needed
def test_the_compilers_own_sums_to_the_byte():
    exact, errors = 0, []
    for record in pairs.truth():
        main = pairs.graph(record["model"]).main
        sizes = parameter_bytes(main, record["edgetpu"], max(record["min_runtime"]))
        compiled = record["on_chip_cached_parameter_bytes"] + record["streamed_parameter_bytes"]
        assert sorted(sizes) == record["edgetpu"]
        exact += sum(sizes.values()) == compiled
        if compiled > 100_000:
            errors.append(abs(sum(sizes.values()) / compiled - 1))
    assert exact >= 0.9 * len(pairs.truth())
    assert np.median(errors) < 0.001
    assert np.percentile(errors, 90) < 0.01


def test_a_map_becomes_a_vector_by_a_matrix(model):
    """In a published log, what a RESHAPE of 180x27 to a vector is streamed with: 23.40 MiB."""
    computed = model.unary("RELU", model.tensor(1, 180, 1, 27))
    vector = model.unary("RESHAPE", computed, (1, 4860))
    assert f"{only(model, vector) / 2**20:.2f}" == "23.40"
    assert only(model, vector, runtime_version=12) == 0


def test_a_fully_connected_layer_on_a_map_needs_the_matrix_too(model):
    computed = model.unary("RELU", model.tensor(1, 3, 3, 8))
    result = model.tensor(1, 10)
    model.add("FULLY_CONNECTED", [computed, model.weights(10, 72), -1], [result])
    assert only(model, result, runtime_version=12) == 16 * (72 + 4)
    assert only(model, result) == 16 * (72 + 4) + 128 * (72 + 4)


def test_an_input_is_flattened_by_the_host(model):
    image = model.unary("QUANTIZE", model.tensor(1, 8, 8, 4, dtype="uint8"), (1, 8, 8, 4))
    assert only(model, model.unary("RESHAPE", image, (1, 256))) == 0


def test_a_pixel_needs_no_flattening(model):
    pixel = model.unary("RELU", model.tensor(1, 1, 1, 256))
    assert only(model, model.unary("RESHAPE", pixel, (1, 256))) == 0


def convolution(model, outputs, height, width, inputs, scales=(0.5,)):
    weights = model.weights(outputs, height, width, inputs, scales=scales)
    bias = model.tensor(outputs, dtype="int32", values=0)
    result = model.tensor(1, 8, 8, outputs)
    model.add("CONV_2D", [model.tensor(1, 8, 8, inputs), weights, bias], [result])
    return only(model, result)


def test_outputs_of_different_scales_cost_a_word_each(model):
    # As in the 3x3 convolutions of 100 channels that were compiled with a scale for each.
    single = convolution(model, 100, 3, 3, 100)
    several = convolution(model, 100, 3, 3, 100, scales=tuple(range(1, 101)))
    equal = convolution(model, 100, 3, 3, 100, scales=(0.5,) * 100)
    assert (single, several, equal) == (128 * 904, 128 * 908, 128 * 904)


def test_a_published_log_of_a_network_with_a_scale_for_each_channel():
    """YOLOv5n at 480 by 640 for 80 classes: 60 convolutions, 1.82 MiB printed by version 16.0."""
    main = yolov5n(480, 640).main
    chosen = range(len(main.operators))
    assert sum(each.type == "CONV_2D" for each in main.operators) == 60
    assert f"{sum(parameter_bytes(main, chosen, 14).values()) / 2**20:.2f}" == "1.82"


@pytest.mark.parametrize(("outputs", "rows"), [(1, 4), (8, 16), (24, 32), (64, 64), (72, 128)])
def test_outputs_are_filled_up_to_blocks(model, outputs, rows):
    assert convolution(model, outputs, 3, 3, 16) == -(-rows * (9 * 16 + 4) // 64) * 64


def test_constants_of_element_wise_operators_count(model):
    source = model.tensor(1, 4, 4, 50)
    result = model.tensor(1, 4, 4, 50)
    model.add("MUL", [source, model.weights(50)], [result])
    assert only(model, result) == 64


def test_only_what_was_chosen_is_counted(model):
    last = model.unary("RELU", model.tensor(1, 8))
    assert parameter_bytes(model.graph(last).main, [], 14) == {}
