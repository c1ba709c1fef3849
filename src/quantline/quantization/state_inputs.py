"""The state of a Keras 3 model: variables that it assigns become further inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import first_few
from quantline.loading.keras_layers import graph_name
from quantline.quantization.interface import batch_of, check_samples, is_row
from quantline.quiet import tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantline.quantization.interface import Arrays

_NEXT = "_next"
_RANDOM = "seed_generator"


@dataclass(frozen=True)
class State:
    """A variable that a model assigns each time it is called.

    Attributes:
        variable: The ``keras.Variable``.
        initial: array of the variable's shape, its value as the model was saved.
    """

    variable: Any
    initial: np.ndarray


def next_of(name: str) -> str:
    """Return the name of the output that is the next value of a state."""
    return f"{name}{_NEXT}"


def find_states(
    model: Any, call: Callable[..., dict[str, Any]], specs: Mapping[str, Any]
) -> dict[str, State]:
    """Return the variables that a Keras 3 model assigns, by names that no input or output has.

    Returns:
        The states in the order in which the model first assigns them. There are none where some
        variables hold the state of random numbers, or where the call cannot be traced at these
        sizes: the import then reports the reason.
    """
    if not _may_assign(model):
        return {}
    import keras

    assigned: dict[int, Any] = {}
    outputs: set[str] = set()

    class Recording(keras.StatelessScope):  # type: ignore[misc] # keras has no types
        def add_update(self, update: tuple[Any, Any]) -> None:
            assigned.setdefault(id(update[0]), update[0])
            super().add_update(update)

    def record(*values: Any) -> None:
        with Recording():
            outputs.update(call(**dict(zip(specs, values, strict=True))))

    try:
        tensorflow().function(record).get_concrete_function(*map(_batch_of_one, specs.values()))
    except Exception:  # a user's layer raises anything; the import meets it again
        return {}
    if any(_RANDOM in variable.path for variable in assigned.values()):
        return {}
    states: dict[str, State] = {}
    used = {*specs, *(name.removesuffix(_NEXT) for name in outputs)}
    for variable in assigned.values():
        name = graph_name(variable.path, {*used, *states})
        states[name] = State(variable, np.asarray(variable.value))
    return states


def _may_assign(model: Any) -> bool:
    """Return True if a layer may assign variables at inference.

    Of Keras's own layers those do that have the attribute ``stateful``, and those that draw random
    numbers.
    """
    return any(
        getattr(layer, "stateful", False) or type(layer).__module__.partition(".")[0] != "keras"
        for layer in model._flatten_layers(include_self=True, recursive=True)
    )


def _batch_of_one(spec: Any) -> Any:
    shape = spec.shape.as_list()
    sizes = [1 if size is None else size for size in shape[:1]] + shape[1:]
    return tensorflow().TensorSpec(sizes, spec.dtype)


def with_states(
    call: Callable[..., dict[str, Any]], states: Mapping[str, State]
) -> Callable[..., dict[str, Any]]:
    """Return a model as a function of its inputs and states that assigns nothing."""
    import keras

    def whole(**inputs: Any) -> dict[str, Any]:
        values = [(state.variable, inputs.pop(name)) for name, state in states.items()]
        with keras.StatelessScope(values) as scope:
            outputs = call(**inputs)
        following = {
            next_of(name): scope.get_current_value(state.variable) for name, state in states.items()
        }
        return {**outputs, **following}

    return whole


def computed_states(
    call: Callable[..., dict[str, Any]],
    specs: Mapping[str, Any],
    states: Mapping[str, State],
    samples: Arrays,
    path: str,
) -> dict[str, np.ndarray]:
    """Return samples of a model's states; none if samples of a state are given.

    Returns:
        array of shape (n_examples, ...) for each state, by the name of its input.
    """
    if not states or (isinstance(samples, Mapping) and states.keys() & samples.keys()):
        return {}
    own = {name: tuple(spec.shape) for name, spec in specs.items() if name not in states}
    initial = {name: state.initial for name, state in states.items()}
    return run_through(call, specs, initial, check_samples(samples, own, path))


def run_through(
    call: Callable[..., dict[str, Any]],
    specs: Mapping[str, Any],
    initial: Mapping[str, np.ndarray],
    samples: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Return the states that a model is in before each sample, run over the samples in order.

    One row of a batch of several fills the whole batch.

    Returns:
        array of shape (n_examples, ...) for each state, by name, one row of a batch of several.
    """
    tf = tensorflow()
    shapes = {name: tuple(spec.shape) for name, spec in specs.items()}
    batch = max([shapes[name][0] for name, values in samples.items()
                 if is_row(values, shapes[name])], default=1)  # fmt: skip
    state, found = dict(initial), []
    for index in range(len(next(iter(samples.values())))):
        found.append({name: value[0] if value.shape[:1] in ((1,), (batch,)) else value
                      for name, value in state.items()})  # fmt: skip
        inputs = {
            name: batch_of(values[index : index + 1], 0, shapes[name])
            for name, values in samples.items()
        }
        given = {name: tf.cast(value, specs[name].dtype)
                 for name, value in {**inputs, **state}.items()}  # fmt: skip
        outputs = call(**given)
        state = {name: outputs[next_of(name)].numpy() for name in state}
    return {name: np.stack([values[name] for values in found]) for name in state}


def describe_states(
    states: Mapping[str, State], computed: Mapping[str, np.ndarray]
) -> tuple[str, ...]:
    """Return sentences that describe the state of an imported model."""
    if not states:
        return ()
    values = np.unique(np.concatenate([state.initial.ravel() for state in states.values()]))
    begin = f"{values[0]:g}" if len(values) == 1 else "'states' of the import, in the recipe"
    ports = first_few([f"'{name}'" for name in states], 4)
    sentence = (
        f"the variables that it assigns are inputs, {ports}, and their next values the outputs "
        f"of these names with '{_NEXT}', which its caller hands on; a sequence begins with {begin}"
    )
    if not computed:
        return (sentence,)
    return (sentence, "samples of the state are those of the original, run over the samples in "
                      "order from its initial state (measured)")  # fmt: skip
