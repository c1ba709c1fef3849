"""The interface of a model: the choice of a signature, and checks that examples fit its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from quantline.errors import DataError, ModelUnsupported, first_few, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


Arrays = np.ndarray | Mapping[str, np.ndarray]
"""Model input: array of shape (n_examples, ...), or one for each input, by name."""


def choose_signature(
    keys: Sequence[str], wanted: str | None, path: str, default: str | None = None
) -> str:
    """Return the signature that was asked for, else the only one, else the default one."""
    found = f"the signatures {first_few(keys) or 'none'}"
    if wanted is not None and wanted not in keys:
        raise ModelUnsupported(
            f"'{path}' has no signature '{wanted}'",
            found=found,
            expected="a signature that takes the model's input",
            remedy=suggest(wanted, keys) or "Correct `signature`, or export the model with one",
        )
    if not keys:
        raise ModelUnsupported(
            f"'{path}' has no signature",
            found=found,
            expected="at least one",
            remedy="Export the model with one, as model.export('folder') does",
        )
    if wanted is None and len(keys) > 1 and default not in keys:
        raise ModelUnsupported(
            f"'{path}' has several signatures and none was chosen",
            found=found,
            expected="one signature",
            remedy=f"Choose one of them, such as `signature='{keys[0]}'`",
        )
    if wanted is not None:
        return wanted
    return default if default in keys and default is not None else keys[0]


def check_samples(
    samples: Arrays, taken: Mapping[str, tuple[int, ...]], path: str
) -> dict[str, np.ndarray]:
    """Return an array for each input, by name, after a check that they fit the model's inputs."""
    inputs = ", ".join(
        f"'{name}' {shape[1:] if shape[:1] in ((1,), (-1,)) else shape}"
        for name, shape in taken.items()
    )
    if not isinstance(samples, Mapping):
        if len(taken) != 1:
            raise ModelUnsupported(
                f"'{path}' does not have exactly one input",
                found=f"{len(taken)} inputs: {inputs}",
                expected="one input, as the samples are one array",
                remedy="Export a signature with a single input, or give the library a mapping "
                "from the name of each input to its samples",
            )
        samples = {next(iter(taken)): samples}
    if samples.keys() != taken.keys():
        raise DataError(
            f"The samples are not those of the inputs of '{path}'",
            found=f"samples for {first_few([repr(name) for name in samples]) or 'nothing'}",
            expected=f"samples for each input: {inputs}",
            remedy="Give a mapping with one array for each input",
        )
    check_counts(samples, f"The inputs of '{path}' have different numbers of samples")
    for name, shape in taken.items():
        whole_shape(shape, samples[name].shape[1:], path if len(taken) == 1 else f"{path}: {name}")
    return {name: samples[name] for name in taken}


def check_counts(samples: Mapping[str, np.ndarray], what: str) -> None:
    """Refuse arrays of different numbers of samples; ``what`` is what the error says first."""
    counts = {name: len(values) for name, values in samples.items()}
    if len(set(counts.values())) > 1:
        raise DataError(
            what,
            found=", ".join(f"{count} samples in '{name}'" for name, count in counts.items()),
            expected="as many samples for one input as for another",
            remedy="Give each sample once for every input",
        )


def with_arrays(
    samples: Arrays,
    more: Mapping[str, np.ndarray],
    inputs: Iterable[str],
) -> np.ndarray | dict[str, np.ndarray]:
    """Return samples with those of further inputs; a single array is that of the other input."""
    if isinstance(samples, Mapping):
        return {**samples, **more}
    own = [name for name in inputs if name not in more]
    return {own[0]: samples, **more} if more and len(own) == 1 else samples


def whole_shape(taken: tuple[int, ...], given: tuple[int, ...], model: str) -> tuple[int, ...]:
    """Return the shape, with its batch, that a model's input has for examples of a shape.

    An example of as many dimensions as the input is all that the input takes at once; one of a
    dimension fewer is given alone, as a batch of 1, whatever batch the model was exported with.

    Args:
        taken: The input's whole shape; -1 is a size that the model leaves open.
        given: The shape of one example.
        model: The model's name in errors.

    Raises:
        DataError: The examples do not fit.
    """
    is_whole = len(given) == len(taken) and taken[:1] in ((-1,), given[:1])
    whole = given if is_whole else (1, *given)
    if len(whole) == len(taken) and all(
        size in (-1, found) for size, found in zip(taken[1:], whole[1:], strict=True)
    ):
        return whole
    is_batch = taken[:1] in ((1,), (-1,)) or len(given) != len(taken)
    raise _mismatch(given, taken[1:] if is_batch else taken, model)


def is_row(values: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Return True if an example of an array is one row of a batch of several."""
    return bool(shape) and shape[0] > 1 and prod(values.shape[1:]) * shape[0] == prod(shape)


def batch_of(values: np.ndarray, index: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return an example as an input of a shape takes it, with those that follow in its batch."""
    count = shape[0] if is_row(values, shape) else 1
    rows = [values[(index + row) % len(values)] for row in range(count)]
    return np.stack(rows).reshape(shape)


def first_of(output: np.ndarray, batch: int) -> np.ndarray:
    """Return the first row of an output of a batch of examples that were given one each."""
    return output[:1] if batch > 1 and output.shape[:1] == (batch,) else output


def _mismatch(given: tuple[int, ...], taken: tuple[int, ...], model: str) -> DataError:
    return DataError(
        f"The examples do not have the shape that '{model}' takes",
        found=f"{given} after the transform",
        expected=f"{taken}",
        remedy="Give examples of such a shape, where -1 is any size"
        if any(size < 0 for size in taken)
        else _fitting_transform(given, taken),
    )


def _fitting_transform(given: tuple[int, ...], taken: tuple[int, ...]) -> str:
    for axis, size in enumerate(taken):
        if size == 1 and taken[:axis] + taken[axis + 1 :] == given:
            last = axis == len(taken) - 1
            return f"Add '- expand_dims: {-1 if last else axis}' to `transform`"
    if len(given) > len(taken) and [size for size in given if size != 1] == [
        size for size in taken if size != 1
    ]:
        return "Drop the extra dimension with a function 'module:name' as `transform`"
    if len(given) != 3 or len(taken) != 3:
        return "Give a function 'module:name' as `transform` that makes this shape"
    color = {1: "grayscale", 3: "rgb"}.get(taken[2])
    if given[2] != taken[2] and color is None:
        return "Give a function 'module:name' as `transform` that makes this shape"
    if given[2] != taken[2]:
        return (
            f"The model takes {taken[2]} channels: for image files set `color='{color}'`, "
            "else give a function 'module:name' as `transform`"
        )
    return (
        f"Add '- resize: {{height: {taken[0]}, width: {taken[1]}}}' to `transform`, or "
        f"'- resize_short_side: {{size: {max(taken[:2])}}}' and "
        f"'- central_crop: {{height: {taken[0]}, width: {taken[1]}}}', before the scaling"
    )
