"""Drawing the calibration and the evaluation set, and the manifest that names every example.

An example's turn is the hash of the seed and its id. Hence a draw depends on neither the order of
the files nor the version of a random number generator, and a larger draw contains the smaller one.
"""

from __future__ import annotations

import hashlib
import heapq
import logging
from collections import Counter, defaultdict
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import (
    DataError,
    first_few,
)
from quantline.files import canonical_json, sha256
from quantline.progress import track
from quantline.sampling.calibration_set import CalibrationSet
from quantline.sampling.stream import Manifest, open_source, refuse_other_shape, to_input
from quantline.sampling.transform import Transform, build_transform

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from quantline import recipe
    from quantline.sampling.sources import Entry, Source

logger = logging.getLogger(__name__)


def draw(
    dataset: recipe.Dataset, sampling: recipe.Sampling, *, classes: bool = False
) -> tuple[Manifest, CalibrationSet]:
    """Draw both sets.

    Args:
        dataset: Where examples come from.
        sampling: How many are drawn from which splits.

        classes: True if labels have to be class indices.

    Returns:
        The manifest, and the calibration set in the manifest's order.

    Raises:
        QuantlineError: The dataset, a split, the transform or an example cannot be used; too few
            examples; the two sets overlap.
    """
    source, transform = open_source(dataset), build_transform(dataset.steps)
    calibration, samples = _draw_split(
        source, sampling.calibration, sampling.seed, transform, classes=classes
    )
    evaluation, _ = _draw_split(source, sampling.evaluation, sampling.seed, None, classes=classes)
    for row in (*calibration["examples"], *evaluation["examples"]):
        row["label"] = row["label"] + dataset.label_offset if row["label"] is not None else None
    _refuse_overlap(calibration["examples"], evaluation["examples"])
    manifest = {
        "dataset": {"source": dataset.source, "name": source.name, "version": source.version},
        "seed": sampling.seed,
        "transform": {"spec": dataset.steps, "sha256": transform.sha256},
        "calibration": calibration,
        "evaluation": evaluation,
    }
    logger.info(
        "sampled %d examples to calibrate with and %d to evaluate on, from %s",
        len(calibration["examples"]),
        len(evaluation["examples"]),
        source.name,
    )
    ids = tuple(example["id"] for example in calibration["examples"])
    return manifest, CalibrationSet.stack(samples, ids)


def _draw_split(
    source: Source,
    asked: recipe.CalibrationSplit | recipe.EvaluationSplit,
    seed: int,
    transform: Transform | None,
    *,
    classes: bool,
) -> tuple[dict[str, Any], list[Any]]:
    """Draw one split; with a transform, also return the examples as model input."""
    entries = list(track(source.entries(asked.split), f"reading '{asked.split}'"))
    if not entries:
        raise DataError(
            f"The split '{asked.split}' of {source.name} is empty",
            found="0 examples",
            expected="at least one example",
            remedy="Correct `calibration_split` or `evaluation_split`",
        )
    counts = Counter(entry.id for entry in entries)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise DataError(
            f"The split '{asked.split}' of {source.name} names examples more than once",
            found=first_few(repeated),
            expected="each example once, with one label",
            remedy="Remove the repeated lines",
        )
    if asked.examples is not None and asked.examples > len(entries):
        raise DataError(
            f"The split '{asked.split}' of {source.name} holds fewer examples than asked for",
            found=f"{len(entries)} examples",
            expected=f"at least {asked.examples}",
            remedy=f"Ask for at most {len(entries)} examples, or name a larger split",
        )
    chosen = {entry.id for entry in _choose(entries, asked.examples, seed)}
    rows, samples = [], []
    for example in track(
        source.examples(asked.split, chosen), f"drawing from '{asked.split}'", total=len(chosen)
    ):
        label = example.label if isinstance(example.label, int) else None
        if classes and isinstance(example.label, np.ndarray):
            raise DataError(
                f"The label of the example '{example.id}' is not a class index",
                found=f"an array of shape {example.label.shape} and dtype {example.label.dtype}",
                expected="a whole number, as the task 'classification' takes it",
                remedy="Store class indices; for one-hot labels, their argmax; or set `task_kind` "
                "to the task that the labels are for",
            )
        rows.append({"id": example.id, "label": label, "sha256": example.sha256})
        if transform is not None:
            samples.append(to_input(transform, example))
            refuse_other_shape(samples, example)
    content = sha256(canonical_json([[row["label"], row["sha256"]] for row in rows]))
    return {"split": asked.split, "examples": rows, "sha256": content}, samples


def _choose(entries: Sequence[Entry], count: int | None, seed: int) -> Iterable[Entry]:
    """Choose ``count`` entries, each label in proportion to its share."""
    if count is None or count == len(entries):
        return entries
    strata: defaultdict[int | None, list[Entry]] = defaultdict(list)
    for entry in entries:
        strata[entry.label].append(entry)
    for stratum in strata.values():
        stratum.sort(key=lambda entry: hashlib.sha256(f"{seed}:{entry.id}".encode()).digest())
    shares = _shares({label: len(stratum) for label, stratum in strata.items()}, count)
    return chain.from_iterable(strata[label][:share] for label, share in shares.items())


def _shares(sizes: Mapping[int | None, int], count: int) -> dict[int | None, int]:
    """Split ``count`` over strata by the method of Sainte-Laguë (Webster).

    Unlike largest remainders it is monotone: with a larger count no stratum gets less.
    """
    shares = dict.fromkeys(sizes, 0)
    queue: list[tuple[float, int, int | None]] = [
        (-size, label or 0, label) for label, size in sizes.items()
    ]
    heapq.heapify(queue)
    for _ in range(count):
        _, order, label = queue[0]
        shares[label] += 1
        quotient = sizes[label] / (2 * shares[label] + 1)
        heapq.heapreplace(queue, (-quotient, order, label))
    return shares


def _refuse_overlap(
    calibration: Sequence[Mapping[str, Any]], evaluation: Sequence[Mapping[str, Any]]
) -> None:
    """Compare contents, not names: a copy under another name is the same example."""
    names = {example["sha256"]: example["id"] for example in evaluation}
    shared = [
        example["id"]
        if names[example["sha256"]] == example["id"]
        else f"{example['id']} (the same content as {names[example['sha256']]})"
        for example in calibration
        if example["sha256"] in names
    ]
    if shared:
        raise DataError(
            "The calibration and the evaluation set overlap",
            found=f"{len(shared)} shared: {first_few(shared, 20)}",
            expected="two sets without a common example",
            remedy="Name two splits that do not overlap, such as train and test, or train[:80%] "
            "and train[80%:]; where single copies lie in both, remove them or change "
            "`sampling_seed`",
        )
