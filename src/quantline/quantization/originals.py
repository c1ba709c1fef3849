"""Runs and conversions of the original model, in a child process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from quantline.child import stage
from quantline.quantization.converter import convert
from quantline.quantization.fixed_ranges import trained_ranges
from quantline.quantization.import_changes import (
    describe_shapes,
    has_open_sizes,
    resized,
    unrolling,
    widening,
    with_integers,
)
from quantline.quantization.interface import (
    batch_of,
    check_samples,
    first_of,
    is_row,
    whole_shape,
    with_arrays,
)
from quantline.quantization.load_original import fix_batch, load_original, sizes_of
from quantline.quantization.state_inputs import computed_states, describe_states
from quantline.quantization.trace import trace
from quantline.quiet import tensorflow
from quantline.temporary import temporary_folder
from quantline.tflite import read, with_simulated_shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from quantline.quantization.interface import Arrays
    from quantline.quantization.load_original import Original
    from quantline.quantization.original_source import Source
    from quantline.quantization.trace import Traced


@dataclass(frozen=True)
class Converted:
    """An original model, converted to a float ``.tflite``.

    Attributes:
        content: The float ``.tflite`` file's bytes.
        outputs: The original's outputs on each sample, by name; None where the imported model is
            the original.
        loader: The distribution that loaded the original.
        rebuilt: Differences in how it computes from the original, as sentences.
        states: The initial value of each variable that became an input, by the input's name.
        computed: Samples of these inputs where none were given, by name.
    """

    content: bytes
    outputs: list[dict[str, np.ndarray]] | None
    loader: str
    rebuilt: tuple[str, ...] = ()
    states: Mapping[str, np.ndarray] = field(default_factory=dict)
    computed: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Frozen:
    """A loaded model with a batch of 1, saved again.

    Attributes:
        folder: A SavedModel folder of one signature, which exists as long as the context lasts.
        original: The model as it was loaded.
        traced: The saved function.
        shapes: Each input's shape as the original has it, -1 for a size that it leaves open, by
            name.
    """

    folder: str
    original: Original
    traced: Traced
    shapes: dict[str, tuple[int, ...]]


def run_and_convert(source: Source, samples: Arrays) -> Converted:
    """Convert a Keras model or a SavedModel to a float ``.tflite`` with a batch of 1."""
    path = source.path
    with frozen(source, shapes_of(samples)) as model:
        traced, states = model.traced, model.original.states
        taken = {name: tuple(spec.shape) for name, spec in traced.specs.items()}
        stage("running the original model")
        computed = computed_states(traced.call, traced.specs, states, samples, path)
        given = check_samples(with_arrays(samples, computed, taken), taken, path)
        wanted = {name: whole_shape(taken[name], given[name].shape[1:], path) for name in taken}
        outputs = _run(traced.call, traced.specs, given)
        rebuilt = list(describe_shapes(model.shapes, wanted))
        rebuilt += describe_states(states, computed)
        initial = {name: state.initial for name, state in states.items()}
        if traced.widened is not None:
            narrow, outputs = outputs, _run(traced.widened, traced.specs, given)
            rebuilt.append(widening(path, traced.narrow, narrow, outputs))
        stage("converting to a float .tflite")
        content = with_simulated_shapes(convert(path, model, "to a float .tflite"))
    loader, unrolled = model.original.loader, model.original.unrolled
    if source.fuses_lstms and loader == "tf-keras" and len(read(content).subgraphs) > 1:
        # Masks and states that are used keep an LSTM from being fused: it would be a loop.
        return run_and_convert(replace(source, fuses_lstms=False), samples)
    if wanted != taken or has_open_sizes(read(content)):
        stage("giving the model the sizes of the samples")
        content = resized(content, wanted, given)
    content, integers = with_integers(content)
    rebuilt += integers
    graph = read(content)
    trained = trained_ranges(graph)
    if trained:
        rebuilt.append(
            f"trained with simulated quantization: the ranges of {len(trained)} tensors are those "
            "of the training (read)"
        )
    if any(tensor.is_variable for tensor in graph.main.tensors):
        rebuilt.append(
            "keeps the state of its LSTM between runs: reset it before each sequence, with "
            "Interpreter.reset_all_variables()"
        )
    if unrolled:
        rebuilt.append(unrolling(unrolled, content))
    return Converted(content, outputs, loader, tuple(rebuilt), initial, computed)


def shapes_of(samples: Arrays) -> dict[str, tuple[int, ...]]:
    """Return the shape of a sample of each input, by name; of a single array by ``""``."""
    if not isinstance(samples, Mapping):
        return {"": samples.shape[1:]}
    return {name: values.shape[1:] for name, values in samples.items()}


def _run(
    call: Callable[..., dict[str, Any]], specs: Mapping[str, Any], samples: Mapping[str, np.ndarray]
) -> list[dict[str, np.ndarray]]:
    """Return a model's outputs on each sample, by name."""
    outputs = []
    shapes = {name: tuple(spec.shape) for name, spec in specs.items()}
    batches = [shape[0] for name, shape in shapes.items() if is_row(samples[name], shape)]
    for index in range(len(next(iter(samples.values())))):
        batch = {
            name: tensorflow().cast(batch_of(samples[name], index, shapes[name]), spec.dtype)
            for name, spec in specs.items()
        }
        found = call(**batch)
        outputs.append(
            {
                name: first_of(value.numpy(), max(batches, default=1))
                for name, value in found.items()
            }
        )
    return outputs


@contextmanager
def frozen(source: Source, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Frozen]:
    """Load a Keras model or a SavedModel, and save one signature of it with a batch of 1.

    Args:
        source: The model.
        shapes: The shape of a sample of each input, by name; of a single one by ``""``. They decide
            sizes that are not known.
    """
    original = load_original(source)
    stage("preparing the model")
    own = [name for name in original.specs if name not in original.states]
    if len(own) == 1 and "" in shapes:
        shapes = dict.fromkeys(own, shapes[""])
    specs = {
        name: fix_batch(source.path, name, spec, shapes.get(name))
        for name, spec in original.specs.items()
    }
    open_shapes = {name: sizes_of(spec, shapes.get(name)) for name, spec in original.specs.items()}
    traced = trace(source.path, original, specs)
    with temporary_folder() as temporary:
        folder = str(temporary / "saved_model")
        tf = tensorflow()
        module = tf.Module()
        module.variables_read = list(traced.variables)
        # Custom gradients, as of swish, are of no use here and cannot be saved.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(
            module, folder, signatures={original.key: traced.served}, options=options
        )
        yield Frozen(folder, original, traced, open_shapes)


def compute_states(source: Source, samples: Arrays) -> dict[str, np.ndarray]:
    """Load a Keras model, in a child process, and return samples of its state.

    Returns:
        array of shape (n_examples, ...) for each state, by the name of its input: its values as
        the original runs over the samples in order.
    """
    with frozen(source, shapes_of(samples)) as model:
        stage("running the original model")
        call, specs = model.traced.call, model.traced.specs
        return computed_states(call, specs, model.original.states, samples, source.path)
