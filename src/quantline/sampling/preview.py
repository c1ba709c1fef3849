"""Samples of a manifest: the dtype that is stored, and a few evaluation inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.sampling.distribution import EVALUATION_EXAMPLES
from quantline.sampling.manifest import Manifest, stale, stream
from quantline.sampling.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from quantline import recipe


def stored_dtype(dataset: recipe.Dataset, manifest: Manifest) -> str:
    """Return the dtype of the first calibration example before the transform.

    Raises:
        MismatchError: The dataset does not have it.
    """
    part = manifest["calibration"]
    first = part["examples"][0]["id"]
    example = next(iter(open_source(dataset).examples(part["split"], {first})), None)
    if example is None:
        raise stale(f"no example '{first}' in '{part['split']}'", "every example of the manifest")
    return str(example.value.dtype)


def preview(
    dataset: recipe.Dataset,
    manifest: Manifest,
    part: str = "evaluation",
    count: int = EVALUATION_EXAMPLES,
) -> Iterator[np.ndarray]:
    """Stream some model inputs of one part, evenly spread: a split may be sorted by class.

    Args:
        dataset: Where examples come from.
        manifest: What :func:`quantline.sampling.draw` gave.
        part: ``calibration`` or ``evaluation``.
        count: At most how many.
    """
    examples = manifest[part]["examples"]
    count = min(count, len(examples))
    chosen = [examples[index * len(examples) // count] for index in range(count)]
    fewer = {**manifest, part: {**manifest[part], "examples": chosen}}
    for sample in stream(dataset, fewer, part):
        yield sample.x
