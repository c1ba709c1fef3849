"""In how many models the rules for the Edge TPU were seen, and how each family fares without them.

    python -m benchmarks.edgetpu_rules FOLDER ...

FOLDER holds models and what the compiler made of them, as for ``quantline edgetpu-score``. First
come the counts that ``cost/rules.py`` and ``mapping/seen.py`` carry. Then each family of models is
left out: rules that no other family shows are not applied to it, as if they had never been found.
Files of one family, such as the same network for several sizes, are not independent of each other:
they count as one.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quantline.edgetpu.cost.parameters import parameter_parts
from quantline.edgetpu.cost.rules import ALIGNMENT, UNSEEN, total
from quantline.edgetpu.mapping.operators import NEWEST_RUNTIME
from quantline.edgetpu.mapping.seen import kind
from quantline.edgetpu.mapping.verdict import predict
from quantline.edgetpu.scoring.score import SMALL_BYTES
from quantline.edgetpu.scoring.truth import find_cases, read_case
from quantline.edgetpu.vocabulary import Placement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quantline.edgetpu.cost.rules import Part

_CLOSE = 0.01


@dataclass(frozen=True)
class Observed:
    """The evidence that one model gives.

    Attributes:
        family: The name of its family.
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
    """Return the family of a model: its name up to sizes and other numbers.

    Args:
        stem: The model's file name without ``.tflite``.
    """
    words = re.split("[-_]", stem)
    named = list(takewhile(lambda word: not word[:1].isdigit() and "MAC" not in word, words))
    return "_".join(re.sub(r"\d{2,}$", "", word) for word in named) or stem


def observe(folders: Iterable[Path]) -> list[Observed]:
    """Return the evidence that the models of folders give.

    Args:
        folders: Folders of models and compiled files.

    Raises:
        ModelError: There is no such folder, or no model in it.
    """
    found = []
    for folder in folders:
        for case in find_cases(folder):
            graph, truth = read_case(case)
            version = truth.runtime_version or NEWEST_RUNTIME
            chosen = {at for at, target in enumerate(truth.targets) if target is Placement.EDGETPU}
            parts = parameter_parts(graph.main, chosen, version)
            report = predict(graph, version, truth.subgraphs > 1)
            main = graph.main
            found.append(
                Observed(
                    family=family(case.model.stem),
                    parts=tuple(part for listed in parts.values() for part in listed),
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
    """Return the number of families in which each rule of parameter bytes was seen to hold."""
    families: dict[str, set[str]] = defaultdict(set)
    for model in models:
        if model.is_close:
            for part in model.parts:
                families[part.rule.name].add(model.family)
    families.pop(UNSEEN, None)  # not a rule
    return {name: len(families[name]) for name in sorted(families)}


def kinds_seen(models: Iterable[Observed]) -> dict[str, int]:
    """Return the number of families in which each kind of operator came as predicted."""
    families: dict[str, set[str]] = defaultdict(set)
    for model in models:
        for name in model.kinds:
            families[name].add(model.family)
    return {name: len(families[name]) for name in sorted(families)}


def left_out(models: Sequence[Observed]) -> list[tuple[str, float, tuple[str, ...]]]:
    """Return, of each model, its family, its error and the rules that only its family shows.

    The error is without sign, and of what the other rules predict; of models above 100 KB.
    """
    found = []
    for name in sorted({model.family for model in models}):
        known = rules_seen(model for model in models if model.family != name)
        for model in (model for model in models if model.family == name):
            if (model.true_bytes or 0) > SMALL_BYTES:
                rest = [part for part in model.parts if part.rule.name in known]
                error = abs(total(rest).bytes / model.true_bytes - 1)
                own = {part.rule.name for part in model.parts if part.bytes} - set(known)
                found.append((name, error, tuple(sorted(own))))
    return found


def main() -> None:
    """Print the counts, and how each family fares without its own rules."""
    models = observe(Path(folder) for folder in sys.argv[1:])
    print(f"{len(models)} models, {len({model.family for model in models})} families\n")
    for heading, counts in (("rules", rules_seen(models)), ("operators", kinds_seen(models))):
        print(f"{heading}, by families in which they were seen:")
        for name, count in counts.items():
            print(f'    "{name}": {count},')
        print()
    print("each family left out:")
    rows = left_out(models)
    for name, error, own in rows:
        print(f"{error:8.2%}  {name}" + (f"  without: {', '.join(own)}" if own else ""))
    errors = [error for _, error, _ in rows]
    print(
        f"\nmedian {np.median(errors):.2%}, 90th percentile {np.percentile(errors, 90):.2%}, "
        f"worst {max(errors):.2%}, over {len(errors)} models above 100 KB"
    )


if __name__ == "__main__":
    main()
