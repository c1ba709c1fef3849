"""A float ``.tflite`` file, brought into the form that everything else expects of one.

Other converters and other years wrote other files: with weights as float16, constants behind the
tables, inputs of open sizes. What is changed is said, and the result compared with the file itself.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from quantline.child import run_in_child, stage
from quantline.errors import ModelUnreadable, ModelUnsupported, first_few
from quantline.quantization.import_changes import (
    describe_shapes,
    has_open_sizes,
    resized,
    with_integers,
)
from quantline.quantization.interface import check_samples, choose_signature, whole_shape
from quantline.quantization.originals import Converted
from quantline.quantization.parity import inputs_of, run_imported
from quantline.reading import read_file
from quantline.tflite import Graph, Runtime, read, with_signature, with_static_batch
from quantline.tflite.finite import with_finite_constants
from quantline.tflite.graph import parse
from quantline.tflite.rewrites import has_half_or_sparse, widened, with_builtin_operators

if TYPE_CHECKING:
    from pathlib import Path

    from quantline import recipe
    from quantline.quantization.interface import Arrays

_LOADER = "ai-edge-litert"
_NARROW = ("float16", "bfloat16")


def import_tflite(
    path: Path,
    signature: str | None,
    samples: Arrays,
    limits: recipe.Limits,
    timeout_s: float,
) -> Converted:
    """Read a float ``.tflite`` file and bring it into the form that the rest expects."""
    content = _read(path, signature)
    return run_in_child(
        adapt, content, samples, str(path),
        what=f"preparing '{path}'", timeout_s=timeout_s, memory_gib=limits.memory_gib,
        confined=True,
    )  # fmt: skip


def adapt(content: bytes, samples: Arrays, path: str) -> Converted:
    """Bring a float ``.tflite`` model into the expected form; this runs in a child process."""
    adapted, rebuilt = content, []
    if has_half_or_sparse(parse(content)):
        stage("widening the weights")
        rebuilt.append(_describe_widening(read(content)))
        adapted = widened(adapted)
    _refuse_what_cannot_run(content, path)
    adapted, replaced = with_builtin_operators(adapted)
    rebuilt += [
        f"{count} {name} became builtin operators" for name, count in Counter(replaced).items()
    ]
    adapted, integers = with_integers(adapted)
    rebuilt += integers
    graph = read(adapted)
    named = inputs_of(graph)
    taken = {name: tensor.shape for name, tensor in named.items()}
    given = check_samples(samples, taken, path)
    wanted = {name: whole_shape(taken[name], given[name].shape[1:], path) for name in taken}
    alone = with_static_batch(adapted)
    is_resized = has_open_sizes(graph) or any(
        tensor.shape != wanted[name] for name, tensor in inputs_of(read(alone)).items()
    )
    if is_resized:
        stage("giving the model the sizes of the examples")
        adapted = resized(adapted, wanted, given)
        rebuilt += describe_shapes(taken, wanted)
    else:
        adapted = alone
    adapted, bounded = with_finite_constants(adapted)
    rebuilt += bounded
    outputs = None
    if rebuilt or is_resized:
        stage("running the file as it was")
        fixed = {
            name: (taken[name][0], *shape[1:]) if taken[name][:1] > (1,) else shape
            for name, shape in wanted.items()
        }
        outputs = run_imported(content, given, fixed)
    return Converted(adapted, outputs, _LOADER, tuple(rebuilt))


def _refuse_what_cannot_run(content: bytes, path: str) -> None:
    """Refuse operators that the runtime does not know, and texts, by their names."""
    main = read(content).main
    texts = [
        operator.type
        for operator in main.operators
        if any(main.tensors[index].dtype == "string"
               for index in (*operator.inputs, *operator.outputs) if index >= 0)
    ]  # fmt: skip
    if texts or any(main.tensors[index].dtype == "string" for index in main.inputs):
        raise ModelUnsupported(
            f"'{path}' computes with texts",
            found=f"string tensors at {first_few(sorted(set(texts))) or 'the inputs'}",
            expected="a model of numbers",
            remedy="Look up texts in the program that calls the model, and export the model from "
            "behind its text processing, so that it takes their numbers",
        )
    custom = Counter(operator.type for operator in main.operators if operator.is_custom)
    if not custom:
        return
    try:
        Runtime(content, 1)
    except ModelUnsupported as error:
        flex = any(name.startswith("Flex") for name in custom)
        raise ModelUnsupported(
            f"'{path}' has operators that the LiteRT runtime does not have",
            found=", ".join(f"{count} {name}" for name, count in custom.items())
            + (" (TensorFlow's own, run by the Flex delegate)" if flex else " (custom)"),
            expected="a model of builtin operators",
            remedy="Export the model without SELECT_TF_OPS: replace these operators with ones that "
            "TensorFlow Lite has, or end the model before them and compute the rest in the program"
            if flex
            else "End the model before them and compute the rest in the program that calls it, or "
            "write them with builtin operators",
        ) from error


def _describe_widening(graph: Graph) -> str:
    tensors = [tensor for subgraph in graph.subgraphs for tensor in subgraph.tensors]
    counts = Counter(tensor.dtype for tensor in tensors if tensor.dtype in _NARROW)
    said = [f"{count} {dtype} tensors became float32" for dtype, count in counts.items()]
    if sparse := sum(tensor.is_sparse for tensor in tensors):
        said.append(f"{sparse} sparse tensors became dense")
    return " and ".join(said)


def _read(path: Path, signature: str | None) -> bytes:
    content = read_file(path)
    graph = read(content, f"'{path}'")
    if graph.signatures or signature is not None:
        keys = [signature.key for signature in graph.signatures]
        key = choose_signature(keys, signature, str(path))
        if len(keys) > 1 or graph.signatures[0].subgraph:
            content = with_signature(content, key)
            graph = read(content)
    _refuse_unset_variables(graph, path)
    quantized = [
        f"'{tensor.name}' ({tensor.dtype})"
        for subgraph in graph.subgraphs
        for tensor in subgraph.tensors
        if tensor.quantization is not None
    ]
    if quantized:
        raise ModelUnsupported(
            f"'{path}' is already quantized",
            found=f"{len(quantized)} quantized tensors: {first_few(quantized, 3)}",
            expected="a float model",
            remedy="Set `path` to the float model it was made from",
        )
    return content


def _refuse_unset_variables(graph: Graph, path: Path) -> None:
    """Refuse a model that reads weights which it does not hold.

    TensorFlow 2.21's converter writes such models when a SavedModel has several signatures or its
    variables are not frozen; the runtime reads whatever is in memory.
    """
    read_from: set[str] = set()
    assigned: set[str] = set()
    for subgraph in graph.subgraphs:
        variables = {}
        for operator in subgraph.operators:
            if operator.type == "VAR_HANDLE":
                names = (operator.options[key] or b"" for key in ("container", "sharedName"))
                variables[operator.outputs[0]] = b"/".join(names).decode("utf-8", "replace")
            elif operator.type in {"READ_VARIABLE", "ASSIGN_VARIABLE"}:
                handle = variables.get(operator.inputs[0])
                if handle is not None:
                    (assigned if operator.type == "ASSIGN_VARIABLE" else read_from).add(handle)
    unset = [name.removeprefix("/") for name in sorted(read_from - assigned)]
    if unset:
        raise ModelUnreadable(
            f"'{path}' reads weights that it does not hold",
            found=f"{len(unset)} variables that nothing assigns: {first_few(unset, 3)}",
            expected="weights stored as constants",
            remedy="TensorFlow's converter lost them: set `path` to the SavedModel or Keras "
            "file that it was made from",
        )
