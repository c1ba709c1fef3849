"""What a declared transform promises: the bounds that no value it gives can leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Filters without negative weights: a mean of values lies between them.
_AVERAGES = {"nearest", "box", "bilinear", "hamming"}


class Bounds(NamedTuple):
    """The bounds of values.

    Attributes:
        low: The smallest value possible; a scalar, or array of shape (channels,).
        high: The largest value possible; likewise.
    """

    low: np.ndarray
    high: np.ndarray


class _Known(NamedTuple):
    bounds: Bounds
    is_bytes: bool


def promised_bounds(
    spec: Sequence[Mapping[str, Any]] | str, dtype: np.dtype[Any] | str = "uint8"
) -> Bounds | None:
    """Follow [0, 255] through the steps of a transform.

    Args:
        spec: ``dataset.transform``, known to be buildable.
        dtype: The dtype of the stored examples.

    Returns:
        None where nothing is promised: the examples are not uint8, the transform is a function,
        or a step may leave its input's bounds, as a bicubic filter on float values does.
    """
    if isinstance(spec, str) or np.dtype(dtype) != np.uint8:
        return None
    known: _Known | None = _Known(Bounds(np.float64(0), np.float64(255)), is_bytes=True)  # type: ignore[arg-type]
    for step in spec:
        ((name, arguments),) = step.items()
        if known is None or name not in _STEPS:
            return None
        keywords = {} if arguments is None else arguments
        known = (
            _STEPS[name](known, **keywords)
            if isinstance(keywords, dict)
            else _STEPS[name](known, keywords)
        )
    return None if known is None else known.bounds


def _resize(known: _Known, *_: int, method: str = "bilinear", **__: Any) -> _Known | None:
    # Pillow clips bytes to [0, 255] whatever the filter.
    return known if known.is_bytes or method.lower() in _AVERAGES else None


def _keep(known: _Known, *_: Any, **__: Any) -> _Known:
    return known


def _rescale(known: _Known, scale: float = 1.0, offset: float = 0.0) -> _Known:
    ends = [np.asarray(end * scale + offset) for end in known.bounds]
    return _Known(Bounds(np.minimum(*ends), np.maximum(*ends)), is_bytes=False)


def _normalize(
    known: _Known, mean: float | Sequence[float], std: float | Sequence[float]
) -> _Known | None:
    low, high = ((end - np.asarray(mean)) / np.asarray(std) for end in known.bounds)
    return _Known(Bounds(low, high), is_bytes=False) if np.ndim(low) < 2 else None


def _channel_order(known: _Known, order: str) -> _Known:
    low, high = known.bounds
    if order != "bgr" or not np.ndim(low):
        return known
    return known._replace(bounds=Bounds(low[::-1], high[::-1]))


def _expand_dims(known: _Known, axis: int) -> _Known:
    del axis  # wherever it goes, the last axis may no longer be that of the channels
    return known._replace(bounds=Bounds(np.min(known.bounds.low), np.max(known.bounds.high)))


def _cast(known: _Known, dtype: str) -> _Known | None:
    target = np.dtype(dtype)
    if target.kind == "f":
        return known._replace(is_bytes=False)
    if target.kind not in "iu":
        return None
    limits = np.iinfo(target)
    low, high = (np.trunc(end) for end in known.bounds)
    if np.min(low) < limits.min or np.max(high) > limits.max:
        return None  # values wrap around
    return _Known(Bounds(low, high), is_bytes=target == np.uint8)


_STEPS: dict[str, Callable[..., _Known | None]] = {
    "resize": _resize,
    "resize_short_side": _resize,
    "central_crop": _keep,
    "rescale": _rescale,
    "normalize": _normalize,
    "channel_order": _channel_order,
    "expand_dims": _expand_dims,
    "cast": _cast,
}
