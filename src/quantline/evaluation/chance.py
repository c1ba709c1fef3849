"""Models that are no better than chance on their evaluation set."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from quantline.errors import Finding
from quantline.stats.interval import wilson

if TYPE_CHECKING:
    import pyarrow as pa

# Cohen's kappa below which agreement is called slight (Landis and Koch 1977, Biometrics 33).
_SLIGHT = 0.2
_LONGEST = 200


def no_better_than_chance(predictions: pa.Table, classes: int, transform: str) -> Finding | None:
    """Return a finding where a classifier is right no more often than it would be by chance.

    Chance is the larger of the most frequent class's share and one in as many classes as there
    are; the model is better where Wilson's interval of its accuracy, which is a binomial test the
    other way round, lies above it. On a set that is almost all of one class a good model may not
    be: so it counts as chance only where Cohen's kappa of labels and predictions is slight too.

    Args:
        predictions: What :func:`quantline.evaluation.predict` gave.
        classes: The number of the model's classes.
        transform: The declaration of the transform, the first suspect, as text.
    """
    labelled = predictions.filter(predictions["label"].is_valid())
    total = len(labelled)
    if not total:
        return None
    labels, answers = (labelled[name].to_pylist() for name in ("label", "prediction"))
    right = sum(label == answer for label, answer in zip(labels, answers, strict=True))
    label_counts, answer_counts = Counter(labels), Counter(answers)
    ((most, count),) = label_counts.most_common(1)
    chance = max(count / total, 1 / classes)
    accuracy = wilson(right, total)
    independent = (
        sum(label_counts[count] * answer_counts[count] for count in label_counts) / total**2
    )
    kappa = (accuracy.value - independent) / (1 - independent) if independent < 1 else 1.0
    if accuracy.low > chance or kappa >= _SLIGHT:
        return None
    declared = transform if len(transform) <= _LONGEST else f"{transform[:_LONGEST]} ..."
    return Finding(
        "chance_level",
        "warning",
        found=f"the float model is right on {accuracy.value:.1%} of {total:,} examples; to answer "
        f"class {most} always is right on {count / total:.1%}, to guess among {classes} classes "
        f"on {1 / classes:.1%}",
        expected="a float model that is better than chance: else its comparison with int8 says "
        "nothing",
        remedy=f"Compare `transform` ({declared}) with what the model was trained on; then "
        "the order of the classes, and `label_offset`",
    )
