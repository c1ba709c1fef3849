"""TensorFlow Datasets that are prepared on disk; nothing is ever downloaded."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import (
    DataError,
    QuantlineError,
    first_few,
    suggest,
)
from quantline.files import sha256
from quantline.quiet import tensorflow
from quantline.reading import Unreadable
from quantline.sampling.sources import Entry, Example
from quantline.sampling.tfds_files import (
    DESCRIPTION,
    broken_description,
    broken_shard,
    refuse_odd_files,
    refuse_other_code,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from quantline import recipe

_BATCH = 1024


class TfdsSource:
    """A prepared TFDS builder; an example's id is its ``tfds_id``."""

    def __init__(self, dataset: recipe.Dataset) -> None:
        """Open the builder.

        Raises:
            DataError: No such builder, or it is not prepared in the data folder.
            DataError: The input or label feature does not exist.
        """
        self._builder = _open(dataset)
        info = self._builder.info
        self.name, self.version = str(info.full_name).rsplit("/", 1)[0], str(info.version)
        keys = info.supervised_keys or (None, None)
        self._input = self._feature(dataset.tfds.input_key or keys[0], "input_key")
        self._label = dataset.tfds.label_key or keys[1]
        self._has_classes = False
        if self._label is not None:
            feature = self._builder.info.features[self._feature(self._label, "label_key")]
            dtype = getattr(feature, "np_dtype", None)
            is_number = dtype is not None and np.issubdtype(dtype, np.integer)
            self._has_classes = bool(is_number and feature.shape == ())

    def _feature(self, key: Any, parameter: str) -> str:
        features = list(self._builder.info.features)
        if key not in features:
            raise DataError(
                f"'{self.name}' has no single feature for `{parameter}`",
                found=f"{key!r}",
                expected=f"one of {', '.join(features)}",
                remedy=f"Set `{parameter}`",
            )
        return str(key)

    def entries(self, split: str) -> Iterator[Entry]:
        """Yield each example's TFDS id and label.

        Raises:
            DataError: The split expression is wrong.
            DataError: A file is missing or damaged, or holds other than it is said to.
        """
        keys = [self._label] if self._label and self._has_classes else []
        found = 0
        with self._explained(split):
            # Ids and labels are read in batches: one by one, Python would take most of the time.
            for batch in self._dataset(split, keys).batch(_BATCH).as_numpy_iterator():
                labels = batch[self._label] if self._has_classes else None
                for row, name in enumerate(batch["tfds_id"]):
                    found += 1
                    yield Entry(name.decode(), None if labels is None else int(labels[row]))
            # A file that ends between two records is whole to TensorFlow.
            if found != self._builder.info.splits[split].num_examples:
                raise self._unreadable(split, None)

    def examples(self, split: str, ids: Set[str]) -> Iterator[Example]:
        """Yield the chosen examples, decoding no others.

        Raises:
            DataError: The split expression is wrong.
            DataError: A file is missing or damaged, or an image cannot be decoded.
        """
        with self._explained(split):
            yield from self._chosen(split, ids)

    def _chosen(self, split: str, ids: Set[str]) -> Iterator[Example]:
        tf = tensorflow()
        feature = self._builder.info.features[self._input]
        is_image = _is_image(feature)
        masks = {
            key: own
            for key in [self._label]
            if key and _is_image(own := self._builder.info.features[key])
        }
        chosen = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(list(ids), [True] * len(ids)), default_value=False
        )

        def with_value(record: dict[str, Any]) -> dict[str, Any]:
            stored = record[self._input]
            value = feature.decode_example(stored) if is_image else stored
            decoded = {key: own.decode_example(record[key]) for key, own in masks.items()}
            return {**record, **decoded, "stored": stored, "value": value}

        keys = [self._input, *([self._label] if self._label else [])]
        dataset = (
            self._dataset(split, keys)
            .filter(lambda record: chosen.lookup(record["tfds_id"]))
            .map(with_value, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            .prefetch(tf.data.AUTOTUNE)
        )
        for record in dataset.as_numpy_iterator():
            value, stored = np.asarray(record["value"]), record["stored"]
            content = stored if isinstance(stored, bytes) else value.tobytes()
            label = self._read_label(record)
            if isinstance(label, np.ndarray):
                content += label.tobytes()
            yield Example(record["tfds_id"].decode(), label, value, sha256(content))

    def _dataset(self, split: str, keys: list[str]) -> Any:
        """Return the split as a ``tf.data.Dataset`` of these features, images still encoded."""
        import tensorflow_datasets as tfds

        tensorflow()
        features = self._builder.info.features
        decoders = tfds.decode.PartialDecoding(
            {key: True for key in keys or [self._input]},
            decoders={key: tfds.decode.SkipDecoding() for key in keys if _is_image(features[key])},
        )
        try:
            return self._builder.as_dataset(
                split=split,
                decoders=decoders,
                shuffle_files=False,
                read_config=tfds.ReadConfig(add_tfds_id=True, try_autocache=False),
            )
        except (ValueError, AssertionError, KeyError) as error:
            known = list(self._builder.info.splits)
            said = str(error).splitlines()[0]
            is_empty = "no data" in said
            raise DataError(
                f"The split '{split}' of '{self.name}' "
                + ("is empty" if is_empty else "does not exist"),
                found="0 examples" if is_empty else said,
                expected=f"a TFDS split expression over {', '.join(known)}, such as train[:10%]",
                remedy=suggest(split, known) or "Correct `calibration_split` or `evaluation_split`",
            ) from error

    @contextmanager
    def _explained(self, split: str) -> Iterator[None]:
        try:
            yield
        except QuantlineError:
            raise
        except Exception as error:  # TFDS and TensorFlow fail in many ways on damaged files
            raise self._unreadable(split, error) from error

    def _unreadable(self, split: str, error: Exception | None) -> DataError:
        return DataError(
            f"The split '{split}' of '{self.name}' cannot be read",
            found=f"in '{self._builder.data_dir}': {broken_shard(self._builder, split, error)}",
            expected="the files as TFDS wrote them, with as many examples as 'dataset_info.json' "
            "says",
            remedy="Restore the file, or prepare the dataset again with 'tfds build'",
        )

    def _read_label(self, record: dict[str, Any]) -> int | np.ndarray | None:
        if self._label is None:
            return None
        label = record[self._label]
        if self._has_classes:
            return int(label)
        array = np.asarray(label)
        if array.dtype.kind not in "biuf":
            raise DataError(
                f"The label '{self._label}' of '{self.name}' is not of numbers",
                found=f"{type(label).__name__} of dtype {array.dtype}",
                expected="a class index, numbers, or a mask",
                remedy="Set `label_key` to such a feature",
            )
        return array


def _open(dataset: recipe.Dataset) -> Any:
    import tensorflow_datasets as tfds

    name = str(dataset.tfds.name)
    asked = f"{name}:{dataset.tfds.version}" if dataset.tfds.version else name
    data_dir = Path(dataset.data_dir)
    try:
        refuse_odd_files(data_dir / name)
        refuse_other_code(data_dir / name)
        # read_only_builder takes what is on disk, with or without generation code.
        builder = tfds.core.load.read_only_builder.builder_from_files(asked, data_dir=data_dir)
        list(builder.info.features), list(builder.info.splits)  # what is read only when asked for
    except Unreadable as error:
        raise _damaged(asked, str(error)) from error
    except QuantlineError:
        raise
    except Exception as error:  # tfds raises many kinds for what is not there, or is damaged
        prepared = _prepared(data_dir)
        there = [
            path
            for path in prepared
            if path.startswith(f"{name}/") and path.endswith(dataset.tfds.version or "")
        ]
        if there:
            found = broken_description(data_dir / there[-1], error)
            raise _damaged(asked, f"in '{data_dir / there[-1]}': {found}") from error
        base = name.split("/", 1)[0]
        known = tfds.list_builders(with_community_datasets=False)
        if base not in known and base not in {path.split("/", 1)[0] for path in prepared}:
            raise DataError(
                f"There is no TFDS dataset '{name}'",
                found=f"'{name}'",
                expected="the name of a TFDS builder, or of a dataset prepared in "
                f"'{data_dir}' ({first_few(prepared) or 'which holds none'})",
                remedy=suggest(base, [*known, *prepared]) or "Correct `tfds_name`",
            ) from error
        raise DataError(
            f"The dataset '{asked}' is not prepared on disk",
            found=f"in '{data_dir}': {first_few(prepared) or 'no prepared dataset'}",
            expected=f"a folder '{data_dir / name}/<version>' written by TFDS",
            remedy="Prepare it there with 'tfds build' (Quantline downloads nothing), or correct "
            "`data_dir` and `tfds_version`",
        ) from error
    return builder


def _damaged(asked: str, found: str) -> DataError:
    return DataError(
        f"The dataset '{asked}' cannot be read",
        found=found,
        expected="the files as TFDS wrote them",
        remedy="Restore the file, or prepare the dataset again with 'tfds build'",
    )


def _prepared(data_dir: Path) -> list[str]:
    infos = [path for name in DESCRIPTION for path in data_dir.glob(f"**/{name}")]
    return sorted({info.parent.relative_to(data_dir).as_posix() for info in infos})


def _is_image(feature: Any) -> bool:
    import tensorflow_datasets as tfds

    return isinstance(feature, tfds.features.Image)
