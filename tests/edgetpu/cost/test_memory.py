from __future__ import annotations

from itertools import pairwise

import pytest
from tests.edgetpu import pairs

from quantline.edgetpu.cost.memory import MIB, Fit, predict_memory


def dense_chain(model, *units):
    """FULLY_CONNECTED layers of these units, and so many inputs as the first of them."""
    last = model.tensor(1, units[0])
    for inputs, outputs in pairwise(units):
        result = model.tensor(1, outputs)
        model.add("FULLY_CONNECTED", [last, model.weights(outputs, inputs), -1], [result])
        last = result
    return model.graph(last).main


def predicted(main):
    return predict_memory(main, range(len(main.operators)), 14)[0]


def test_a_small_model_is_cached_whole(model):
    memory = predicted(dense_chain(model, 256, 256))
    # The real compiler's number for a layer of this size, one scale for all.
    assert memory.parameter_bytes == memory.cached_bytes == 256 * 260
    assert (memory.streamed_bytes, memory.verdict) == (0, Fit.FITS)
    assert memory.remaining_bytes > 7 * MIB


def test_layers_are_streamed_whole(model):
    main = dense_chain(model, 2048, 2048, 1024, 2048, 64)
    memory, sizes = predict_memory(main, range(4), 14)
    assert list(sizes.values()) == [2048 * 2052, 1024 * 2052, 2048 * 1028, 64 * 2052]
    # The first two and the last fit beside each other, the third does not any more.
    assert memory.streamed_bytes == 2048 * 1028
    assert memory.cached_bytes + memory.streamed_bytes == memory.parameter_bytes
    assert memory.verdict is Fit.DOES_NOT_FIT


def test_near_the_limit_it_is_undecided(model):
    assert predicted(dense_chain(model, 3000, 2048)).verdict is Fit.UNDECIDED


def test_large_activations_leave_less_room(model):
    first = model.tensor(1, 1024, 1024, 16)
    main = dense_chain(model, 2048, 2048)
    assert predicted(main).verdict is Fit.FITS
    model.unary("RELU", first)
    main = model.graph(len(model.tensors) - 1).main
    memory = predicted(main)
    assert memory.verdict is Fit.UNDECIDED
    assert memory.streamed_bytes == memory.parameter_bytes


def test_weights_on_a_long_vector_are_streamed(model):
    memory = predicted(dense_chain(model, 16_384, 8, 8))
    assert memory.streamed_bytes == 16 * 16_388
    assert memory.cached_bytes == 16 * 12
    assert memory.verdict is Fit.DOES_NOT_FIT


def test_nothing_mapped_takes_nothing(model):
    memory, sizes = predict_memory(dense_chain(model, 8, 8), [], 14)
    assert (memory.parameter_bytes, sizes, memory.verdict) == (0, {}, Fit.FITS)


def test_as_data(model):
    data = predicted(dense_chain(model, 8, 8)).to_dict()
    assert (data["evidence"], data["verdict"]) == ("predicted", "fits")
    assert {type(value) for value in data.values()} == {int, str}


@pairs.needed
def test_what_the_compiler_cached_and_streamed():
    """Nearly all: one of a hundred small layers streams a fifth of them for no known reason."""
    right = []
    for record in pairs.truth():
        main = pairs.graph(record["model"]).main
        memory, _ = predict_memory(main, record["edgetpu"], max(record["min_runtime"]))
        streamed = record["streamed_parameter_bytes"]
        right.append(memory.streamed_bytes == pytest.approx(streamed, rel=0.01))
        assert (memory.verdict is Fit.FITS) == (memory.streamed_bytes == 0)
    assert sum(right) >= len(right) - 1
