"""The bounds of the values that a declared transform can produce."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Models are trained on values of a few units: [0, 1], [-1, 1], or some deviations from the mean.
_USUAL, _UNUSUAL = 10.0, 100.0
# Filters without negative weights: a mean of values lies between them.
_AVERAGES = {"nearest", "box", "bilinear", "hamming"}


class Bounds(NamedTuple):
    """The bounds of values.

    Attributes:
        low: The smallest value possible; a scalar, or array of shape (channels,).
        high: The largest value possible; likewise.
        most: The largest stored value that they are followed from; the smallest is 0.
    """

    low: np.ndarray
    high: np.ndarray
    most: int = 255


class _Known(NamedTuple):
    bounds: Bounds
    is_bytes: bool


def output_bounds(
    spec: Sequence[Mapping[str, Any]] | Mapping[str, Any] | str,
    dtype: np.dtype[Any] | str = "uint8",
) -> Bounds | None:
    """Return the bounds of stored images, [0, 255] or [0, 65535], after a transform.

    Of images of 16 bits the bounds are those of 8 where the transform is plainly written for 8:
    where it makes numbers of the usual size of [0, 255], and much larger ones of [0, 65535].

    Args:
        spec: ``dataset.transform``, known to be buildable.
        dtype: The dtype of the stored examples.

    Returns:
        None where nothing is promised: the examples are not uint8 or uint16, the transform is a
        function, or a step may leave its input's bounds, as a bicubic filter on float values does.
    """
    if isinstance(spec, str | Mapping) or np.dtype(dtype) not in (np.uint8, np.uint16):
        return None
    of_bytes = _follow(spec, 255)
    if np.dtype(dtype) == np.uint8:
        return of_bytes
    of_words = _follow(spec, 65535)
    if of_bytes is not None and _largest(of_bytes) <= _USUAL < _UNUSUAL < _largest(of_words):
        return of_bytes
    return of_words


def _largest(bounds: Bounds | None) -> float:
    """Return the largest size of a value within bounds; infinite where there are none."""
    return np.inf if bounds is None else float(np.max(np.abs([bounds.low, bounds.high])))


def _follow(spec: Sequence[Mapping[str, Any]], most: int) -> Bounds | None:
    start = Bounds(np.asarray(0.0), np.asarray(float(most)), most)
    known: _Known | None = _Known(start, is_bytes=most == 255)
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
    low, high, most = known.bounds
    ends = [np.asarray(end * scale + offset) for end in (low, high)]
    return _Known(Bounds(np.minimum(*ends), np.maximum(*ends), most), is_bytes=False)


def _normalize(
    known: _Known, mean: float | Sequence[float], std: float | Sequence[float]
) -> _Known | None:
    low, high = ((end - np.asarray(mean)) / np.asarray(std) for end in known.bounds[:2])
    bounds = Bounds(low, high, known.bounds.most)
    return _Known(bounds, is_bytes=False) if np.ndim(low) < 2 else None


def _channel_order(known: _Known, order: str) -> _Known:
    low, high, most = known.bounds
    if order != "bgr" or not np.ndim(low):
        return known
    return known._replace(bounds=Bounds(low[::-1], high[::-1], most))


def _expand_dims(known: _Known, axis: int) -> _Known:
    del axis  # wherever it goes, the last axis may no longer be that of the channels
    low, high, most = known.bounds
    return known._replace(bounds=Bounds(np.min(low), np.max(high), most))


def _cast(known: _Known, dtype: str) -> _Known | None:
    target = np.dtype(dtype)
    if target.kind == "f":
        return known._replace(is_bytes=False)
    if target.kind not in "iu":
        return None
    limits = np.iinfo(target)
    low, high = (np.trunc(end) for end in known.bounds[:2])
    if np.min(low) < limits.min or np.max(high) > limits.max:
        return None  # the step refuses such values
    return _Known(Bounds(low, high, known.bounds.most), is_bytes=target == np.uint8)


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
