from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.edgetpu import pairs

from quantline.edgetpu import predict
from quantline.edgetpu.advice.remedies import APPLICATION, BATCH, EDGES, INSTEAD, QUANTIZED, WITHIN
from quantline.edgetpu.advice.suggest import suggest
from quantline.edgetpu.mapping.operators import TABLE
from quantline.edgetpu.mapping.rules import LIMITS


def convolution(model, source, channels=8, dtype="int8", weights=None):
    """Add a CONV_2D of 1x1 over a map of 8 x 8 (or the source's batch of them)."""
    shape = model.tensors[source].shape
    output = model.tensor(*shape[:3], channels, dtype=dtype)
    weights = model.weights(channels, 1, 1, shape[3]) if weights is None else weights
    model.add("CONV_2D", [source, weights, model.integers(*[0] * channels)], [output])
    return output


def chain(model, *kinds):
    """A CONV_2D of 512 multiply-accumulates a pixel, then one after each of these operators."""
    last = convolution(model, model.tensor(1, 8, 8, 64))
    for kind in kinds:
        last = convolution(model, model.unary(kind, last))
    return model.graph(last)


def test_a_model_that_is_all_mapped_needs_nothing(model):
    assert suggest(chain(model, "RELU")) == ()


def test_a_compiled_model_needs_nothing(model):
    inner = model.unary("edgetpu-custom-op", model.tensor(1, 8), custom=True)
    assert suggest(model.graph(model.unary("GATHER", inner))) == ()


def test_what_the_break_strands_is_gained(model):
    first, *_ = suggest(chain(model, "LEAKY_RELU"))
    assert (first.type, first.operators) == ("LEAKY_RELU", (1,))
    assert "PRELU" in first.advice
    # 64 channels to 8 before the break, 8 to 8 after it.
    assert first.moved_share_macs == pytest.approx(64 / (512 + 64))
    assert (first.moved_operators, first.mapped_operators, first.mapped_share_macs) == (2, 3, 1.0)


def test_operators_of_one_kind_are_one_suggestion(model):
    first, *_ = suggest(chain(model, "HARD_SWISH", "HARD_SWISH", "HARD_SWISH"))
    assert (first.type, first.operators) == ("HARD_SWISH", (1, 3, 5))
    assert first.moved_operators == 6


def test_each_suggestion_is_on_top_of_those_before_it(model):
    graph = chain(model, "LEAKY_RELU", "GATHER", "LEAKY_RELU")
    *changes, _ = suggest(graph)
    assert [(change.type, change.moved_operators) for change in changes] == [
        ("LEAKY_RELU", 2),
        ("GATHER", 4),
    ]
    mapped = predict(graph).mapped_operators
    for change in changes:
        mapped += change.moved_operators
        assert change.mapped_operators == mapped
    assert (mapped, changes[-1].mapped_share_macs) == (7, 1.0)


def test_the_worst_comes_first(model):
    """Two branches: the one with more work behind its obstacle is the worse."""
    source = model.unary("RELU", model.tensor(1, 8, 8, 64))
    small = convolution(model, model.unary("EXP", source), channels=1)
    large = convolution(model, model.unary("ELU", source), channels=8)
    assert [operator.type for operator in suggest(model.graph(small, large))][:2] == ["ELU", "EXP"]


@pytest.mark.parametrize("behind", ["GATHER", "RELU"])
def test_the_gain_is_that_of_the_model_so_changed(model, behind):
    graph = chain(model, "LEAKY_RELU", "MIRROR_PAD", behind, "LEAKY_RELU")
    first, *_ = suggest(graph)
    operators = tuple(
        replace(operator, type="RELU") if operator.type == first.type else operator
        for operator in graph.main.operators
    )
    changed = replace(graph, subgraphs=(replace(graph.main, operators=operators),))
    assert predict(changed).mapped_operators == first.mapped_operators


def test_float_edges_cost_two_operators_and_no_work(model):
    stored = model.unary("QUANTIZE", model.tensor(1, 8, 8, 64, dtype="float32"))
    real = model.tensor(1, 8, 8, 8, dtype="float32")
    model.add("DEQUANTIZE", [convolution(model, stored)], [real])
    (edges,) = suggest(model.graph(real))
    assert (edges.type, edges.operators) == ("QUANTIZE, DEQUANTIZE", (0, 2))
    assert (edges.advice, edges.moved_operators, edges.moved_share_macs) == (EDGES.advice, 2, 0.0)
    assert edges.mapped_share_macs == 1.0


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_a_model_that_is_not_int8_is_to_be_quantized_first(model, dtype):
    first = convolution(model, model.tensor(1, 8, 8, 64, dtype=dtype), dtype=dtype)
    active = model.tensor(1, 8, 8, 8, dtype=dtype)
    model.add("LEAKY_RELU", [first], [active])
    quantized, leaky = suggest(model.graph(convolution(model, active, dtype=dtype)))
    assert (quantized.advice, quantized.moved_operators) == (QUANTIZED.advice, 1)
    assert quantized.mapped_share_macs == pytest.approx(512 / 576)
    assert (leaky.type, leaky.mapped_operators) == ("LEAKY_RELU", 3)


def test_float16_weights_are_quantized_with_the_model(model):
    weights = model.tensor(8, 1, 1, 64, dtype="float32")
    model.add("DEQUANTIZE", [model.tensor(8, 1, 1, 64, dtype="float16", values=1)], [weights])
    image = model.tensor(1, 8, 8, 64, dtype="float32")
    (quantized,) = suggest(model.graph(convolution(model, image, dtype="float32", weights=weights)))
    assert (quantized.advice, quantized.mapped_operators) == (QUANTIZED.advice, 2)


def test_an_operator_left_in_float_goes_with_the_conversions_around_it(model):
    real, result = (model.tensor(1, 8, 8, 8, dtype="float32") for _ in range(2))
    model.add("DEQUANTIZE", [convolution(model, model.tensor(1, 8, 8, 64))], [real])
    model.add("SIN", [real], [result])
    first, *_ = suggest(model.graph(convolution(model, model.unary("QUANTIZE", result))))
    assert (first.type, first.operators, first.moved_operators) == ("SIN", (1, 2, 3), 4)


def test_an_island_with_what_the_compiler_cannot_read_comes_first(model):
    """Two such islands: neither gains anything before the other is gone."""
    last = model.tensor(1, 8, 8, 64)
    for kind in ["SIGN", "ATAN2"]:
        real, result = (model.tensor(1, 8, 8, 64, dtype="float32") for _ in range(2))
        model.add("DEQUANTIZE", [last], [real])
        model.add(kind, [real], [result])
        last = model.unary("QUANTIZE", result)
    changes = suggest(model.graph(last))
    assert [change.type for change in changes] == ["SIGN", "ATAN2"]
    assert [change.mapped_operators for change in changes] == [0, 6]


def test_arithmetic_on_indices_belongs_to_the_application(model):
    found, cells = (model.tensor(1, 8, dtype="int32") for _ in range(2))
    source = model.unary("RELU", model.tensor(1, 8, 4))
    model.add("ARG_MAX", [source, model.integers(2)], [found])
    model.add("FLOOR_DIV", [found, model.integers(3)], [cells])
    (last,) = suggest(model.graph(cells))
    assert (last.type, last.advice) == ("ARG_MAX, FLOOR_DIV", APPLICATION.advice)
    assert (last.moved_operators, last.moved_share_macs) == (2, 0.0)


def test_an_unknown_size_is_to_be_fixed_before_all_else(model):
    first = convolution(model, model.tensor(1, 8, -1, 64))
    unknown, leaky, *_ = suggest(model.graph(model.unary("LEAKY_RELU", first)))
    assert "Fix the batch" in unknown.advice
    assert (unknown.operators, unknown.mapped_operators) == ((0,), 1)
    assert (leaky.type, leaky.mapped_operators) == ("LEAKY_RELU", 2)


def test_what_an_older_converter_would_still_break_is_said_too(model):
    """Of version 12 and of several rows: two obstacles, one behind the other."""
    output = model.tensor(3, 10)
    model.add(
        "FULLY_CONNECTED", [model.tensor(3, 64), model.weights(10, 64), -1], [output], version=12
    )
    newer, rows = suggest(model.graph(output))
    assert "2.5" in newer.advice
    assert (newer.mapped_operators, rows.mapped_operators) == (0, 1)
    assert "batch" in rows.advice


def test_an_operator_that_the_compiler_cannot_read_is_replaced_first(model):
    first, second, *_ = suggest(chain(model, "ELU", "GELU"))
    assert (first.type, first.mapped_operators) == ("GELU", 1)
    assert "RELU" in first.advice
    assert (second.type, second.mapped_operators) == ("ELU", 5)


def test_a_batch_above_1_is_one_suggestion(model):
    middle = convolution(model, model.tensor(4, 8, 8, 64))
    (batch,) = suggest(model.graph(convolution(model, middle)))
    assert (batch.operators, batch.advice) == ((0, 1), BATCH.advice)
    assert batch.mapped_share_macs == 1.0


def test_several_groups_can_be_compiled_as_they_are(model):
    graph = chain(model, "ELU", "RELU", "ELU")
    *_, option = suggest(graph)
    assert "--enable_multiple_subgraphs" in option.advice
    assert option.operators == ()
    both = predict(graph, multiple_subgraphs=True)
    assert option.mapped_operators == both.mapped_operators
    assert option.moved_operators == both.mapped_operators - predict(graph).mapped_operators
    assert all(item.operators for item in suggest(graph, multiple_subgraphs=True))


def test_an_operator_of_unknown_mapping_is_an_obstacle_too(model):
    small = convolution(model, model.tensor(1, 8, 8, 64))
    large = model.tensor(1, 64, 64, 8)
    model.add("RESIZE_BILINEAR", [small, model.integers(64, 64)], [large])
    first, *_ = suggest(model.graph(convolution(model, large)))
    assert (first.type, first.moved_operators) == ("RESIZE_BILINEAR", 2)


def test_a_newer_runtime_is_suggested_where_it_has_the_operator(model):
    padded = model.tensor(1, 8, 1)
    model.add("EXPAND_DIMS", [model.tensor(1, 8), model.integers(2)], [padded])
    (newer,) = suggest(model.graph(padded), runtime_version=12)
    assert "newer Edge TPU runtime" in newer.advice
    assert suggest(model.graph(padded)) == ()


def test_a_suggestion_as_data(model):
    data = suggest(chain(model, "LEAKY_RELU"))[0].to_dict()
    assert json.loads(json.dumps(data)) == data
    assert (data["evidence"], data["operators"]) == ("predicted", [1])


def test_every_limit_has_its_remedy_and_no_replaced_operator_is_supported():
    assert set(LIMITS) <= set(WITHIN)
    assert set(WITHIN) <= set(TABLE)
    assert not set(INSTEAD) & set(TABLE)


@pairs.needed
def test_deeplab_is_held_back_by_its_resizes():
    resizes, last, _ = suggest(pairs.graph("deeplabv3_mnv2_dm05_pascal_quant.tflite"))
    assert (resizes.type, resizes.operators) == ("RESIZE_BILINEAR", (63, 69))
    assert (resizes.mapped_operators, resizes.mapped_share_macs) == (70, 1.0)
    assert (last.type, last.operators) == ("ARG_MAX", (70,))
