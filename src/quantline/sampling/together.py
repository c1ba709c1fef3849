"""Findings about all inputs of the examples together: duplicates and constant examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantline.errors import Finding, first_few

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quantline.sampling.facts import Facts

DUPLICATES_WARNING = 0.05


@dataclass(frozen=True)
class Input:
    """One input of a model, with the facts about its examples.

    Attributes:
        name: Its name; empty where it need not be named.
        facts: What was seen.
        has_many: Whether an example has more than one value.
        is_signal: Whether these are real numbers as well.
    """

    name: str
    facts: Facts
    has_many: bool
    is_signal: bool


def degenerate_examples(inputs: Sequence[Input], names: Sequence[str]) -> Iterator[Finding]:
    """Yield findings about examples that are constant or repeat an earlier one, in all inputs.

    Args:
        inputs: The model's inputs, of as many examples each.
        names: The examples' names, for messages.
    """
    yield from _constant(inputs, names)
    yield from _repeated(inputs, names)


def _constant(inputs: Sequence[Input], names: Sequence[str]) -> Iterator[Finding]:
    """Find constant examples; an input of a single value is constant by its nature, and no sign."""
    judged = [model_input for model_input in inputs if model_input.has_many]
    if not any(model_input.is_signal for model_input in judged):
        return
    constant = [
        at
        for at in range(len(names))
        if all(at in model_input.facts.constant for model_input in judged)
    ]
    if constant:
        zeros = sum(
            all(model_input.facts.constant[at] == 0 for model_input in judged) for at in constant
        )
        yield Finding(
            "constant_samples",
            "error" if len(constant) == len(names) else "warning",
            found=f"{_of(judged)}{share(constant, names)} with one value everywhere, "
            f"{zeros} of them all zeros",
            expected="examples as the model meets them",
            remedy="Remove them, or correct what prepares them",
        )
    for model_input in judged if len(constant) < len(names) else ():
        values = set(model_input.facts.constant.values())
        if (
            model_input.is_signal
            and len(model_input.facts.constant) == len(names)
            and len(values) == 1
        ):
            yield Finding(
                "constant_samples",
                "note",
                found=f"{_of([model_input])}{values.pop():g} everywhere, in all {len(names)} "
                "examples",
                expected="each value that the model meets there, such as a mask that masks",
                remedy="Leave a mask or a control that is always so; else correct what prepares it",
            )


def _repeated(inputs: Sequence[Input], names: Sequence[str]) -> Iterator[Finding]:
    first_of: dict[tuple[bytes, ...], int] = {}
    repeats = []
    for at, digests in enumerate(
        zip(*(model_input.facts.digests for model_input in inputs), strict=True)
    ):
        first = first_of.setdefault(digests, at)
        if first != at:
            repeats.append((at, first))
    if not repeats:
        return
    is_single = len(repeats) == len(names) - 1
    strict = any(model_input.is_signal for model_input in inputs)
    pairs = [f"{names[at]} (as {names[first]})" for at, first in repeats]
    yield Finding(
        "duplicates",
        "error" if is_single and strict and len(names) > 2
        else "warning" if len(repeats) > DUPLICATES_WARNING * len(names)
        else "note",
        found=f"{_of(inputs)}{len(repeats)} of {len(names)} examples repeat an earlier one: "
        f"{first_few(pairs, 5)}",
        expected=f"different examples, at most {100 * DUPLICATES_WARNING:g} % repeated",
        remedy="Remove the copies; they add nothing to the ranges",
    )  # fmt: skip


def _of(inputs: Sequence[Input]) -> str:
    names = [f"'{model_input.name}'" for model_input in inputs if model_input.name]
    if not names:
        return ""
    return f"input {names[0]}: " if len(names) == 1 else f"inputs {first_few(names, 5)} together: "


def share(positions: Sequence[int], names: Sequence[str]) -> str:
    """Return the number of examples and the names of the first ones, as text."""
    which = first_few([names[at] for at in positions], 5)
    return f"{len(positions)} of {len(names)} examples ({which})"
