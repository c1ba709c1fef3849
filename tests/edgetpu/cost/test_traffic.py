from __future__ import annotations

from tests.edgetpu import pairs

from quantline.edgetpu.compiled.read import read_compiled
from quantline.edgetpu.cost.traffic import INSTRUCTIONS_SPREAD, traffic


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
