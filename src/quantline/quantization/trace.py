"""Tracing an original model to one function that TensorFlow Lite's converter takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.errors import ModelUnsupported, first_few
from quantline.loading import graph_names
from quantline.quantization.graph_rewrites import REWRITES, narrow_types, widen
from quantline.quantization.state_check import refuse_state
from quantline.quantization.tensorflow_backend import freeze

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


def trace(tf: Any, path: str, original: Original, specs: Mapping[str, Any]) -> Traced:
    """Trace a model once, with its variables as constants.

    An LSTM of Keras 2 keeps its variables: it becomes one fused operator only while it is a
    function of its own, and freezing inlines functions.

    Args:
        tf: The module ``tensorflow``.
        path: The model's name in errors.
        original: The model.
        specs: Each input's ``tf.TensorSpec``, by name; all sizes are known.

    Raises:
        ModelUnsupported: It has outputs that do not hold real numbers, or keeps state.
    """
    inputs = graph_names(specs)
    own = {plain: name for name, plain in inputs.items()}
    outputs: dict[str, str] = {}

    def renamed(**given: Any) -> dict[str, Any]:
        found = original.call(**{own[plain]: value for plain, value in given.items()})
        names = graph_names(found)
        outputs.update({plain: name for name, plain in names.items()})
        return {names[name]: value for name, value in found.items()}

    given = {inputs[name]: _named(tf, spec, inputs[name]) for name, spec in specs.items()}
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

    wide = {name: _widened(tf, spec) for name, spec in given.items()}
    served = freeze(concrete, wide, rewrite)
    widened = with_own_names(served) if narrow else None
    return Traced(call, served, widened, dict(specs), own, outputs, tuple(narrow))


def _named(tf: Any, spec: Any, name: str) -> Any:
    return tf.TensorSpec(spec.shape, spec.dtype, name=name)


def _widened(tf: Any, spec: Any) -> Any:
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
