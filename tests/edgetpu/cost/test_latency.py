"""The band of latency, and the bytes that go over the bus."""

from __future__ import annotations

import pytest
from benchmarks.edgetpu_latency import PUBLISHED, predict
from tests.edgetpu import pairs

from quantline.edgetpu.compiled.read import read_compiled
from quantline.edgetpu.cost.latency import (
    INSTRUCTIONS_SPREAD,
    latency_of_compiled,
    predict_latency,
    traffic,
)
from quantline.edgetpu.cost.memory import memory_of_compiled, predict_memory
from quantline.edgetpu.cost.work import convolution_cycles

# What was published for it needs more than USB 3 can carry.
IMPOSSIBLE = "Inception-ResNet v2"
USB3_BYTES_A_MS = 500e3  # 5 Gb/s, of which 8b/10b coding leaves 4

# Published; their compiled files lie beside the repository.
COMPILED = {
    "mobilenet_v1_0.25_128_quant": (0.9,),
    "mobilenet_v2_1.0_224_quant": (2.6, 2.29),
}


@pytest.mark.parametrize("name", sorted(PUBLISHED.keys() - {IMPOSSIBLE}))
def test_published_latencies_lie_in_the_band(name):
    network, published = PUBLISHED[name]
    memory, band = predict(network())
    assert band.low <= min(published)
    assert max(published) <= band.high
    if not memory.streamed_most_bytes and name != "DenseNet 121":
        # A factor of 1.3 either way, and some more for a call's own time and the instructions.
        assert band.high / band.low < 1.3**2 * 1.4


def test_one_publication_is_faster_than_its_bus():
    network, (published,) = PUBLISHED[IMPOSSIBLE]
    memory, band = predict(network())
    assert memory.streamed_least_bytes / USB3_BYTES_A_MS > published
    assert band.low > published


def of_pair(name):
    main = pairs.graph(f"{name}.tflite").main
    everything = range(len(main.operators))
    memory, _ = predict_memory(main, everything, 14)
    return main, predict_latency(main, everything, memory, 1)


@pairs.needed
@pytest.mark.parametrize(("name", "published"), COMPILED.items())
def test_before_and_after_compilation(name, published):
    _, before = of_pair(name)
    compiled = read_compiled(pairs.graph(f"{name}_edgetpu.tflite"))
    after = latency_of_compiled(compiled, memory_of_compiled(compiled))
    assert after is not None
    for band in (before, after):
        assert band.low <= min(published)
        assert max(published) <= band.high


@pairs.needed
def test_chains_of_convolutions_over_usb_3():
    """The line that iwatake2222 measured: 0.29 ms and 1.026 ns a cycle."""
    for layers in (10, 25):
        main, band = of_pair(f"model_conv_128x128x3x32x7x{layers}")
        cycles = sum(convolution_cycles(operator, main.tensors) for operator in main.operators)
        assert band.low < 0.29 + cycles * 1.026e-6 < band.high


@pairs.needed
def test_convolutions_with_large_outputs():
    """The line that Jorgitou98 measured: 0.74 ms, 1.21 cycles a nanosecond, 111 MB/s back."""
    for record in pairs.truth():
        if record["model"].startswith("N1"):
            main, band = of_pair(record["model"].removesuffix(".tflite"))
            cycles = sum(convolution_cycles(operator, main.tensors) for operator in main.operators)
            sent = main.tensors[main.outputs[0]].size
            assert band.low < 0.74 + cycles / 1.21e6 + sent / 111e3 < band.high


@pairs.needed
def test_without_an_estimate_of_cycles_nothing_is_said():
    compiled = read_compiled(pairs.graph("looming_64x64_3x3_edgetpu.tflite"))
    assert latency_of_compiled(compiled, memory_of_compiled(compiled)) is None


def test_other_kinds_of_operators_widen_the_band(model):
    image = model.tensor(1, 64, 64, 32)
    convolved = model.tensor(1, 64, 64, 32)
    model.add("CONV_2D", [image, model.weights(32, 3, 3, 32)], [convolved])
    ratios, shares = [], []
    last = convolved
    for _ in range(4):
        main = model.graph(last).main
        chosen = range(len(main.operators))
        memory, _ = predict_memory(main, chosen, 14)
        band = predict_latency(main, chosen, memory, 1)
        ratios.append(band.high / band.low)
        shares.append("other kinds" in band.basis)
        last = model.unary("LOGISTIC", model.unary("LOGISTIC", last))
    assert ratios == sorted(ratios)
    assert ratios[-1] > 1.2 * ratios[0]
    assert shares == [False, True, True, True]


def test_nothing_mapped_takes_no_time(model):
    main = model.graph(model.unary("RELU", model.tensor(1, 8))).main
    memory, _ = predict_memory(main, [], 14)
    band = predict_latency(main, [], memory, 0)
    assert (band.low, band.high) == (0.0, 0.0)


def test_only_what_crosses_the_border_is_counted(model):
    image = model.tensor(1, 4, 4, 3)
    first = model.unary("RELU", image)
    second = model.unary("RELU", first, (1, 4, 4, 5))
    third = model.tensor(1, 4, 4, 5)
    model.add("ADD", [second, model.tensor(5, values=1)], [third])
    model.unary("GATHER", second, (1, 7))
    main = model.graph(third, len(model.tensors) - 1).main
    middle = traffic(main, {1, 2})
    # In: what the first RELU gives. Out: what the GATHER reads, and an output of the model.
    assert (middle.input_bytes, middle.output_bytes) == (48, 80 + 80)
    whole = traffic(main, {0, 1, 2, 3})
    assert (whole.input_bytes, whole.output_bytes) == (48, 80 + 7)


@pairs.needed
def test_inputs_outputs_and_instructions_of_compiled_files():
    records = pairs.compiled()
    assert records
    for record in records:
        predicted = traffic(pairs.graph(record["model"]).main, set(record["edgetpu"]))
        (subgraph,) = read_compiled(pairs.graph(record["compiled"])).subgraphs
        program = subgraph.package.main
        # The compiler fills them up to multiples of 8 and 16 bytes.
        for bytes_, layers in (
            (predicted.input_bytes, program.inputs),
            (predicted.output_bytes, program.outputs),
        ):
            assert bytes_ <= sum(layer.size_bytes for layer in layers) < bytes_ * 1.01 + 16
        ratio = program.instruction_bytes / predicted.instruction_bytes
        assert 1 / INSTRUCTIONS_SPREAD < ratio < INSTRUCTIONS_SPREAD
