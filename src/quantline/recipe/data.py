"""The parameters of the model, the dataset and the sampling."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, model_validator

from quantline.recipe.parameters import Inner, Parameters, Positive, Seed
from quantline.recipe.transform import Step, check_transform


class Model(Parameters):
    """The trained float model.

    Attributes:
        path: A Keras file (``.keras`` or ``.h5``), a SavedModel folder or a float ``.tflite`` file.
        signature: Which signature; if None, the only one, or ``serving_default`` of a SavedModel.
        allow_lambda: Whether a Keras file may hold or name code, such as that of Lambda layers.
        allow_unsafe: Whether a SavedModel may hold operators that do more than compute: that use
            files, the network or Python.
        custom_objects: The module with the user's own layers and functions that a Keras file
            names: the path of a ``.py`` file, or a module's name. It is imported, and so runs.
    """

    path: str
    signature: str | None = None
    allow_lambda: bool = False
    allow_unsafe: bool = False
    custom_objects: str | None = None

    @property
    def name(self) -> str:
        """The name that its file gives the model, in letters that a registry takes."""
        return re.sub(r"[^\w-]+", "_", Path(self.path).stem)


class Tfds(Parameters):
    """A TensorFlow Datasets builder that is prepared on disk.

    Attributes:
        name: The builder's name, with its config if it has any, such as ``glue/cola``.
        version: The dataset's version; the newest on disk if None.
        input_key: The feature that is the model's input; the supervised input if None.
        label_key: The feature that is the label; the supervised label if None.
    """

    name: str | None = None
    version: str | None = None
    input_key: str | None = None
    label_key: str | None = None


class ImageCsv(Parameters):
    """Image files named by a CSV file, or a folder of unlabelled images.

    Attributes:
        file_column: The column of image files, relative to the CSV file's own folder.
        label_column: The column of class indices; a CSV file without it is unlabelled.
        color: How images are decoded.
    """

    file_column: str = "file"
    label_column: str = "label"
    color: Literal["rgb", "grayscale"] = "rgb"


class AudioCsv(Parameters):
    """WAV files named by a CSV file, or a folder of unlabelled ones.

    Attributes:
        file_column: The column of files, relative to the CSV file's own folder.
        label_column: The column of class indices; a CSV file without it is unlabelled.
        sample_rate: Samples a second, to which files of other rates are resampled.
        seconds: The length that every example gets: longer ones are cut, shorter ones filled.
    """

    file_column: str = "file"
    label_column: str = "label"
    sample_rate: Annotated[int, Field(gt=0, le=1_000_000)] = 16_000
    seconds: Annotated[float, Field(gt=0, le=3600)] = 1.0


class Npz(Parameters):
    """Numpy archives.

    Attributes:
        x: The array of examples, shape (n_examples, ...); for a model of several inputs a list of
            such arrays, named as the inputs are.
        y: The array of labels, one an example: class indices of shape (n_examples,), or what else
            the task takes; an archive without it is unlabelled.
    """

    x: str | Annotated[list[str], Field(min_length=1)] = "x"
    y: str = "y"


class Table(Parameters):
    """CSV and Parquet files.

    Attributes:
        x: The columns of numbers that are the model's input, a vector in this order; for a model of
            several inputs such a list for each, by name.
        y: The column of labels, or a list of them for labels of several numbers; null without.
    """

    x: list[str] | dict[str, list[str]] | None = None
    y: str | list[str] | None = None


class Dataset(Parameters):
    """The dataset, and the transform that makes its examples model input.

    Attributes:
        source: Which of the blocks below is used.
        data_dir: The TFDS ``data_dir``; for files, the folder that relative names start from.
        function: For the source ``function``: ``module:name``, which takes a split and yields
            tuples of id, inputs and label.
        label_offset: Added to every label; 1 for a model whose class 0 is a background class that
            the dataset lacks.
        transform: A list of steps, or an importable function ``module:name``.
        transforms: For a model of several inputs, instead: one of these for each, by name.
    """

    source: Literal["tfds", "image_csv", "audio_csv", "npz", "table", "function"]
    data_dir: str = "."
    label_offset: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    tfds: Tfds = Tfds()
    image_csv: ImageCsv = ImageCsv()
    audio_csv: AudioCsv = AudioCsv()
    npz: Npz = Npz()
    table: Table = Table()
    function: Annotated[str, Field(pattern=r"^[\w.]+:\w+$")] | None = None
    # Kept as it was given: it is hashed into the manifest.
    transform: Annotated[
        list[dict[str, Any]] | str, PlainValidator(check_transform), Inner(Step)
    ] = []
    transforms: dict[
        str, Annotated[list[dict[str, Any]] | str, PlainValidator(check_transform), Inner(Step)]
    ] = {}

    @property
    def steps(self) -> list[dict[str, Any]] | dict[str, Any] | str:
        """The transform of the only input, or those of several by name."""
        return self.transforms or self.transform

    @model_validator(mode="after")
    def _named(self) -> Dataset:
        if self.source == "tfds" and not self.tfds.name:
            raise ValueError("dataset.source is tfds, so dataset.tfds.name must name a builder")
        if self.source == "function" and not self.function:
            raise ValueError("dataset.source is function, so dataset.function must name one")
        return self


class CalibrationSplit(Parameters):
    """The split and the number of the calibration examples.

    Attributes:
        split: A TFDS split expression; for files, a file name with an optional ``[from:to]``.
        examples: How many; all of the split if None.
    """

    split: str
    examples: Positive | None = 100


class EvaluationSplit(Parameters):
    """The split and the number of the evaluation examples."""

    split: str
    examples: Positive | None = None


class Sampling(Parameters):
    """The draw of calibration and evaluation examples.

    Attributes:
        seed: The seed of every draw.
    """

    seed: Seed
    calibration: CalibrationSplit
    evaluation: EvaluationSplit
