"""The one transform that turns a stored example into model input.

It is declared as a list of steps, or is an importable function; its hash goes into the manifest, so
that baseline, calibration and evaluation are known to have used the same one.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quantline.errors import TransformFailed, suggest
from quantline.files import canonical_json, sha256

Step = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Transform:
    """A function from a stored example to one model input without the batch dimension.

    Attributes:
        spec: The declaration it was built from.
        sha256: The hash of the declaration, and of the module's source where it is a function.
    """

    spec: Sequence[Mapping[str, Any]] | str
    sha256: str
    _steps: tuple[tuple[str, Step], ...]

    def __call__(self, example: np.ndarray) -> np.ndarray:
        """Apply every step.

        Args:
            example: array as the source gives it, for images (height, width, channels) uint8.

        Returns:
            The model input; float32 unless a ``cast`` step or a function says otherwise.

        Raises:
            TransformFailed: A step cannot be applied to this example.
        """
        value = np.asarray(example)
        for name, step in self._steps:
            try:
                value = step(value)
            except Exception as error:  # a user's function may raise anything
                raise TransformFailed(
                    f"The transform step '{name}' failed",
                    found=f"an example of shape {value.shape} and dtype {value.dtype}; "
                    f"{type(error).__name__}: {error}",
                    expected="an example that the step can be applied to",
                    remedy="Correct 'dataset.transform'",
                ) from error
        return np.ascontiguousarray(value)


def build_transform(spec: Sequence[Mapping[str, Any]] | str) -> Transform:
    """Build the transform that ``dataset.transform`` declares.

    Args:
        spec: A list of one-key mappings, the steps in their order, or ``module:name``.

    Raises:
        TransformFailed: A step or the function does not exist, or has wrong arguments.
    """
    if isinstance(spec, str):
        return _from_function(spec)
    steps: list[tuple[str, Step]] = [_build_step(each) for each in spec]
    if not any(name == "cast" for name, _ in steps):
        steps.append(("cast", _cast("float32")))
    return Transform(spec, sha256(canonical_json(list(spec))), tuple(steps))


def _from_function(spec: str) -> Transform:
    module_name, _, name = spec.partition(":")
    # The project folder is not on the path of the 'kedro' command.
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        function = getattr(importlib.import_module(module_name), name)
        source = inspect.getsource(sys.modules[module_name])
    except Exception as error:  # a user's module may raise anything
        raise TransformFailed(
            f"The transform function '{spec}' cannot be imported",
            found=f"{type(error).__name__}: {error}",
            expected="'module:name', importable from the project folder",
            remedy="Correct 'dataset.transform', or declare a list of steps",
        ) from error
    return Transform(spec, sha256(f"{spec}\n{source}".encode()), ((spec, function),))


def _build_step(each: Mapping[str, Any]) -> tuple[str, Step]:
    if len(each) != 1:
        raise TransformFailed(
            "A step of 'dataset.transform' does not name exactly one operation",
            found=f"{dict(each)!r}",
            expected=f"one of {', '.join(_STEPS)} with its arguments",
            remedy="Write one '- name: arguments' a line",
        )
    ((name, arguments),) = each.items()
    if name not in _STEPS:
        raise TransformFailed(
            f"Unknown step '{name}' in 'dataset.transform'",
            found=f"'{name}'",
            expected=f"one of {', '.join(_STEPS)}",
            remedy=suggest(name, list(_STEPS)) or "Correct it, or give a function 'module:name'",
        )
    try:
        # '- rescale:' without arguments is null in YAML, which numpy would take for NaN.
        keywords = {} if arguments is None else arguments
        is_named = isinstance(keywords, Mapping)
        return name, _STEPS[name](**keywords) if is_named else _STEPS[name](arguments)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise TransformFailed(
            f"The step '{name}' of 'dataset.transform' has bad arguments",
            found=f"{arguments!r} ({error})",
            expected=f"{name}{inspect.signature(_STEPS[name])}".split(" ->")[0].replace("'", ""),
            remedy="Correct its arguments",
        ) from error


def _resize(height: int, width: int, method: str = "bilinear") -> Step:
    resample = _filter(method)
    _positive(height, width)
    return lambda image: _resized(image, height, width, resample)


def _resize_short_side(size: int, method: str = "bilinear", enlarge: bool = True) -> Step:
    resample = _filter(method)
    _positive(size)

    def step(image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        short = min(height, width)
        if short < size and not enlarge:
            return image
        return _resized(image, round(height * size / short), round(width * size / short), resample)

    return step


def _central_crop(height: int, width: int) -> Step:
    _positive(height, width)

    def step(image: np.ndarray) -> np.ndarray:
        top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
        if top < 0 or left < 0:
            raise ValueError(f"an image of {image.shape[:2]} is smaller than the crop")
        return image[top : top + height, left : left + width]

    return step


def _rescale(scale: float = 1.0, offset: float = 0.0) -> Step:
    factor, shift = np.float32(scale), np.float32(offset)
    return lambda image: image.astype(np.float32) * factor + shift


def _normalize(mean: float | Sequence[float], std: float | Sequence[float]) -> Step:
    centre, spread = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    if not (spread > 0).all():
        raise ValueError("std must be above 0")
    return lambda image: (image.astype(np.float32) - centre) / spread


def _channel_order(order: str) -> Step:
    if order not in {"rgb", "bgr"}:
        raise ValueError("channel_order is rgb or bgr")
    return (lambda image: image[..., ::-1]) if order == "bgr" else (lambda image: image)


def _expand_dims(axis: int) -> Step:
    return lambda value: np.expand_dims(value, int(axis))


def _cast(dtype: str) -> Step:
    target = np.dtype(dtype)
    return lambda value: value.astype(target)


_STEPS: dict[str, Callable[..., Step]] = {
    "resize": _resize,
    "resize_short_side": _resize_short_side,
    "central_crop": _central_crop,
    "rescale": _rescale,
    "normalize": _normalize,
    "channel_order": _channel_order,
    "expand_dims": _expand_dims,
    "cast": _cast,
}


def _filter(method: str) -> Any:
    from PIL import Image

    return Image.Resampling[method.upper()]


def _positive(*sizes: int) -> None:
    if any(not isinstance(size, int) or size < 1 for size in sizes):
        raise ValueError(f"sizes must be whole numbers above 0, not {sizes}")


def _resized(image: np.ndarray, height: int, width: int, resample: Any) -> np.ndarray:
    """Resize with Pillow: its filters widen when they shrink an image, so nothing aliases."""
    from PIL import Image

    if image.ndim != 3:
        raise ValueError("an image has three dimensions: height, width, channels")
    if image.shape[:2] == (height, width):
        return image
    channels = [
        np.asarray(Image.fromarray(image[..., index]).resize((width, height), resample))
        for index in range(image.shape[-1])
    ]
    return np.stack(channels, axis=-1)
