"""The parameters of the pipeline: typed, and checked once, before any node runs.

Each class is one top-level key of ``conf/base/parameters_*.yml``. Nodes receive plain mappings
from Kedro and turn them into these values with :func:`check`, which is also what the check before
a run calls for all of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from quantline.errors import ParameterError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

IoType = Literal["float32", "int8", "uint8", "int16"]
SchemeName = Literal[
    "float16", "dynamic_range", "int8", "int8_float_fallback", "int8_per_tensor", "int16x8"
]
Positive = Annotated[int, Field(gt=0)]


class Block(BaseModel):
    """What every block of values is: frozen, without unknown keys, nothing converted in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Model(Block):
    """The trained float model.

    Attributes:
        path: A Keras file (``.keras`` or ``.h5``), a SavedModel folder or a float ``.tflite`` file.
        signature: Which signature; if None, the only one, or ``serving_default`` of a SavedModel.
        allow_lambda: Whether Python code that a Keras file holds or names may run.
    """

    path: str
    signature: str | None = None
    allow_lambda: bool = False


class Tfds(Block):
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


class ImageCsv(Block):
    """Image files named by a CSV file, or a folder of unlabelled images.

    Attributes:
        file_column: The column of image files, relative to the CSV file's own folder.
        label_column: The column of class indices; a CSV file without it is unlabelled.
        color: How images are decoded.
    """

    file_column: str = "file"
    label_column: str = "label"
    color: Literal["rgb", "grayscale"] = "rgb"


class Npz(Block):
    """Numpy archives.

    Attributes:
        x: The array of examples, shape (n_examples, ...).
        y: The array of class indices, shape (n_examples,); an archive without it is unlabelled.
    """

    x: str = "x"
    y: str = "y"


class Dataset(Block):
    """Where examples come from and how they become model input.

    Attributes:
        source: Which of the blocks below is used.
        data_dir: The TFDS ``data_dir``; for files, the folder that relative names start from.
        label_offset: Added to every label; 1 for a model whose class 0 is a background class that
            the dataset lacks.
        transform: A list of steps, or an importable function ``module:name``.
    """

    source: Literal["tfds", "image_csv", "npz"]
    data_dir: str = "."
    label_offset: int = 0
    tfds: Tfds = Tfds()
    image_csv: ImageCsv = ImageCsv()
    npz: Npz = Npz()
    transform: list[dict[str, Any]] | str = []

    @model_validator(mode="after")
    def _named(self) -> Dataset:
        if self.source == "tfds" and not self.tfds.name:
            raise ValueError("dataset.source is tfds, so dataset.tfds.name must name a builder")
        return self


class CalibrationSplit(Block):
    """Which examples calibrate the model.

    Attributes:
        split: A TFDS split expression; for files, a file name with an optional ``[from:to]``.
        examples: How many; all of the split if None.
    """

    split: str
    examples: Positive | None = 100


class EvaluationSplit(Block):
    """Which examples the models are evaluated on; the fields are those of calibration."""

    split: str
    examples: Positive | None = None


class Sampling(Block):
    """How examples are drawn.

    Attributes:
        seed: The seed of every draw.
    """

    seed: Annotated[int, Field(ge=0)]
    calibration: CalibrationSplit
    evaluation: EvaluationSplit


class Latency(Block):
    """How latency is measured.

    Attributes:
        runs: Timed runs of each model.
        warmup: Runs before them that are not timed.
        threads: CPU threads.
    """

    runs: Positive = 200
    warmup: Positive = 20
    threads: Positive = 1


class Parity(Block):
    """How the imported float model is compared with the original.

    Attributes:
        examples: How many calibration examples both run.
        tolerance: The largest difference allowed, as a share of the largest output magnitude.
    """

    examples: Positive = 16
    tolerance: Annotated[float, Field(gt=0)] = 1e-3


class Baseline(Block):
    """The float baseline."""

    parity: Parity = Parity()
    latency: Latency = Latency()


class Calibration(Block):
    """The recording of ranges.

    Attributes:
        lint: Whether an error that the lint finds in the calibration set stops the run, or is only
            a warning. What no range can be recorded from, such as NaN, stops it anyway.
        timeout_s: After how many seconds the child process that records is ended.
    """

    lint: Literal["error", "warn"] = "error"
    timeout_s: Positive = 1800


Method = Literal["minmax", "moving_average", "percentile", "mse", "entropy"]
Percentile = Annotated[float, Field(gt=50, le=100)]


class Override(Block):
    """How the range of some tensors is chosen.

    Attributes:
        tensor: A tensor's name, or a regular expression that fits the whole of it.
        method: The method for it; that of all tensors if None.
        percentile: The percentile for it; that of all tensors if None.
        min: The range's lower end, given; with ``max``.
        max: The range's upper end, given.
    """

    tensor: str
    method: Method | None = None
    percentile: Percentile | None = None
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _sound(self) -> Override:
        try:
            re.compile(self.tensor)
        except re.error as error:
            raise ValueError(f"a regular expression ({error})") from error
        given = (self.min, self.max)
        if given != (None, None) and (None in given or not given[0] < given[1]):  # type: ignore[operator]
            raise ValueError("both 'min' and 'max', with min below max")
        if not {"method", "percentile", "min"} & self.model_fields_set:
            raise ValueError("a method, a percentile, or min and max")
        return self


class Ranges(Block):
    """How ranges are chosen from what was recorded.

    Attributes:
        method: The method for every tensor; ``auto`` picks it, and bias correction, on samples.
        percentile: For the method ``percentile``, the share of values below the upper end, in per
            cent; as many lie above the lower end.
        overrides: For single tensors; of several that fit, the last holds.
    """

    method: Method | Literal["auto"] = "minmax"
    percentile: Percentile = 99.99
    overrides: tuple[Override, ...] = ()

    @field_validator("overrides", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value


class Pin(Block):
    """A scale and a zero point that an input or output keeps, as firmware has them compiled in.

    Attributes:
        scale: The real value of one step.
        zero_point: The integer that stands for 0, in the type that the input or output has.
    """

    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    zero_point: int = 0


class Conversion(Block):
    """The conversion of the float model.

    Attributes:
        scheme: What becomes an integer, or a half, and how wide.
        backend: Who quantizes.
        ranges: How the ranges of activations are chosen.
        bias_correction: Whether biases are corrected for what rounding the weights adds, where
            that lowers the output error on calibration samples that are held back.
        pinned: Inputs and outputs, by name, that keep a given scale and zero point.
        keep_float: Operator types such as ``SOFTMAX``, names of tensors that operators write, or
            regular expressions that fit the whole of such names; these operators stay float.
        input_type: The dtype of the converted model's inputs; the scheme's own if None.
        output_type: The dtype of the converted model's outputs; likewise.
        timeout_s: After how many seconds the child process is ended.
    """

    scheme: SchemeName = "int8"
    backend: Literal["tensorflow", "litert"] = "tensorflow"
    ranges: Ranges = Ranges()
    bias_correction: bool = False
    pinned: dict[str, Pin] = {}
    keep_float: list[str] = []
    input_type: IoType | None = None
    output_type: IoType | None = None
    timeout_s: Positive = 1800

    @field_validator("keep_float")
    @classmethod
    def _sound(cls, value: list[str]) -> list[str]:
        for each in value:
            try:
                re.compile(each)
            except re.error as error:
                raise ValueError(f"regular expressions; '{each}' is none ({error})") from error
        return value


class Validation(Block):
    """The check of the converted model.

    Attributes:
        integer_only: Whether a tensor that is not an integer stops the run; if None, where the
            scheme promises integers only.
        target: The target whose contract the model must keep: a built-in one's name, or the path
            of a YAML file; none if None.
    """

    integer_only: bool | None = None
    target: str | None = "cpu"


class EdgeTpu(Block):
    """The evaluation on the Edge TPU.

    Attributes:
        runtime_version: The Edge TPU runtime that the model is meant for.
        multiple_subgraphs: Whether every group of operators that the Edge TPU can run is compiled
            (``--enable_multiple_subgraphs``), or the first one alone.
        compiler: ``auto`` compiles where ``edgetpu_compiler`` is on PATH; the path of one must be
            right, and the model must compile; with None nothing is compiled.
        search_delegate: Whether a model that does not compile is cut shorter until it does
            (``--search_delegate``).
        compiler_timeout_s: After how many seconds the compiler is ended.
        device: ``auto`` runs the compiled model where a device is found; a device's name, such as
            ``usb:0``, must be right; with None nothing is run.
        library: The path of ``libedgetpu``; if None, the system's loader finds it.
    """

    runtime_version: Annotated[int, Field(ge=10, le=14)] = 14
    multiple_subgraphs: bool = False
    compiler: str | None = "auto"
    search_delegate: bool = False
    compiler_timeout_s: Positive = 180
    device: str | None = "auto"
    library: str | None = None


class Evaluation(Block):
    """The evaluation of the converted model."""

    latency: Latency = Latency()
    edgetpu: EdgeTpu = EdgeTpu()


Margin = Annotated[float, Field(gt=0)]


class Limit(Block):
    """What a metric of a report must keep.

    Attributes:
        min: The least that passes.
        max: The most that passes.
    """

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _given(self) -> Limit:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("a 'min' that is not above 'max'")
        return self


class Change(Block):
    """What a change from another model may cost; None: that is not asked.

    Attributes:
        top1_margin_points: How much worse top-1 may be, in percentage points.
        top5_margin_points: How much worse top-5 may be, in percentage points.
        loss_margin: By how much the loss may be higher.
        confidence_margin: By how much the mean confidence may be off, either way.
        fallen_classes: How many classes may be worse, as the test for many classes finds them.
    """

    top1_margin_points: Margin | None = 1.0
    top5_margin_points: Margin | None = None
    loss_margin: Margin | None = 0.05
    confidence_margin: Margin | None = None
    fallen_classes: Annotated[int, Field(ge=0)] | None = 0


class ChampionChange(Change):
    """What a change from the champion may cost; None: that is not asked.

    Attributes:
        size_growth: By which share the file may be larger.
        latency_growth: By which share the latency may be higher, both timed by turns.
    """

    size_growth: Annotated[float, Field(ge=0)] | None = 0.1
    latency_growth: Annotated[float, Field(ge=0)] | None = 0.25


class Gate(Block):
    """The rules that a model must keep to be released.

    Attributes:
        confidence: The confidence of each comparison, one-sided.
        seed: The seed of the bootstrap.
        resamples: How many times the bootstrap draws the examples again.
        absolute: Limits of metrics, by report and name such as ``int8_metrics.top1``; in YAML a
            dot may be a level of its own. A limit whose ``min`` and ``max`` are null is none.
        against_float: What the change from the float model may cost.
        against_champion: What the change from the champion may cost.
    """

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    seed: Annotated[int, Field(ge=0)] = 0
    resamples: Annotated[int, Field(ge=100)] = 2000
    absolute: dict[str, Limit] = {}
    against_float: Change = Change()
    against_champion: ChampionChange = ChampionChange()

    @field_validator("absolute", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        limits = list(_limits(value, ""))
        names = [name for name, _ in limits]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"each limit once, with dots or as levels; not {', '.join(twice)}")
        return dict(limits)


def _limits(values: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield nested limits by their dotted names; levels, unlike dots, are merged and overridden."""
    for key, value in values.items():
        is_nested = isinstance(value, dict) and value and not value.keys() & {"min", "max"}
        if is_nested:
            yield from _limits(value, f"{prefix}{key}.")
        elif value is not None and not isinstance(value, dict):
            raise ValueError(f"'min', 'max' or both of '{prefix}{key}'")
        elif value and any(each is not None for each in value.values()):
            yield f"{prefix}{key}", value


class Release(Block):
    """What becomes of a candidate that passed its gate.

    Attributes:
        model: The registered model's name.
        promotion: ``at_once`` makes it champion; ``after_approval`` registers it as challenger, and
            ``quantline promote`` approves it.
        labels: A text file with the classes' names, one a line, that goes with the model; or None.
        notify: A command that gets the verdict as JSON on its standard input; or None.
        notify_timeout_s: After how many seconds that command is ended.
    """

    model: Annotated[str, Field(pattern=r"^[^/:.%\"'`]+$")]
    promotion: Literal["at_once", "after_approval"] = "at_once"
    labels: str | None = None
    notify: str | None = None
    notify_timeout_s: Positive = 60


class Training(Block):
    """The training of the embedded model.

    Attributes:
        start: With what ``retrain`` begins: ``anew``, or with the weights of the ``champion``.
        seed: The seed of weights, shuffling and augmentation.
        split: The split that is trained on.
        epochs: Passes over the split.
        batch_size: Examples a step.
        learning_rate: Its peak; it falls to zero along a cosine.
    """

    start: Literal["anew", "champion"] = "anew"
    seed: Annotated[int, Field(ge=0)]
    split: str
    epochs: Positive
    batch_size: Positive
    learning_rate: Annotated[float, Field(gt=0)]


BLOCKS: dict[str, type[Block]] = {
    "model": Model,
    "dataset": Dataset,
    "sampling": Sampling,
    "baseline": Baseline,
    "calibration": Calibration,
    "conversion": Conversion,
    "validation": Validation,
    "evaluation": Evaluation,
    "gate": Gate,
    "release": Release,
    "training": Training,
}

B = TypeVar("B", bound=Block)


def check(block: type[B], values: Any, key: str | None = None) -> B:
    """Turn one block's plain values into its type.

    Args:
        block: One of the classes above.
        values: A mapping as YAML gives it.
        key: The block's key, for messages; by default the one it has in ``BLOCKS``.

    Raises:
        ParameterError: A value is unknown, missing or of the wrong type.
    """
    key = key or next(name for name, each in BLOCKS.items() if each is block)
    try:
        return block.model_validate(values)
    except ValidationError as error:
        raise _explain(key, block, error) from error


def check_all(parameters: Mapping[str, Any]) -> None:
    """Check every top-level parameter, and that none is unknown or missing.

    Raises:
        ParameterError: The first mistake, with the number of others.
    """
    for key in parameters:
        if key not in BLOCKS:
            raise ParameterError(
                f"Unknown parameter '{key}'",
                found=f"'{key}'",
                expected=f"one of {', '.join(BLOCKS)}",
                remedy=suggest(str(key), list(BLOCKS)) or "Remove it",
            )
    for key, block in BLOCKS.items():
        check(block, parameters.get(key, {}), key)


def _explain(key: str, block: type[Block], error: ValidationError) -> ParameterError:
    problems = error.errors()
    first = problems[0]
    path = ".".join([key, *(str(part) for part in first["loc"])])
    more = f" ({len(problems) - 1} more mistakes in '{key}')" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        known = _fields_at(block, first["loc"][:-1])
        return ParameterError(
            f"Unknown parameter '{path}'{more}",
            found=f"'{first['loc'][-1]}'",
            expected=f"one of {', '.join(known)}",
            remedy=suggest(str(first["loc"][-1]), known) or "Remove it",
        )
    if first["type"] == "missing":
        return ParameterError(
            f"Parameter '{path}' is missing{more}",
            found="no value",
            expected="a value, as in conf/base",
            remedy=f"Set '{path}' in conf/base, in your environment, or with --params",
        )
    return ParameterError(
        f"Parameter '{path}' has a bad value{more}",
        found=f"{first['input']!r}",
        expected=first["msg"].removeprefix("Value error, ").removeprefix("Input should be "),
        remedy=f"Correct '{path}' and run again",
    )


def _fields_at(block: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    parts = iter(loc)
    for part in parts:
        annotation = block.model_fields[str(part)].annotation
        if get_origin(annotation) is dict:
            next(parts, None)  # a key of the user's own
            annotation = get_args(annotation)[1]
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        block = annotation
    return list(block.model_fields)
