"""The examples of a manifest, streamed as model input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import DataError, MismatchError
from quantline.progress import track
from quantline.sampling.distribution import EVALUATION_EXAMPLES
from quantline.sampling.transform import Transform, build_transform

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quantline import recipe
    from quantline.sampling.sources import Example, Source

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """One evaluation example as model input.

    Attributes:
        id: Its TFDS id, file name, or row.
        label: The model's class that it is of, a label of another kind as an array, or None.
        x: The model input without the batch dimension; for a model of several inputs one for each,
            by name.
    """

    id: str
    label: int | np.ndarray | None
    x: Any  # an array, or a mapping of arrays


def open_source(dataset: recipe.Dataset) -> Source:
    """Open the dataset that the parameters name.

    Raises:
        DataError: It does not exist, or is not on disk.
    """
    return _OPEN[dataset.source](dataset)


def _open_tfds(dataset: recipe.Dataset) -> Source:
    from quantline.sampling.tfds_source import TfdsSource

    return TfdsSource(dataset)


def _open_npz(dataset: recipe.Dataset) -> Source:
    from quantline.sampling.npz_source import NpzSource

    return NpzSource(dataset)


def _open_images(dataset: recipe.Dataset) -> Source:
    from quantline.sampling.image_source import ImageSource

    return ImageSource(dataset)


def _open_audio(dataset: recipe.Dataset) -> Source:
    from quantline.sampling.audio_source import AudioSource

    return AudioSource(dataset)


def _open_table(dataset: recipe.Dataset) -> Source:
    from quantline.sampling.table_source import TableSource

    return TableSource(dataset)


def _open_function(dataset: recipe.Dataset) -> Source:
    from quantline.sampling.function_source import FunctionSource

    return FunctionSource(dataset)


# Each kind of source; its libraries are loaded when a dataset of that kind is opened.
_OPEN = {
    "tfds": _open_tfds,
    "npz": _open_npz,
    "image_csv": _open_images,
    "audio_csv": _open_audio,
    "table": _open_table,
    "function": _open_function,
}


def stream(dataset: recipe.Dataset, manifest: Manifest, part: str) -> Iterator[Sample]:
    """Stream one part of a manifest as model input, one example in memory at a time.

    Args:
        dataset: Where examples come from.
        manifest: What :func:`quantline.sampling.draw` gave.
        part: ``calibration`` or ``evaluation``.

    Raises:
        MismatchError: The dataset or the transform is not the one the manifest names.
        DataError: An example holds NaN or infinite values.
    """
    source, transform = open_source(dataset), build_transform(dataset.steps)
    if transform.sha256 != manifest["transform"]["sha256"]:
        raise _stale("the transform has changed", "the transform of the manifest")
    examples = manifest[part]["examples"]
    expected = {example["id"]: example for example in examples}
    seen = 0
    found = source.examples(manifest[part]["split"], expected.keys())
    for example in track(found, f"{part} examples", total=len(examples)):
        row = expected[example.id]
        if example.sha256 != row["sha256"]:
            raise _stale(f"other content for '{example.id}'", "the content of the manifest")
        seen += 1
        label = row["label"]  # a class index, with the offset
        if label is None and isinstance(example.label, np.ndarray):
            label = transform.on_label(example.label, example.value)
        yield Sample(example.id, label, to_input(transform, example))
    if seen != len(examples):
        raise _stale(f"{seen} of the {len(examples)} examples", "every example of the manifest")


def stored_dtype(dataset: recipe.Dataset, manifest: Manifest) -> str:
    """Return the dtype of the first calibration example before the transform.

    Raises:
        MismatchError: The dataset does not have it.
    """
    part = manifest["calibration"]
    first = part["examples"][0]["id"]
    example = next(iter(open_source(dataset).examples(part["split"], {first})), None)
    if example is None:
        raise _stale(f"no example '{first}' in '{part['split']}'", "every example of the manifest")
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


def to_input(transform: Transform, example: Example) -> Any:
    """Return an example as model input, without the batch dimension.

    Raises:
        DataError: A step cannot be applied to it.
        DataError: It holds NaN or infinite values.
    """
    value = transform(example.value)
    if isinstance(value, Mapping):
        return {name: _finite(part, example, f" of '{name}'") for name, part in value.items()}
    return _finite(value, example)


def _finite(value: np.ndarray, example: Example, place: str = "") -> np.ndarray:
    if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
        raise DataError(
            f"The example '{example.id}' is not finite",
            found=f"{int(np.isnan(value).sum())} NaN and {int(np.isinf(value).sum())} infinite "
            f"of {value.size} values{place} after the transform",
            expected="finite numbers",
            remedy="Remove the example, or correct `transform`",
        )
    return value


def refuse_other_shape(samples: Sequence[Any], example: Example) -> None:
    """Refuse the last sample, made of ``example``, if it has another shape than the first one.

    Raises:
        DataError: It has.
    """
    last, first = _shapes(samples[-1]), _shapes(samples[0])
    if last != first:
        raise DataError(
            f"The example '{example.id}' has another shape than the first one",
            found=f"{last} after {first}",
            expected="one shape for all examples",
            remedy="Add a 'resize', or a 'resize_short_side' and a 'central_crop', to `transform`",
        )


def _shapes(sample: Any) -> Any:
    if isinstance(sample, Mapping):
        return {name: value.shape for name, value in sample.items()}
    return sample.shape


def _stale(found: str, expected: str) -> MismatchError:
    """Return the error for a manifest that does not fit the dataset."""
    return MismatchError(
        "The manifest does not fit the dataset",
        found=found,
        expected=expected,
        remedy="Draw the examples again, and make again what was made from them: "
        "`pipelines=sampling`",
    )
