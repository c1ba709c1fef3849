"""Tracing an original model to one stateless function that TensorFlow Lite's converter takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.errors import ModelUnsupported, first_few
from quantline.loading import graph_names
from quantline.quantization.graph_rewrites import REWRITES, narrow_types, widen
from quantline.quantization.tensorflow_backend import freeze
from quantline.quiet import tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from quantline.quantization.load_original import Original


# The attribute by which Keras 2 marks an LSTM that has a fused operator.
_MARK, _FUSED = "api_implements", b"lstm_"


@dataclass(frozen=True)
class Traced:
    """A model as a function of a batch of 1.

    Attributes:
        call: The original; takes and returns tensors by the original's names.
        served: The concrete function to convert, with plain names.
        widened: The same computation as ``call`` in float32; None where the original's is.
        specs: Each input's ``tf.TensorSpec``, by the original's names.
        inputs: The original's names by the plain ones.
        outputs: Likewise.
        narrow: The 16-bit float types that the original computes in.
        variables: The variables that ``served`` reads.
    """

    call: Callable[..., dict[str, Any]]
    served: Any
    widened: Callable[..., dict[str, Any]] | None
    specs: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, str]
    narrow: tuple[str, ...]
    variables: tuple[Any, ...] = ()


def trace(path: str, original: Original, specs: Mapping[str, Any]) -> Traced:
    """Trace a model once, with its variables as constants.

    An LSTM of Keras 2 keeps its variables: it becomes one fused operator only while it is a
    function of its own, and freezing inlines functions.
    """
    tf, inputs = tensorflow(), graph_names(specs)
    own = {plain: name for name, plain in inputs.items()}
    outputs: dict[str, str] = {}

    def renamed(**given: Any) -> dict[str, Any]:
        found = original.call(**{own[plain]: value for plain, value in given.items()})
        names = graph_names(found)
        outputs.update({plain: name for name, plain in names.items()})
        return {names[name]: value for name, value in found.items()}

    given = {
        inputs[name]: tf.TensorSpec(spec.shape, spec.dtype, name=inputs[name])
        for name, spec in specs.items()
    }
    concrete = tf.function(renamed).get_concrete_function(**given)
    _check_outputs(path, outputs, concrete.structured_outputs)
    refuse_state(path, concrete)

    def with_own_names(function: Any) -> Callable[..., dict[str, Any]]:
        def call(**values: Any) -> dict[str, Any]:
            found = function(**{inputs[name]: value for name, value in values.items()})
            return {outputs[plain]: value for plain, value in found.items()}

        return call

    call = with_own_names(concrete)
    graph = concrete.graph.as_graph_def()
    narrow = narrow_types(graph)
    if not narrow and any(node.attr[_MARK].s.startswith(_FUSED) for node in graph.library.function):
        variables = tuple(concrete.graph.variables)
        return Traced(call, concrete, None, dict(specs), own, outputs, (), variables)

    def rewrite(frozen: Any) -> bool:
        if narrow:
            widen(frozen)
        return any([*(change(frozen) for change in REWRITES), narrow])

    wide = {name: _widened(spec) for name, spec in given.items()}
    served = freeze(concrete, wide, rewrite)
    widened = with_own_names(served) if narrow else None
    return Traced(call, served, widened, dict(specs), own, outputs, tuple(narrow))


def _widened(spec: Any) -> Any:
    tf = tensorflow()
    dtype = tf.float32 if spec.dtype in (tf.float16, tf.bfloat16) else spec.dtype
    return tf.TensorSpec(spec.shape, dtype, name=spec.name)


def _check_outputs(path: str, names: Mapping[str, str], outputs: Mapping[str, Any]) -> None:
    kinds = {names[name]: getattr(index, "dtype", None) for name, index in outputs.items()}
    wrong = [
        f"'{name}' ({kind.name if kind is not None else 'no tensor'})"
        for name, kind in kinds.items()
        if kind is None or not (kind.is_floating or kind.is_integer or kind.is_bool)
    ]
    if wrong or not outputs:
        raise ModelUnsupported(
            f"'{path}' has outputs that do not hold real numbers",
            found=first_few(wrong) or "no output",
            expected="outputs of a float, integer or boolean type",
            remedy="Export a signature that returns the model's numbers, without decoding them",
        )


_ASSIGN = re.compile(r"Assign(Add|Sub)?VariableOp|ResourceScatter\w+|ResourceStridedSliceAssign")
_LOOKUP = re.compile(r"LookupTable\w*|HashTable\w*|MutableHashTable\w*")


def refuse_state(path: str, concrete: Any) -> None:
    """Refuse a function that changes its variables, or looks values up in a table."""
    graph = concrete.graph.as_graph_def()
    functions = {function.signature.name: function for function in graph.library.function}
    captured = {inner.name.partition(":")[0]: outer for outer, inner in concrete.graph.captures}
    handles = _assigned(graph.node, set(captured), functions)
    names = {id(variable.handle): variable.name for variable in concrete.graph.variables}
    assigned = sorted(
        {names.get(id(captured[handle]), handle).partition(":")[0] for handle in handles}
    )
    if assigned:
        random = [name for name in assigned if "seed_generator" in name]
        raise ModelUnsupported(
            f"'{path}' assigns variables while it runs",
            found=f"the variables {first_few([repr(name) for name in assigned], 5)}",
            expected="a model whose outputs depend on its inputs alone",
            remedy="It draws random numbers: give these as an input, or leave the layer out at "
            "inference"
            if len(random) == len(assigned)
            else "Make the state an input and an output: a recurrent layer with stateful=False, "
            "return_state=True and 'initial_state' from an input, which its caller hands on",
        )
    everything = [
        *graph.node,
        *(node for function in functions.values() for node in function.node_def),
    ]
    tables = sorted({node.name for node in everything if _LOOKUP.fullmatch(node.op)})
    if tables:
        raise ModelUnsupported(
            f"'{path}' looks values up in a table",
            found=first_few([repr(name) for name in tables], 3),
            expected="a model that computes with numbers alone",
            remedy="Look the values up in the program that calls the model (StringLookup and "
            "IntegerLookup give indices from 0), and export the model from behind that layer",
        )


def _assigned(nodes: Iterable[Any], names: set[str], functions: dict[str, Any]) -> set[str]:
    """Return the resources that a graph, or a function that it calls, assigns."""
    found: set[str] = set()
    aliases = {name: name for name in names}
    for node in nodes:
        given = [aliases.get(name.partition(":")[0]) for name in node.input]
        if node.op == "Identity" and given and given[0]:
            aliases[node.name] = given[0]
        if _ASSIGN.fullmatch(node.op) and given[0]:
            found.add(given[0])
        called = [functions.get(value.func.name) for value in node.attr.values()
                  if value.HasField("func")]  # fmt: skip
        for function in (found for found in called if found is not None and any(given)):
            arguments = [argument.name for argument in function.signature.input_arg]
            # An If hands on all but its condition.
            handed = given[len(given) - len(arguments) :]
            inner = dict(zip(arguments, handed, strict=False))
            wanted = {argument for argument, outer in inner.items() if outer}
            for argument in _assigned(function.node_def, wanted, functions):
                outer = inner[argument]
                assert outer is not None  # noqa: S101 - only those were asked for
                found.add(outer)
    return found
