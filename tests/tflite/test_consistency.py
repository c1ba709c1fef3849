from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tests.tflite import tiny_model
from tests.tflite.tiny_model import BIAS, GIVEN, TAKEN, WEIGHTS

from quantline.errors import ModelUnreadable
from quantline.tflite import read, with_signature

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_tiny_model_is_sound_and_runs() -> None:
    """What the tests below damage would be read, and run, if it were not damaged."""
    from ai_edge_litert.interpreter import Interpreter

    model = tiny_model.file()
    assert [operator.type for operator in read(model).main.operators] == ["FULLY_CONNECTED"]
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    interpreter.invoke()


def set_buffer_elsewhere(model: Any, size: int) -> None:
    model.buffers[3].data, model.buffers[3].offset, model.buffers[3].size = None, 2**20, size


def set_(field: str, value: Any, *where: Any) -> Callable[[Any], None]:
    """An edit that sets a field of what these attributes and indices lead to."""

    def edit(model: Any) -> None:
        for index in where:
            model = model[index] if isinstance(index, int) else getattr(model, index)
        dtype = np.int64 if field == "zeroPoint" else np.int32
        setattr(model, field, np.asarray(value, dtype) if isinstance(value, list) else value)

    return edit


MAIN = ("subgraphs", 0)
DAMAGES: dict[str, tuple[Callable[[Any], None], str]] = {
    "no subgraph": (set_("subgraphs", None), "the model: no subgraph"),
    "opcode": (set_("opcodeIndex", 1, *MAIN, "operators", 0), "operators[0].opcode_index: index 1"),
    "no opcodes": (set_("operatorCodes", None), "operators[0].opcode_index: index 0"),
    "buffer": (set_("buffer", 6, *MAIN, "tensors", TAKEN), "tensors[0].buffer: index 6"),
    "no buffers": (set_("buffers", None), "tensors[0].buffer: index 1"),
    "an operator's input": (
        set_("inputs", [0, 4, 2], *MAIN, "operators", 0), "operators[0].inputs: index 4",
    ),
    "an operator's negative input": (
        set_("inputs", [0, 1, -2], *MAIN, "operators", 0), "operators[0].inputs: index -2",
    ),
    "an operator's intermediate": (
        set_("intermediates", [4], *MAIN, "operators", 0),
        "operators[0].intermediates: index 4",
    ),
    "an operator's output": (
        set_("outputs", [-1], *MAIN, "operators", 0), "operators[0].outputs: index -1",
    ),
    "an input": (set_("inputs", [-1], *MAIN), "subgraphs[0].inputs: index -1"),
    "an output": (set_("outputs", [4], *MAIN), "subgraphs[0].outputs: index 4"),
    "a signature's subgraph": (
        set_("subgraphIndex", 1, "signatureDefs", 0), "signature_defs[0].subgraph_index: index 1",
    ),
    "a signature's tensor": (
        set_("tensorIndex", 9, "signatureDefs", 0, "outputs", 0), "signature_defs[0].outputs",
    ),
    "metadata": (set_("buffer", 6, "metadata", 0), "metadata[0].buffer: index 6"),
    "zero points": (
        set_("zeroPoint", [0], *MAIN, "tensors", WEIGHTS, "quantization"),
        "tensors[1].quantization: 1 zero points for 2 scales",
    ),
    "an axis": (
        set_("quantizedDimension", 2, *MAIN, "tensors", WEIGHTS, "quantization"),
        "tensors[1].quantization.quantized_dimension: 2 for a tensor of 2 dimensions",
    ),
    "a negative axis": (
        set_("quantizedDimension", -1, *MAIN, "tensors", TAKEN, "quantization"),
        "tensors[0].quantization.quantized_dimension: -1",
    ),
    "scales": (
        set_("quantizedDimension", 1, *MAIN, "tensors", WEIGHTS, "quantization"),
        "tensors[1].quantization.scale: 2 scales along dimension 1 of [2, 4]",
    ),
    "a type": (set_("type", 99, *MAIN, "tensors", TAKEN), "tensors[0].type: 99"),
    "a shape": (set_("shape", [1, -2], *MAIN, "tensors", TAKEN), "tensors[0].shape: 2 dimensions"),
    "an absurd shape": (
        set_("shape", [2**31 - 1] * 3, *MAIN, "tensors", TAKEN), "tensors[0].shape: [2147483647",
    ),
    "a rank": (set_("shape", [1] * 65, *MAIN, "tensors", TAKEN), "tensors[0].shape: 65 dimensions"),
    "a signature of another shape": (
        set_("shapeSignature", [-1, 5], *MAIN, "tensors", TAKEN), "tensors[0].shape_signature",
    ),
    "a signature of another rank": (
        set_("shapeSignature", [-1], *MAIN, "tensors", TAKEN), "tensors[0].shape_signature",
    ),
    "a constant's size": (
        set_("shape", [2, 5], *MAIN, "tensors", WEIGHTS),
        "tensors[1].buffer: a constant of 8 bytes",
    ),
    "a constant's type": (
        set_("type", schema.TensorType.INT64, *MAIN, "tensors", BIAS),
        "tensors[2].buffer: a constant of 8 bytes",
    ),
    "a constant elsewhere": (lambda model: set_buffer_elsewhere(model, 8), "buffers[3]: 8 bytes"),
    "a constant of 2 GB elsewhere": (
        lambda model: set_buffer_elsewhere(model, 2**31), "buffers[3]: 2,147,483,648 bytes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGES)
def test_what_does_not_fit_together_is_refused_with_the_place(case: str) -> None:
    edit, found = DAMAGES[case]
    with pytest.raises(ModelUnreadable) as caught:
        read(tiny_model.file(edit), "'m.tflite'")
    assert caught.value.what == "'m.tflite' is a damaged .tflite file"
    assert found in caught.value.found
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("subgraph", "ok"), [(0, True), (1, False), (2**31 - 1, False)])
def test_control_flow_names_subgraphs_that_are_there(subgraph: int, ok: bool) -> None:
    def loop(model: Any) -> None:
        options = schema.WhileOptionsT()
        options.bodySubgraphIndex = subgraph
        operator = model.subgraphs[0].operators[0]
        operator.builtinOptionsType = schema.BuiltinOptions.WhileOptions
        operator.builtinOptions = options

    if ok:
        read(tiny_model.file(loop))
    else:
        with pytest.raises(ModelUnreadable, match=r"builtin_options\.bodySubgraphIndex"):
            read(tiny_model.file(loop))


def make_text(model: Any) -> None:
    model.subgraphs[0].tensors[WEIGHTS].type = schema.TensorType.STRING


def make_sparse(model: Any) -> None:
    tensor = model.subgraphs[0].tensors[WEIGHTS]
    tensor.sparsity = schema.SparsityParametersT()
    tensor.shape = np.asarray([2, 400], np.int32)


def make_int4(model: Any) -> None:
    tensor = model.subgraphs[0].tensors[WEIGHTS]
    tensor.type, tensor.shape = schema.TensorType.INT4, np.asarray([3, 5], np.int32)  # 7.5 bytes
    tensor.quantization = None


LEGAL: dict[str, Callable[[Any], None]] = {
    "a text": make_text,
    "a sparse constant": make_sparse,
    "int4, two to a byte": make_int4,
    "an optional input": set_("inputs", [0, 1, -1], *MAIN, "operators", 0),
    "no zero points": set_("zeroPoint", None, *MAIN, "tensors", TAKEN, "quantization"),
    "a batch of any size": set_("shapeSignature", [-1, 4], *MAIN, "tensors", TAKEN),
    "options of a newer schema": set_("builtinOptionsType", 255, *MAIN, "operators", 0),
    "an operator of a newer schema": set_("builtinCode", 4000, "operatorCodes", 0),
    "no operators": set_("operators", None, *MAIN),
    "no shape": set_("shape", None, *MAIN, "tensors", GIVEN),
}


@pytest.mark.parametrize("case", LEGAL)
def test_what_is_unusual_but_legal_is_read(case: str) -> None:
    assert len(read(tiny_model.file(LEGAL[case])).main.tensors) == 4


def test_an_empty_shape_signature_stands_for_none() -> None:
    def edit(model: Any) -> None:
        model.subgraphs[0].tensors[TAKEN].shapeSignature = np.zeros(0, np.int32)

    assert read(tiny_model.file(edit)).main.tensors[TAKEN].shape == (1, 4)


def test_constants_outside_the_tables_are_read() -> None:
    """Of models above 2 GB: the buffer's table says where in the file its bytes are."""

    def edit(model: Any) -> None:
        set_buffer_elsewhere(model, 8)
        model.buffers[3].offset = len(tiny_model.file())

    weights = np.arange(-4, 4, dtype=np.int8)
    model = tiny_model.file(edit)
    model = model.ljust(len(tiny_model.file()), b"\0")[: len(tiny_model.file())] + weights.tobytes()
    tensor = read(model).main.tensors[WEIGHTS]
    np.testing.assert_array_equal(tensor.values(), weights.reshape(2, 4))


@pytest.mark.parametrize(("count", "ok"), [(10, True), (10_000, False)])
def test_constants_are_shared_within_reason(count: int, ok: bool) -> None:
    """Checks look at the constant of each tensor, however many tensors have the same."""

    def edit(model: Any) -> None:
        model.buffers[3].data = np.zeros(1 << 16, np.uint8)
        weights = tiny_model.tree().subgraphs[0].tensors[WEIGHTS]
        weights.shape, weights.quantization = np.asarray([1 << 16], np.int32), None
        model.subgraphs[0].tensors[WEIGHTS] = weights
        model.subgraphs[0].tensors += [weights] * count

    if ok:
        assert len(read(tiny_model.file(edit)).main.tensors) == 4 + count
    else:
        with pytest.raises(ModelUnreadable, match="share what is stored"):
            read(tiny_model.file(edit))


def test_a_signature_whose_key_is_no_text_is_found_by_what_is_read() -> None:
    model = bytearray(tiny_model.file())
    key = schema.Model.GetRootAs(model, 0).SignatureDefs(0)._tab
    model[key.Vector(key.Offset(8))] = 0xFF
    (signature,) = read(bytes(model)).signatures
    assert read(with_signature(bytes(model), signature.key)).main.inputs == (TAKEN,)
