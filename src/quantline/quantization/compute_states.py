"""Samples of a model's state over all samples of its inputs, from the original."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.child import stage
from quantline.quantization.originals import frozen, shapes_of
from quantline.quantization.state_ports import computed_states

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from quantline import recipe


def compute_states(
    path: str,
    samples: np.ndarray | Mapping[str, np.ndarray],
    allow_lambda: bool = False,
    limits: recipe.Limits | None = None,
    custom: str | None = None,
) -> dict[str, np.ndarray]:
    """Load a Keras model, in a child process, and return samples of its state.

    Args:
        path: The file.
        samples: array of shape (n_examples, ...), model input; or one for each input, by name.
        allow_lambda: Whether a Keras file may hold or name code.
        limits: How large a Keras file's description of its layers may be.
        custom: The file of the module with the user's own layers.

    Returns:
        array of shape (n_examples, ...) for each state, by the name of its input: what the
        original comes to over the samples in order.

    Raises:
        QuantlineError: As :func:`quantline.quantization.import_float` lists them.
    """
    with frozen(
        "keras", path, None, shapes_of(samples), allow_lambda=allow_lambda, limits=limits,
        custom=custom,
    ) as model:  # fmt: skip
        stage("running the original model")
        return computed_states(model.traced.call, model.specs, model.states, samples, path)
