"""In how many independent models the rules of a prediction were seen to hold.

Files of one family, such as the same network for several sizes, are not independent of each other:
they count as one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from quantline.edgetpu.cost.blocks import ALIGNMENT
from quantline.edgetpu.cost.parameters import parameter_parts
from quantline.edgetpu.cost.rules import UNSEEN, total
from quantline.edgetpu.mapping.operators import NEWEST_RUNTIME
from quantline.edgetpu.mapping.seen import kind
from quantline.edgetpu.mapping.verdict import predict
from quantline.edgetpu.scoring.truth import cases, read_case
from quantline.edgetpu.vocabulary import Placement

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from quantline.edgetpu.cost.rules import Part

_CLOSE = 0.01


@dataclass(frozen=True)
class Observed:
    """The evidence that one model gives.

    Attributes:
        family: What it is a member of.
        parts: The parts of its parameters, as predicted for the operators that were compiled.
        true_bytes: Its parameters; None where not known.
        kinds: Kinds of operators, with their status, that came as predicted.
    """

    family: str
    parts: tuple[Part, ...]
    true_bytes: int | None
    kinds: frozenset[str]

    @property
    def is_close(self) -> bool:
        """Return whether the parameters are as predicted, within 1 % or a block."""
        if self.true_bytes is None:
            return False
        off = abs(total(self.parts).bytes - self.true_bytes)
        return off <= max(_CLOSE * self.true_bytes, ALIGNMENT)


def family(stem: str) -> str:
    """Return what a model is a member of: its name up to sizes and other numbers.

    Args:
        stem: The model's file name without ``.tflite``.
    """
    words = re.split("[-_]", stem)
    named = list(takewhile(lambda word: not word[:1].isdigit() and "MAC" not in word, words))
    return "_".join(re.sub(r"\d{2,}$", "", word) for word in named) or stem


def observe(folders: Iterable[Path]) -> list[Observed]:
    """Return what the models of folders show.

    Args:
        folders: Where models lie with what the compiler made of them.

    Raises:
        ModelError: There is no such folder, or no model in it.
    """
    found = []
    for folder in folders:
        for case in cases(folder):
            graph, truth = read_case(case)
            version = truth.runtime_version or NEWEST_RUNTIME
            chosen = {at for at, target in enumerate(truth.targets) if target is Placement.EDGETPU}
            parts = parameter_parts(graph.main, chosen, version)
            report = predict(graph, version, truth.subgraphs > 1)
            main = graph.main
            found.append(
                Observed(
                    family=family(case.model.stem),
                    parts=tuple(part for other in parts.values() for part in other),
                    true_bytes=truth.parameter_bytes,
                    kinds=frozenset(
                        f"{kind(main.operators[operator.index], main.tensors, actual)}: "
                        f"{operator.status.name}"
                        for operator, actual in zip(report.operators, truth.targets, strict=True)
                        if operator.target is actual and operator.seen_in_models is not None
                    ),
                )
            )
    return found


def rules_seen(models: Iterable[Observed]) -> dict[str, int]:
    """Return in how many families each rule of parameter bytes was seen to hold."""
    families: dict[str, set[str]] = defaultdict(set)
    for model in models:
        if model.is_close:
            for part in model.parts:
                families[part.rule.name].add(model.family)
    families.pop(UNSEEN, None)  # no rule, but the want of one
    return {name: len(families[name]) for name in sorted(families)}


def kinds_seen(models: Iterable[Observed]) -> dict[str, int]:
    """Return in how many families each kind of operator came as predicted."""
    families: dict[str, set[str]] = defaultdict(set)
    for model in models:
        for index in model.kinds:
            families[index].add(model.family)
    return {name: len(families[name]) for name in sorted(families)}
