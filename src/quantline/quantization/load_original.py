"""Loading the original model as a function of its named inputs; this runs in a child process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quantline.child import LOADING, stage
from quantline.errors import ModelUnreadable, ModelUnsupported, UnsafeModel, first_few, first_line
from quantline.loading import (
    load_keras,
    parsed_saved_model,
    refused_operators,
    rename_layers,
    unroll,
)
from quantline.quantization.interface import choose_signature, whole_shape
from quantline.quantization.state_inputs import find_states, with_states
from quantline.quiet import tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantline.quantization.original_source import Source
    from quantline.quantization.state_inputs import State

SERVING = "serving_default"


@dataclass(frozen=True)
class Original:
    """A loaded model.

    Attributes:
        key: The signature's key.
        call: Takes tensors by input name, returns tensors by output name.
        specs: Each input's ``tf.TensorSpec``, by name.
        loader: The distribution that loaded it.
        unrolled: Names of recurrent layers that are written out step by step.
        states: The variables that it assigns, by the names of their inputs, which are among
            ``specs``.
    """

    key: str
    call: Callable[..., dict[str, Any]]
    specs: dict[str, Any]
    loader: str
    unrolled: tuple[str, ...] = ()
    states: Mapping[str, State] = field(default_factory=dict)


def load_original(source: Source) -> Original:
    """Load a Keras model or a SavedModel; this runs in a child process."""
    stage("starting TensorFlow")
    tensorflow()
    stage(LOADING)
    return (_keras_original if source.kind == "keras" else _saved_model_original)(source)


def _keras_original(source: Source) -> Original:
    """Load a Keras model as a function of its named inputs."""
    tf, path = tensorflow(), source.path
    key = choose_signature([SERVING], source.signature, path)
    model, loader = load_keras(
        path, allow_lambda=source.allow_lambda, limits=source.limits, custom=source.custom
    )
    tensors = getattr(model, "inputs", None)
    if not tensors:
        raise ModelUnsupported(
            f"'{path}' does not say what its inputs are",
            found=f"a model of the class {type(model).__name__} without input shapes",
            expected="a functional model, or a Sequential one that begins with keras.Input(shape)",
            remedy="Export it as a SavedModel with model.export('folder')",
        )
    rename_layers(model)
    names = [tensor.name for tensor in tensors]
    structure = getattr(model, "input", None)

    def call(**inputs: Any) -> dict[str, Any]:
        values: Any = [inputs[name] for name in names]
        if isinstance(structure, Mapping):
            values = {value: inputs[tensor.name] for value, tensor in structure.items()}
        elif len(values) == 1:
            values = values[0]
        outputs = model(values, training=False)
        if isinstance(outputs, Mapping):  # named as model.export() names them
            return dict(outputs)
        return {f"output_{index}": value for index, value in enumerate(tf.nest.flatten(outputs))}

    specs = {
        tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name)
        for tensor in tensors
    }
    states = find_states(model, call, specs) if loader == "keras" else {}
    for name, state in states.items():
        specs[name] = tf.TensorSpec(state.initial.shape, state.initial.dtype, name=name)
    unrolled = unroll(model, fused=source.fuses_lstms)
    return Original(key, with_states(call, states) if states else call, specs, loader,
                    tuple(unrolled), states)  # fmt: skip


def _saved_model_original(source: Source) -> Original:
    """Load a signature of a SavedModel as a function of its named inputs."""
    tf, path = tensorflow(), source.path
    try:
        if not source.allow_unsafe:
            _refuse_unsafe(path)
        loaded = tf.saved_model.load(path)
    except UnsafeModel:
        raise
    except Exception as error:  # TensorFlow raises whatever a foreign file leads to
        raise ModelUnreadable(
            f"'{path}' cannot be loaded as a SavedModel",
            found=first_line(error),
            expected="a SavedModel folder of TensorFlow 2",
            remedy="Export it again with model.export('folder')",
        ) from error
    key = choose_signature(list(loaded.signatures), source.signature, path, SERVING)
    function = loaded.signatures[key]

    def call(**inputs: Any) -> Any:
        # 'loaded' must stay alive with its variables for as long as the function does.
        return loaded.signatures[key](**inputs)

    return Original(key, call, dict(function.structured_input_signature[1]), "tensorflow")


def _refuse_unsafe(path: str) -> None:
    refused = refused_operators(parsed_saved_model(path), path)
    if refused:
        raise UnsafeModel(
            f"'{path}' can do more than compute: use files, the network or Python",
            found=first_few(refused, 3),
            expected="operators that only compute",
            remedy="If you trust it, use `allow_unsafe=True`; else have the model "
            "exported without these operators",
        )


def fix_batch(path: str, name: str, spec: Any, sample: tuple[int, ...] | None = None) -> Any:
    """Return an input's ``tf.TensorSpec`` with all sizes known.

    Args:
        path: The model's name in errors.
        name: The input's name in errors.
        spec: Its ``tf.TensorSpec`` in the original.
        sample: The shape of a sample, which decides sizes that are open; a batch that is fixed
            stays. None without samples: an open batch is 1.

    Raises:
        ModelUnsupported: It holds no real numbers, or its sizes are not known.
        DataError: The sample does not fit.
    """
    tf = tensorflow()
    plain = isinstance(spec, tf.TensorSpec)
    if not plain or not (spec.dtype.is_floating or spec.dtype.is_integer or spec.dtype.is_bool):
        kind = spec.dtype.name if plain else type(spec).__name__
        raise ModelUnsupported(
            f"The input '{name}' of '{path}' does not hold real numbers",
            found=kind,
            expected="a dense tensor of a float, integer or boolean type",
            remedy="Look up texts in the program that calls the model, and export the model from "
            "behind its text processing, so that it takes their numbers"
            if kind == "string"
            else "Export a signature that takes the model's numbers, after all preparation",
        )
    taken = sizes_of(spec, sample)
    if sample is not None:
        whole = whole_shape(taken, sample, f"{path}: {name}")
        whole = (taken[0], *whole[1:]) if whole[:1] == (1,) and taken[0] > 1 else whole
    else:
        whole = (1, *taken[1:]) if taken[:1] == (-1,) else taken
    if any(size < 0 for size in whole):
        raise ModelUnsupported(
            f"The input '{name}' of '{path}' has sizes that are not known",
            found=f"{taken}, where -1 is unknown",
            expected="known sizes, or samples, whose shape then holds",
            remedy="Give samples of the size that is wanted, or export the model with a fixed one",
        )
    return tf.TensorSpec(whole, spec.dtype, name=spec.name)


def sizes_of(spec: Any, sample: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the shape of a ``tf.TensorSpec`` with -1 for each size that it leaves open."""
    if spec.shape.rank is None:
        return (-1,) * (1 + len(sample or ()))
    return tuple(-1 if size is None else size for size in spec.shape.as_list())
