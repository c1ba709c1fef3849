"""Count how often each method calls a model 'no worse' that is worse by exactly the margin.

    python benchmarks/coverage.py [--json build/coverage.json] [--markdown] [--draws 100000]

One-sided at 95 %: 5 % are promised. For each number of examples and each share of examples that
change from right to wrong or back, the chance is summed over all outcomes, so that it has no error
of sampling; a simulation of Tango's with a fixed seed checks the sum.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.special import gammaln, xlogy
from scipy.stats import norm

from quantline.stats.noninferiority import score_statistic

Z = float(norm.ppf(0.95))
EXAMPLES = (100, 300, 1000, 3000, 10_000)
CHANGED = (0.001, 0.003, 0.01, 0.03, 0.1)
MARGINS = (0.001, 0.005, 0.01, 0.02)
RIGHT = 0.9  # of the unchanged examples; Newcombe's method alone asks
Counts = np.ndarray
Method = Callable[[Counts, Counts, int], np.ndarray]


@dataclass(frozen=True)
class Row:
    """One case.

    Attributes:
        margin_points: The margin, and by how much the model is worse, in percentage points.
        examples: How many examples there are.
        changed: The share of them that change from right to wrong or back.
        tango: How often Tango's score interval (1998) says 'no worse'.
        tango_simulated: The same, counted over random draws.
        bonett_price: The same of Bonett and Price's adjusted Wald interval (2012).
        newcombe: The same of Newcombe's method 10 (1998).
        wald: The same of the plain Wald interval.
        tango_equal: How often Tango's says 'no worse' of a model that is as good: its power.
        bonett_price_equal: The same of Bonett and Price's.
        newcombe_equal: The same of Newcombe's.
    """

    margin_points: float
    examples: int
    changed: float
    tango: float
    tango_simulated: float
    bonett_price: float
    newcombe: float
    wald: float
    tango_equal: float
    bonett_price_equal: float
    newcombe_equal: float


def tango(margin: float) -> Method:
    """Decide by the score statistic at the margin."""
    return lambda lost, won, examples: score_statistic(lost, won, examples, -margin) > Z


def wald(margin: float, added: int) -> Method:
    """Decide by the Wald interval with so many examples added to each changed cell.

    One is Bonett and Price's, Journal of Educational and Behavioral Statistics 37 (2012), 479-488.
    """

    def decide(lost: Counts, won: Counts, examples: int) -> np.ndarray:
        total = examples + 2 * added
        first, second = (won + added) / total, (lost + added) / total
        spread = np.sqrt((first + second - (first - second) ** 2) / total)
        return first - second - Z * spread > -margin

    return decide


def newcombe(margin: float) -> Method:
    """Decide by method 10 of R. G. Newcombe, Statistics in Medicine 17 (1998), 2635-2650."""

    def decide(lost: Counts, won: Counts, examples: int) -> np.ndarray:
        both = np.round(RIGHT * (examples - lost - won))
        neither = examples - both - lost - won
        first, second = (both + won) / examples, (both + lost) / examples
        below, above = first - _wilson(first, examples)[0], _wilson(second, examples)[1] - second
        excess = both * neither - lost * won
        excess = np.where(
            excess > examples / 2, excess - examples / 2, np.minimum(excess, 0)
        )  # the correction for continuity
        product = (both + won) * (neither + lost) * (both + lost) * (neither + won)
        phi = np.divide(excess, np.sqrt(product), out=np.zeros(np.shape(lost)), where=product > 0)
        half = np.sqrt(np.maximum(below**2 - 2 * phi * below * above + above**2, 0))
        return first - second - half > -margin

    return decide


def _wilson(share: np.ndarray, examples: int) -> tuple[np.ndarray, np.ndarray]:
    squared = Z**2 / examples
    centre = (share + squared / 2) / (1 + squared)
    half = Z / (1 + squared) * np.sqrt(share * (1 - share) / examples + squared / (4 * examples))
    return centre - half, centre + half


@dataclass(frozen=True)
class Outcomes:
    """All pairs of counts that may occur, but for a chance of less than 1e-9.

    Attributes:
        examples: The number of examples.
        lost: array of shape (n_outcomes,), how many only the reference has right.
        won: array of shape (n_outcomes,), how many only the candidate has right.
        chance: array of shape (n_outcomes,), how likely that is.
    """

    examples: int
    lost: np.ndarray
    won: np.ndarray
    chance: np.ndarray

    @classmethod
    def of(cls, examples: int, share_lost: float, share_won: float) -> Outcomes:
        """List what may come of shares."""
        grid = np.meshgrid(_likely(examples, share_lost), _likely(examples, share_won))
        lost, won = (item.ravel() for item in grid)
        possible = lost + won <= examples
        lost, won = lost[possible], won[possible]
        same = examples - lost - won
        logarithm = gammaln(examples + 1) - sum(gammaln(item + 1) for item in (lost, won, same))
        logarithm += xlogy(lost, share_lost) + xlogy(won, share_won)
        chance = np.exp(logarithm + xlogy(same, 1 - share_lost - share_won))
        if abs(chance.sum() - 1) > 1e-9:
            raise ArithmeticError(f"the chances of all outcomes add up to {chance.sum()}")
        return cls(examples, lost, won, chance)

    def how_often(self, method: Method) -> float:
        """Return the chance that a method says 'no worse'."""
        return float(self.chance[method(self.lost, self.won, self.examples)].sum())


def _likely(examples: int, share: float) -> np.ndarray:
    reach = 8 * np.sqrt(examples * share) + 12
    low, high = max(0, int(examples * share - reach)), min(examples, int(examples * share + reach))
    return np.arange(low, high + 1, dtype=float)


def row(margin: float, examples: int, changed: float, draws: int) -> Row:
    """Work out one case."""
    shares = ((changed + margin) / 2, max(0.0, (changed - margin) / 2))
    worse = Outcomes.of(examples, *shares)
    equal = Outcomes.of(examples, changed / 2, changed / 2)
    methods = (tango(margin), wald(margin, 1), newcombe(margin))
    sizes = [worse.how_often(method) for method in methods]
    powers = [equal.how_often(method) for method in methods]
    rng = np.random.default_rng(2012)
    lost, won, _ = rng.multinomial(examples, (*shares, 1 - sum(shares)), size=draws).T
    return Row(
        margin_points=100 * margin,
        examples=examples,
        changed=changed,
        tango=sizes[0],
        tango_simulated=float(methods[0](lost, won, examples).mean()),
        bonett_price=sizes[1],
        newcombe=sizes[2],
        wald=worse.how_often(wald(margin, 0)),
        tango_equal=powers[0],
        bonett_price_equal=powers[1],
        newcombe_equal=powers[2],
    )


HEADINGS = ("margin", "examples", "changed", "Tango", "simulated", "Bonett-Price", "Newcombe",
            "Wald", "Tango, equal", "Bonett-Price, equal", "Newcombe, equal")  # fmt: skip


def cells(row: Row) -> list[str]:
    """Return a row as text: shares in per cent."""
    margin, examples, changed, *shares = asdict(row).values()
    return [
        f"{margin:g}", f"{examples:,}", f"{100 * changed:g} %",
        *(f"{100 * share:.1f}" for share in shares),
    ]  # fmt: skip


def main() -> None:
    """Print the table, and write it as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--draws", type=int, default=100_000)
    options = parser.parse_args()
    # A model cannot be worse by more than changes.
    rows = [
        row(margin, examples, changed, options.draws)
        for margin in MARGINS
        for examples in EXAMPLES
        for changed in CHANGED
        if changed >= margin
    ]
    if options.markdown:
        print(f"| {' | '.join(HEADINGS)} |\n|{' ---: |' * len(HEADINGS)}")
        print("\n".join(f"| {' | '.join(cells(other))} |" for other in rows))
    else:
        lines = [list(HEADINGS), *map(cells, rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            print("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))
    for name in ("tango", "bonett_price", "newcombe", "wald"):
        values = [getattr(other, name) for other in rows]
        above = sum(value > 0.055 for value in values)
        print(f"{name}: at most {100 * max(values):.1f} %, above 5.5 % in {above} of {len(rows)}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps([asdict(other) for other in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
