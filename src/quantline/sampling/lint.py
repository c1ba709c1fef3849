"""The lint of a calibration set: what would give a wrong model, before it does.

The stock converter takes an empty or all-NaN set without a word, and gives a useless model for
examples of another scale than the model was trained on. Each finding has a stable name, a key of
``CHECKS``.

An example of a model of several inputs is all of them together: ids, masks and controls that repeat
or are constant are normal where the other inputs vary. Inputs of integers or of a single value may
well be the same in every example: there ``duplicates`` is at most a warning, and constant examples
and scale do not count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from quantline.errors import Finding, first_few
from quantline.sampling.distribution import Distribution, compare
from quantline.sampling.facts import Facts, examine, values_per_example
from quantline.sampling.together import Input, degenerate_examples, share

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from quantline.sampling.output_bounds import Bounds


@dataclass(frozen=True)
class Check:
    """A kind of mistake in a calibration set, for the documentation.

    Attributes:
        severity: The severities that its findings have.
        meaning: When it is found.
    """

    severity: str
    meaning: str


CHECKS: dict[str, Check] = {
    "empty": Check("error", "there is no example"),
    "wrong_dtype": Check(
        "error, warning", "examples are not real numbers; integers for a float input (a warning)"
    ),
    "wrong_shape": Check("error", "examples do not have the model's input shape"),
    "nan": Check("error", "examples hold NaN"),
    "inf": Check("error", "examples hold values that float32 does not"),
    "constant_samples": Check(
        "error to note", "all, or some, examples hold one value everywhere; one input does"
    ),
    "duplicates": Check(
        "error to note", "all examples are the same; more than 5 % are repeated; any"
    ),
    "outside_transform": Check("error", "values that the declared transform cannot give"),
    "distribution_shift": Check("error, warning", "the scale is not that of the evaluation set"),
    "no_evaluation_set": Check("note", "there is nothing to compare the scale with"),
    "unscaled_pixels": Check("warning", "nor that, and all values are whole numbers from 0 to 255"),
    "missing_classes": Check(
        "warning, note", "no example is of some classes of the evaluation set"
    ),
}
"""Every finding of the lint by its name."""

# Errors that nobody can choose to ignore: no range can be recorded from such examples.
UNRECORDABLE = frozenset({"empty", "wrong_dtype", "wrong_shape", "nan", "inf"})

_EMPTY = Finding(
    "empty",
    "error",
    found="0 examples",
    expected="at least one example; about 100 suffice",
    remedy="Give a set that holds examples",
)


def lint(
    samples: Sequence[np.ndarray] | np.ndarray | None,
    *,
    expected_shape: Sequence[int | None],
    expected_dtype: str = "float32",
    ids: Sequence[str] | None = None,
    evaluation: Iterable[np.ndarray] | Distribution | None = None,
    promised: Bounds | None = None,
    labels: Sequence[int | None] | None = None,
    evaluation_labels: Iterable[int | None] | None = None,
) -> tuple[Finding, ...]:
    """Look for mistakes in the calibration examples of one model input.

    Args:
        samples: array of shape (n_examples, ...), or a sequence of arrays, each with or without
            the batch of 1.
        expected_shape: The input's shape without the batch; None or a negative size fits any.
        expected_dtype: The input's dtype.
        ids: The examples' names, for messages; their positions if None.
        evaluation: Model inputs whose distribution to compare with; at most 200 are read.
        promised: What :func:`quantline.sampling.output_bounds` gave for the declared transform.
        labels: The examples' class indices.
        evaluation_labels: Those of the evaluation set.

    Returns:
        The findings; none where all is well. Examples that are no numbers or have another shape
        are not looked into any further.
    """
    if samples is None or not len(samples):
        return (_EMPTY,)
    facts = examine(samples, expected_shape, promised)
    names = [str(index) for index in (range(facts.count) if ids is None else ids)]
    findings = list(_form(facts, names, expected_shape, expected_dtype))
    if facts.not_numbers or facts.other_shapes:
        return tuple(findings)
    one = _input("", facts, expected_shape, expected_dtype)
    findings += [*_content(facts, names, promised), *degenerate_examples([one], names)]
    if one.is_signal and facts.min <= facts.max:
        findings += _scale(samples, facts, evaluation)
    findings += _classes(labels, evaluation_labels)
    return tuple(findings)


def lint_together(
    samples: Mapping[str, np.ndarray],
    inputs: Mapping[str, tuple[Sequence[int | None], str]],
    evaluation: Mapping[str, Distribution | None] | None = None,
) -> tuple[Finding, ...]:
    """Look for mistakes in the calibration examples of a model of one or several inputs.

    Args:
        samples: array of shape (n_examples, ...) for each input, by name; as many for one as for
            another.
        inputs: Each input's shape without the batch, and its dtype, by name.
        evaluation: The distribution of evaluation examples to compare each input with, by name.

    Returns:
        The findings, each with the name of its input, or of all inputs together.
    """
    findings, judged = [], []
    for name, values in samples.items():
        if not len(values):
            return (_EMPTY,)
        shape, dtype = inputs[name]
        facts = examine(values, shape)
        positions = [str(number) for number in range(facts.count)]
        found = list(_form(facts, positions, shape, dtype))
        if not (facts.not_numbers or facts.other_shapes):
            one = _input(name, facts, shape, dtype)
            judged.append(one)
            found += _content(facts, positions, None)
            if one.is_signal and facts.min <= facts.max:
                found += _scale(values, facts, (evaluation or {}).get(name))
        place = f"input '{name}': " if name else ""
        findings += [replace(finding, found=f"{place}{finding.found}") for finding in found]
    if len(judged) == len(samples):
        findings += degenerate_examples(
            judged, [str(number) for number in range(judged[0].facts.count)]
        )
    return tuple(findings)


def _input(name: str, facts: Facts, shape: Sequence[int | None], dtype: str) -> Input:
    has_many = values_per_example(shape) > 1
    return Input(name, facts, has_many=has_many, is_signal=has_many and dtype.startswith("float"))


def _form(
    facts: Facts, names: Sequence[str], shape: Sequence[int | None], dtype: str
) -> Iterator[Finding]:
    if facts.not_numbers:
        kinds = sorted({kind for _, kind in facts.not_numbers})
        yield Finding(
            "wrong_dtype",
            "error",
            found=f"{share([at for at, _ in facts.not_numbers], names)} of {first_few(kinds, 3)}",
            expected=f"real numbers that fit {dtype}",
            remedy=f"Store the examples as {dtype}",
        )
    if facts.other_shapes:
        shapes = sorted({shape for _, shape in facts.other_shapes})
        yield Finding(
            "wrong_shape",
            "error",
            found=f"{share([at for at, _ in facts.other_shapes], names)} of shape "
            f"{first_few(shapes, 3)}",
            expected=_shape_text(shape),
            remedy="Bring the examples to the model's input shape, as `transform` does",
        )
    given = sorted(facts.dtypes)
    if dtype.startswith("float"):
        if any(not name.startswith("float") for name in given):
            yield Finding(
                "wrong_dtype",
                "warning",
                found=f"examples of {', '.join(given)}",
                expected=f"{dtype}, as the model takes",
                remedy="If they are raw pixels, scale them as in training; else store them as "
                f"{dtype}",
            )
    elif facts.fractional:
        yield Finding(
            "wrong_dtype",
            "error",
            found=f"{share(facts.fractional, names)} with fractions",
            expected=f"whole numbers: the model takes {dtype}",
            remedy="Give the values that the model takes, without scaling",
        )


def _content(facts: Facts, names: Sequence[str], promised: Bounds | None) -> Iterator[Finding]:
    for name, positions, value in (("nan", facts.nan, "NaN"), ("inf", facts.inf, "infinity")):
        if positions:
            yield Finding(
                name,
                "error",
                found=f"{share(positions, names)} with {value}",
                expected="finite numbers that float32 holds",
                remedy="Remove these examples, or correct what prepares them",
            )
    if promised is not None and facts.outside:
        yield Finding(
            "outside_transform",
            "error",
            found=f"{share(facts.outside, names)} with values that `transform` "
            f"cannot give; all values lie in [{facts.min:.6g}, {facts.max:.6g}]",
            expected=f"values in [{np.min(promised.low):.6g}, {np.max(promised.high):.6g}], which "
            f"the transform makes of [0, {promised.most}]",
            remedy="If the images have 16 bits, write the transform for [0, 65535]; else run the "
            "'sampling' pipeline again, so that the set is what the transform gives",
        )


def _scale(
    samples: Iterable[np.ndarray],
    facts: Facts,
    evaluation: Iterable[np.ndarray] | Distribution | None,
) -> Iterator[Finding]:
    if not (evaluation is None or isinstance(evaluation, Distribution)):
        evaluation = Distribution.of(evaluation)
    if evaluation is not None:
        mine = Distribution.of(samples)
        shift = None if mine is None else compare(mine, evaluation)
        if shift is not None:
            yield shift
        return
    yield Finding(
        "no_evaluation_set",
        "note",
        found="no evaluation examples",
        expected="some, to compare the scale of the calibration examples with",
        remedy=f"Check that the model was trained on values in [{facts.min:.3g}, {facts.max:.3g}]",
    )
    if not facts.fractional and facts.min >= 0 and 1 < facts.max <= 255:
        yield Finding(
            "unscaled_pixels",
            "warning",
            found=f"only whole numbers, from {facts.min:g} to {facts.max:g}",
            expected="the scale that the model was trained on, for most models [0, 1] or [-1, 1]",
            remedy="Scale the examples as in training; ignore this if the model scales its input "
            "itself",
        )


def _classes(
    labels: Sequence[int | None] | None, evaluation_labels: Iterable[int | None] | None
) -> Iterator[Finding]:
    mine, theirs = set(labels or ()), set(evaluation_labels or ())
    missing = sorted(their for their in theirs - mine if their is not None)
    if not mine or None in mine or not missing:
        return
    classes = len(theirs)
    is_possible = len(labels or ()) >= classes
    yield Finding(
        "missing_classes",
        "warning" if is_possible else "note",
        found=f"no example of {len(missing)} of the {classes} classes of the evaluation set: "
        f"{first_few(missing)}",
        expected="examples of every class",
        remedy="Draw from a split that has all classes"
        if is_possible
        else f"Draw at least {classes} examples for one of each class",
    )


def _shape_text(shape: Sequence[int | None]) -> str:
    sizes = ["any" if size is None or size < 0 else str(size) for size in shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''}), with or without a batch of 1"
