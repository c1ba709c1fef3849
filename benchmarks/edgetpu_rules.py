"""In how many models the rules for the Edge TPU were seen, and how each family fares without them.

    python -m benchmarks.edgetpu_rules FOLDER ...

FOLDER holds models and what the compiler made of them, as for ``quantline edgetpu-score``. First
come the counts that ``cost/rules.py`` and ``mapping/seen.py`` carry. Then each family of models is
left out: rules that no other family shows are not applied to it, as if they had never been found.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quantline.edgetpu.cost.rules import total
from quantline.edgetpu.scoring.score import SMALL_BYTES
from quantline.edgetpu.scoring.support import kinds_seen, observe, rules_seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.edgetpu.scoring.support import Observed


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
