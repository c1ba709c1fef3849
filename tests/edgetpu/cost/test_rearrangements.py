"""The bytes of operators without weights, against sizes read from compiled models."""

from __future__ import annotations

import pytest
from tests.edgetpu.cost.test_parameters import only, sizes


def reshaped(model, old, new, kind="RELU"):
    """A RESHAPE of what the chip has computed, not of an input."""
    return model.unary("RESHAPE", model.unary(kind, model.tensor(1, *old)), (1, *new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((6, 6, 64), (2304,)),  # a classifier's flattening
        ((118, 100, 8), (94_400,)),
        ((16, 16, 32), (512, 16)),
        ((1, 1, 1001), (1001,)),
    ],
)
def test_whole_blocks_need_no_matrix(model, old, new):
    found = sizes(model, reshaped(model, old, new))[-1]
    assert (found.low, found.bytes, found.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("old", "new", "matrix"),
    [
        ((3, 3, 1), (9,), 16 * (9 * 4 + 4)),
        ((64, 64, 1), (4096,), 16 * (16 * 4 + 4)),  # by groups of 16 pixels
        ((128, 128, 1), (16_384,), 16 * (16 * 4 + 4)),
    ],
)
def test_pixels_are_packed_by_a_matrix(model, old, new, matrix):
    found = sizes(model, reshaped(model, old, new))[-1]
    # By groups they were packed in one model only.
    low = 0 if old[0] > 3 else matrix
    assert (found.low, found.bytes, found.high) == (low, matrix, matrix)
    assert only(model, reshaped(model, old, new), runtime_version=12) == 0


def test_a_vector_to_a_map_of_one_channel_was_not_seen(model):
    found = sizes(model, reshaped(model, (1, 1, 784), (28, 28, 1)))[-1]
    assert (found.bytes, found.is_known) == (0, False)
    assert sizes(model, reshaped(model, (1, 1, 12_544), (7, 7, 256)))[-1].high == 0


def test_an_input_is_flattened_by_the_host(model):
    image = model.unary("QUANTIZE", model.tensor(1, 28, 28, 1, dtype="uint8"), (1, 28, 28, 1))
    found = sizes(model, model.unary("RESHAPE", image, (1, 784)))[-1]
    assert found.high == 0
    # As a network of spectra that become an image first.
    image = model.unary("RESHAPE", model.tensor(1, 28, 28), (1, 28, 28, 1))
    assert all(size.high == 0 for size in sizes(model, model.unary("RESHAPE", image, (1, 784))))


def on_a_map(model, *shape, units=10):
    source = model.unary("RELU", model.tensor(1, *shape))
    count = shape[0] * shape[1] * shape[2]
    result = model.tensor(1, units)
    model.add("FULLY_CONNECTED", [source, model.weights(units, count), -1], [result])
    return result


def test_a_fully_connected_layer_reads_whole_blocks_of_a_map(model):
    found = sizes(model, on_a_map(model, 5, 2, 64, units=128))[-1]
    assert (found.low, found.bytes, found.high) == (128 * 640,) * 3


def test_parts_of_blocks_are_filled_up_pixel_by_pixel(model):
    # 2x2x3 to 100 units in a compiled model.
    found = sizes(model, on_a_map(model, 2, 2, 3, units=100), runtime_version=10)[-1]
    assert (found.low, found.bytes, found.high) == (128 * 12, 128 * 16, 128 * 16)
    # For newer runtimes the map may be packed by a matrix before.
    assert sizes(model, on_a_map(model, 7, 7, 50))[-1].is_known is False


@pytest.mark.parametrize(
    ("channels", "new", "outputs"),
    [(2, (64, 1), 16), (6, (192, 1), 32), (12, (192, 4), 16), (24, (192, 8), 32)],
)
def test_a_convolution_spreads_its_outputs_for_a_reshape(model, channels, new, outputs):
    """A face detector's last convolutions, to 2 and 6 channels, have 8 and 24 outputs stored."""
    mapped = model.tensor(1, 8, 8, channels)
    weights = model.weights(channels, 1, 1, 96)
    model.add("CONV_2D", [model.tensor(1, 8, 8, 96), weights, -1], [mapped])
    found = sizes(model, model.unary("RESHAPE", mapped, (1, *new)))
    assert [item.bytes for item in found] == [outputs * 96, 0]
    assert found[0].low <= -(-channels // 16) * 16 * 96


def test_an_output_that_others_read_too_is_not_spread(model):
    mapped = model.tensor(1, 8, 8, 6)
    model.add("CONV_2D", [model.tensor(1, 8, 8, 96), model.weights(6, 1, 1, 96), -1], [mapped])
    second = model.unary("RELU", mapped)
    found = sizes(model, second, model.unary("RESHAPE", mapped, (1, 384, 1)))
    assert found[0].bytes == 16 * 96


def padded(model, *amounts):
    source = model.tensor(1, 8, 8, 28)
    result = model.tensor(1, 8 + sum(amounts[2:4]), 8, 28 + sum(amounts[6:8]))
    model.add("PAD", [source, model.tensor(4, 2, dtype="int32", values=_pairs(amounts))], [result])
    return result


def _pairs(amounts):
    return [list(amounts[at : at + 2]) for at in range(0, 8, 2)]


def test_channels_are_added_by_a_matrix(model):
    # From 28 to 32 channels in a face detector.
    assert only(model, padded(model, 0, 0, 0, 0, 0, 0, 0, 4), runtime_version=12) == 1024
    assert only(model, padded(model, 0, 0, 1, 1, 0, 0, 0, 0), runtime_version=12) == 0


def joined(model, *channels, axis=3):
    parts = [model.unary("RELU", model.tensor(1, 4, 4, channel)) for channel in channels]
    result = model.tensor(1, 4, 4, sum(channels))
    model.add("CONCATENATION", parts, [result], axis=axis)
    return result


@pytest.mark.parametrize(
    ("channels", "bounds"),
    [
        ((64, 80), (0, 0, 0)),
        ((1, 1), (0, 192, 192)),  # two numbers of a tracker
        ((24, 32), (0, 0, 64 * (56 + 4))),  # whole blocks, of which none was seen
    ],
)
def test_channels_are_joined_by_a_matrix_where_blocks_are_not_whole(model, channels, bounds):
    found = sizes(model, joined(model, *channels))[-1]
    assert (found.low, found.bytes, found.high) == bounds
    assert sizes(model, joined(model, *channels, axis=1))[-1].high == 0


@pytest.mark.parametrize(
    ("values", "runtime_version", "size"),
    [
        (10, 14, 576),  # two classifiers
        (1001, 14, 48_192),
        (4096, 14, 0),
        (16_384, 14, 0),
        (1001, 12, 0),
    ],
)
def test_a_softmax_masks_what_does_not_fill_a_block(model, values, runtime_version, size):
    result = model.unary("SOFTMAX", model.tensor(1, values))
    assert only(model, result, runtime_version=runtime_version) == size


def with_constant(model, *shape):
    result = model.tensor(1, 4, 4, 50)
    model.add("MUL", [model.tensor(1, 4, 4, 50), model.weights(*shape)], [result])
    return result


@pytest.mark.parametrize(
    ("shape", "bounds"),
    [
        ((50,), (64, 64 * 13, 64 * 13)),
        ((1,), (64, 64, 64)),
        ((1, 4, 4, 50), (832, 832, 64 * 200)),
    ],
)
def test_constants_of_element_wise_operators_are_stored_as_words(model, shape, bounds):
    found = sizes(model, with_constant(model, *shape))[-1]
    assert (found.low, found.bytes, found.high) == bounds


def test_one_output_of_a_split_is_its_input(model):
    source, result = model.tensor(1, 96, 64, 1), model.tensor(1, 96, 64, 1)
    model.add("SPLIT", [model.integers(0), source], [result])
    assert sizes(model, result)[-1].high == 0


def test_operators_that_were_not_seen_have_bounds(model):
    found = sizes(
        model, model.unary("RESIZE_BILINEAR", model.tensor(1, 8, 8, 128), (1, 16, 16, 128))
    )
    assert (found[-1].bytes, found[-1].high) == (0, 128 * (128 + 4))
    turned = model.unary("TRANSPOSE", model.tensor(1, 8, 8, 128), (1, 128, 8, 8))
    assert sizes(model, turned)[-1].high == 16 * (128 + 4)
