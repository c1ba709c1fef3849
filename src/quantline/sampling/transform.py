"""The one transform that turns a stored example into model input.

It is declared as a list of steps, or is an importable function; its hash goes into the manifest, so
that baseline, calibration and evaluation are known to have used the same one.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from quantline import recipe
from quantline.errors import DataError, first_line, suggest
from quantline.files import canonical_json, sha256
from quantline.recipe.transform import STEPS
from quantline.sampling.sound_steps import log_mel, mfcc
from quantline.user_code import load_function, place_of

Step = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Transform:
    """A function from a stored example to one model input without the batch dimension.

    Attributes:
        spec: The declaration it was built from.
        sha256: The hash of the declaration, and of the module's source where it is a function.
    """

    spec: Sequence[Mapping[str, Any]] | Mapping[str, Any] | str
    sha256: str
    _steps: tuple[tuple[str, Step], ...]
    _inputs: Mapping[str, Transform] | None = None
    _geometry: tuple[Step, ...] = ()

    def __call__(self, example: Any) -> Any:
        """Apply every step.

        Args:
            example: array as the source gives it, for images (height, width, channels) uint8; or a
                mapping of such arrays by input, of which a function gets and gives the whole.

        Returns:
            The model input, or one for each input; float32 unless a ``cast`` step or a function
            says otherwise, and what has no steps of its own as it is.

        Raises:
            DataError: A step cannot be applied to this example.
        """
        if isinstance(example, Mapping):
            return self._by_input(example)
        if self._inputs is not None:
            raise _not_by_input("one array an example, and steps for several inputs")
        value = np.asarray(example)
        for name, step in self._steps:
            try:
                value = _numbers(step(value))
            # A user's function may raise anything, and may try to end the process.
            except (Exception, SystemExit) as error:
                raise DataError(
                    f"The transform step '{name}' failed",
                    found=f"an example of shape {value.shape} and dtype {value.dtype}; "
                    f"{first_line(error)}{place_of(error)}",
                    expected="an example that the step can be applied to",
                    remedy="Correct `transform`",
                ) from error
        return np.ascontiguousarray(value)

    def on_label(self, label: np.ndarray, example: Any) -> np.ndarray:
        """Return a label as it belongs to the model input: a mask follows the image.

        What has the height and the width of the image, as stored, is a map over it. It is resized
        to the nearest pixel and cropped by the steps that do so to the image.
        """
        sizes = np.shape(example)[:2] if not isinstance(example, Mapping) else ()
        if not self._geometry or len(sizes) < 2 or label.shape[:2] != sizes:
            return label
        mask = label if label.ndim == 3 else label[..., np.newaxis]
        for step in self._geometry:
            mask = step(mask)
        return mask if label.ndim == 3 else mask[..., 0]

    def _by_input(self, example: Mapping[str, Any]) -> dict[str, np.ndarray]:
        if isinstance(self.spec, str):
            ((_, function),) = self._steps
            return {name: _numbers(value) for name, value in function(example).items()}  # type: ignore[arg-type, attr-defined]
        if self._inputs is None and self.spec:
            raise _not_by_input("several inputs an example, and steps for one")
        own = self._inputs or {}
        unknown = own.keys() - example.keys()
        if unknown:
            raise _not_by_input(f"steps for '{min(unknown)}', and inputs {', '.join(example)}")
        return {
            name: own[name](value) if name in own else np.ascontiguousarray(value)
            for name, value in example.items()
        }


def build_transform(
    spec: Sequence[Mapping[str, Any]] | Mapping[str, Any] | str,
) -> Transform:
    """Build the transform that a declaration stands for.

    Args:
        spec: A list of one-key mappings, the steps in their order, or ``module:name``; for several
            inputs one of these for each, by name.

    Raises:
        DataError: A step or the function does not exist, or has wrong arguments.
    """
    if isinstance(spec, str):
        return _from_function(spec)
    if isinstance(spec, Mapping):
        own = {name: build_transform(part) for name, part in spec.items()}
        digests = {name: part.sha256 for name, part in own.items()}
        return Transform(spec, sha256(canonical_json(digests)), (), own)
    steps: list[tuple[str, Step]] = [_build_step(step) for step in spec]
    if not any(name == "cast" for name, _ in steps):
        steps.append(_build_step({"cast": "float32"}))
    geometry = tuple(_on_masks(step) for step in spec if step.keys() & _GEOMETRY)
    return Transform(spec, sha256(canonical_json(list(spec))), tuple(steps), None, geometry)


def _on_masks(step: Mapping[str, Any]) -> Step:
    """Return a step as it is done to a mask: classes are not mixed."""
    ((name, arguments),) = step.items()
    if name != "central_crop":
        _, block = recipe.Step.model_validate(dict(step)).operation
        arguments = {**block.model_dump(), "method": "nearest"}
    return _build_step({name: arguments})[1]


def _not_by_input(found: str) -> DataError:
    return DataError(
        "`transform` is not for the inputs of the dataset",
        found=found,
        expected="`transform` for one input; for several `transforms`, with steps by input",
        remedy="Correct `transform` or `transforms`",
    )


def _from_function(spec: str) -> Transform:
    function = load_function(spec, "transform")
    source = inspect.getsource(sys.modules[spec.partition(":")[0]])
    return Transform(spec, sha256(f"{spec}\n{source}".encode()), ((spec, function),))


def _numbers(result: Any) -> np.ndarray:
    """Return the result of a step as an array of numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # older releases of numpy warn of ragged lists
        value = np.asarray(result)
    if value.dtype.kind not in "biuf":
        kind = f"dtype {value.dtype}" if isinstance(result, np.ndarray) else type(result).__name__
        raise TypeError(f"it gave a result of {kind} instead of numbers")
    return value


def _build_step(step: Mapping[str, Any]) -> tuple[str, Step]:
    if len(step) != 1:
        raise DataError(
            "A step of `transform` does not name exactly one operation",
            found=f"{dict(step)!r}",
            expected=f"one of {', '.join(STEPS)} with its arguments",
            remedy="Write one '- name: arguments' a line",
        )
    ((name, arguments),) = step.items()
    if name not in STEPS:
        raise DataError(
            f"Unknown step '{name}' in `transform`",
            found=f"'{name}'",
            expected=f"one of {', '.join(STEPS)}",
            remedy=suggest(str(name), list(STEPS))
            or "Correct it, or give a function 'module:name'",
        )
    try:
        _, block = recipe.Step.model_validate(dict(step)).operation
        return name, _BUILD[name](block)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"The step '{name}' of `transform` has bad arguments",
            found=f"{arguments!r} ({'.'.join(map(str, first['loc'][1:]))}: {first['msg']})",
            expected=_signature(name),
            remedy="Correct its arguments",
        ) from error


def _signature(name: str) -> str:
    arguments = [
        key if field.is_required() else f"{key}={field.default}"
        for key, field in STEPS[name].model_fields.items()
    ]
    return f"{name}({', '.join(arguments)})"


def _resize(step: Any) -> Step:
    resample = _filter(step.method)
    return lambda image: _resized(image, step.height, step.width, resample)


def _resize_short_side(asked: Any) -> Step:
    resample, size = _filter(asked.method), asked.size

    def step(image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        short = min(height, width)
        if short < size and not asked.enlarge:
            return image
        return _resized(image, round(height * size / short), round(width * size / short), resample)

    return step


def _central_crop(asked: Any) -> Step:
    height, width = asked.height, asked.width

    def step(image: np.ndarray) -> np.ndarray:
        top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
        if top < 0 or left < 0:
            raise ValueError(f"an image of {image.shape[:2]} is smaller than the crop")
        return image[top : top + height, left : left + width]

    return step


def _rescale(step: Any) -> Step:
    factor, shift = np.float32(step.scale), np.float32(step.offset)
    return lambda image: image.astype(np.float32) * factor + shift


def _normalize(step: Any) -> Step:
    centre, spread = np.asarray(step.mean, np.float32), np.asarray(step.std, np.float32)
    return lambda image: (image.astype(np.float32) - centre) / spread


def _channel_order(step: Any) -> Step:
    return (lambda image: image[..., ::-1]) if step.order == "bgr" else (lambda image: image)


def _expand_dims(step: Any) -> Step:
    return lambda value: np.expand_dims(value, step.axis)


def _cast(step: Any) -> Step:
    target = np.dtype(step.dtype)
    if target.kind not in "iu":
        return lambda value: value.astype(target)
    limits = np.iinfo(target)

    def cast(value: np.ndarray) -> np.ndarray:
        if value.size and not (limits.min <= value.min() and value.max() <= limits.max):
            raise ValueError(f"values from {value.min()} to {value.max()} do not fit {target}")
        return value.astype(target)

    return cast


_GEOMETRY = {"resize", "resize_short_side", "central_crop"}
_BUILD: dict[str, Callable[[Any], Step]] = {
    "resize": _resize,
    "resize_short_side": _resize_short_side,
    "central_crop": _central_crop,
    "rescale": _rescale,
    "normalize": _normalize,
    "channel_order": _channel_order,
    "log_mel": log_mel,
    "mfcc": mfcc,
    "expand_dims": _expand_dims,
    "cast": _cast,
}


def _filter(method: str) -> Any:
    from PIL import Image

    return Image.Resampling[method.upper()]


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
