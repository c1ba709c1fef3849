"""The steps of ``dataset.transform`` and their arguments."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, model_validator

from quantline.errors import suggest
from quantline.recipe.parameters import Parameters

_FLOAT32_MAX, _FLOAT32_LEAST = 3.4028234e38, 1.1754944e-38
Filter = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
Pixels = Annotated[int, Field(gt=0, le=16_384)]
Number = Annotated[float, Field(ge=-_FLOAT32_MAX, le=_FLOAT32_MAX)]


def _listed(value: Any) -> Any:
    """Take one number for all channels, and any sequence of numbers."""
    if isinstance(value, tuple) or hasattr(value, "tolist"):
        value = list(value) if isinstance(value, tuple) else value.tolist()
    return value if isinstance(value, list) else [value]


def _above_zero(value: float) -> float:
    if value < _FLOAT32_LEAST:
        raise ValueError("a number above 0, as float32 holds it")
    return value


def _numeric(name: str) -> str:
    import numpy as np

    try:
        known = np.dtype(name).kind in "biuf"
    except (TypeError, ValueError, SyntaxError):
        known = False
    if not known:
        raise ValueError("a numpy dtype of numbers, such as float32 or uint8")
    return name


class Resize(Parameters):
    """Resize to a size, whatever the proportions."""

    height: Pixels
    width: Pixels
    method: Filter = "bilinear"


class ResizeShortSide(Parameters):
    """Resize in proportion, by the shorter side; ``enlarge: false`` leaves smaller images."""

    size: Pixels
    method: Filter = "bilinear"
    enlarge: bool = True


class CentralCrop(Parameters):
    """Cut out the middle."""

    height: Pixels
    width: Pixels


class Rescale(Parameters):
    """Compute ``x * scale + offset``."""

    scale: Number = 1.0
    offset: Number = 0.0


class Normalize(Parameters):
    """Compute ``(x - mean) / std``, with one number for all channels or one for each."""

    mean: Annotated[list[Number], BeforeValidator(_listed), Field(min_length=1)]
    std: Annotated[
        list[Annotated[Number, AfterValidator(_above_zero)]],
        BeforeValidator(_listed),
        Field(min_length=1),
    ]


class ChannelOrder(Parameters):
    """Reverse the channels, where the order is ``bgr``."""

    order: Literal["rgb", "bgr"]


class ExpandDims(Parameters):
    """Add a dimension of 1."""

    axis: Annotated[int, Field(ge=-32, le=32)]


class Cast(Parameters):
    """Convert the values to a dtype."""

    dtype: Annotated[str, AfterValidator(_numeric)]


class LogMel(Parameters):
    """Compute the logarithm of the energy in bands of the mel scale, frame by frame."""

    sample_rate: Annotated[int, Field(gt=0, le=1_000_000)] = 16_000
    window_ms: Annotated[float, Field(gt=0, le=10_000)] = 30.0
    hop_ms: Annotated[float, Field(gt=0, le=10_000)] = 20.0
    bins: Annotated[int, Field(gt=0, le=1024)] = 40
    low_hz: Annotated[float, Field(ge=0)] = 20.0
    high_hz: Annotated[float, Field(gt=0)] = 4000.0
    offset: Annotated[float, Field(gt=0)] = 1e-6


class Mfcc(LogMel):
    """Compute the first mel-frequency cepstral coefficients of each frame."""

    coefficients: Annotated[int, Field(gt=0, le=1024)] = 10


STEPS: dict[str, type[Parameters]] = {
    "resize": Resize,
    "resize_short_side": ResizeShortSide,
    "central_crop": CentralCrop,
    "rescale": Rescale,
    "normalize": Normalize,
    "channel_order": ChannelOrder,
    "log_mel": LogMel,
    "mfcc": Mfcc,
    "expand_dims": ExpandDims,
    "cast": Cast,
}


class Step(Parameters):
    """One step: exactly one of these operations, with its arguments.

    A bare value is the first argument; no value stands for no arguments.
    """

    resize: Resize | None = None
    resize_short_side: ResizeShortSide | None = None
    central_crop: CentralCrop | None = None
    rescale: Rescale | None = None
    normalize: Normalize | None = None
    channel_order: ChannelOrder | None = None
    log_mel: LogMel | None = None
    mfcc: Mfcc | None = None
    expand_dims: ExpandDims | None = None
    cast: Cast | None = None

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if not isinstance(value, dict) or len(value) != 1:
            raise ValueError(f"one operation, 'name: arguments', of {', '.join(STEPS)}")
        ((name, arguments),) = value.items()
        if name not in STEPS:
            near = suggest(str(name), list(STEPS))
            raise ValueError(f"one of {', '.join(STEPS)}. {near}".rstrip())
        if arguments is None:
            arguments = {}
        if not isinstance(arguments, dict):
            arguments = {next(iter(STEPS[name].model_fields)): arguments}
        return {name: arguments}

    @property
    def operation(self) -> tuple[str, Parameters]:
        """The operation's name and its arguments."""
        (name,) = self.model_fields_set
        return name, getattr(self, name)


_LIST = TypeAdapter(list[Step])


def check_transform(value: Any) -> Any:
    """Return a declared transform as it was given, once its steps are known to be sound.

    Raises:
        ValueError: It is neither a list of steps nor the name of a function, or a step is wrong.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise ValueError("a list of steps '- name: arguments', or a function 'module:name'")
    _LIST.validate_python(value)
    return value
