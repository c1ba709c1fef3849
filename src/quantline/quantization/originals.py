"""Running and converting the original model, in a child process."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.child import stage
from quantline.errors import ConversionFailed, ModelUnsupported, excerpt, first_few
from quantline.quantization.interface import check_samples
from quantline.quantization.load_original import fix_batch, load_original
from quantline.quantization.tensorflow_backend import freeze
from quantline.quiet import tensorflow
from quantline.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from quantline import recipe


@dataclass(frozen=True)
class Converted:
    """What became of an original model.

    Attributes:
        content: The float ``.tflite`` file's bytes.
        outputs: The original's outputs on each sample, by name, each of shape (1, ...).
        loader: The distribution that loaded the original.
    """

    content: bytes
    outputs: list[dict[str, np.ndarray]]
    loader: str


@dataclass(frozen=True)
class Frozen:
    """A loaded model with a batch of 1, saved again with its variables as constants.

    Attributes:
        folder: A SavedModel folder, which is there for as long as the context lasts.
        key: Its only signature's key.
        call: The same, callable, before it was frozen.
        specs: Each input's ``tf.TensorSpec``, by name.
        loader: The distribution that loaded it.
    """

    folder: str
    key: str
    call: Callable[..., dict[str, Any]]
    specs: dict[str, Any]
    loader: str


def run_and_convert(
    kind: str,
    path: str,
    signature: str | None,
    samples: np.ndarray | Mapping[str, np.ndarray],
    allow_lambda: bool = False,
    allow_unsafe: bool = False,
    limits: recipe.Limits | None = None,
) -> Converted:
    """Convert a Keras model or a SavedModel to a float ``.tflite`` with a batch of 1.

    Args:
        kind: ``keras`` or ``saved_model``.
        path: The file or folder.
        signature: Which signature of a SavedModel.
        samples: array of shape (n_examples, ...), model input; or one for each input, by name.
        allow_lambda: Whether a Keras file may hold or name code.
        allow_unsafe: Whether a SavedModel may do more than compute.
        limits: How large a Keras file's description of its layers may be.

    Raises:
        QuantlineError: As :func:`quantline.quantization.import_float` lists them.
    """
    with frozen(
        kind, path, signature, allow_lambda=allow_lambda, allow_unsafe=allow_unsafe, limits=limits
    ) as model:
        taken = {name: tuple(spec.shape[1:]) for name, spec in model.specs.items()}
        given = check_samples(samples, taken, path)
        stage("running the original model")
        outputs = []
        for index in range(len(next(iter(given.values())))):
            one = {
                name: tensorflow().cast(given[name][index][np.newaxis], spec.dtype)
                for name, spec in model.specs.items()
            }
            outputs.append({name: value.numpy() for name, value in model.call(**one).items()})
        stage("converting to a float .tflite")
        content = convert(path, model, "to a float .tflite")
    return Converted(content, outputs, model.loader)


@contextmanager
def frozen(
    kind: str,
    path: str,
    signature: str | None,
    *,
    allow_lambda: bool,
    allow_unsafe: bool = False,
    limits: recipe.Limits | None = None,
) -> Iterator[Frozen]:
    """Load a Keras model or a SavedModel, and save one signature of it with a batch of 1.

    Args:
        kind: ``keras`` or ``saved_model``.
        path: The file or folder.
        signature: Which signature of a SavedModel.
        allow_lambda: Whether a Keras file may hold or name code.
        allow_unsafe: Whether a SavedModel may do more than compute.
        limits: How large a Keras file's description of its layers may be.

    Raises:
        QuantlineError: As :func:`quantline.quantization.import_float` lists them.
    """
    tf, original = load_original(
        kind, path, signature, allow_lambda=allow_lambda, allow_unsafe=allow_unsafe, limits=limits
    )
    stage("preparing the model")
    specs = {name: fix_batch(tf, path, name, spec) for name, spec in original.specs.items()}
    concrete = tf.function(original.call).get_concrete_function(**specs)
    _check_outputs(path, concrete.structured_outputs)
    with temporary_folder() as temporary:
        folder = str(temporary / "saved_model")
        # The gradients of functions such as swish are nobody's here, and cannot be saved.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        signatures = {original.key: freeze(concrete, specs)}
        tf.saved_model.save(tf.Module(), folder, signatures=signatures, options=options)
        yield Frozen(folder, original.key, concrete, specs, original.loader)


def _check_outputs(path: str, outputs: Mapping[str, Any]) -> None:
    kinds = {name: getattr(each, "dtype", None) for name, each in outputs.items()}
    wrong = [
        f"'{name}' ({kind.name if kind is not None else type(outputs[name]).__name__})"
        for name, kind in kinds.items()
        if kind is None or not (kind.is_floating or kind.is_integer or kind.is_bool)
    ]
    if wrong or not outputs:
        raise ModelUnsupported(
            f"'{path}' has outputs that do not hold real numbers",
            found=first_few(wrong) or "no output",
            expected="outputs of a float, integer or boolean type",
            remedy="Export a signature that returns the model's numbers, without decoding them",
        )


def convert(path: str, model: Frozen, to: str, **settings: Any) -> bytes:
    """Convert with TensorFlow's public converter.

    Args:
        path: What to call the model.
        model: What :func:`frozen` gave.
        to: What it becomes, for messages.
        settings: Attributes of the converter and of its ``target_spec``.

    Raises:
        ConversionFailed: TensorFlow refuses the model.
    """
    lite = tensorflow().lite
    try:
        converter = lite.TFLiteConverter.from_saved_model(model.folder, signature_keys=[model.key])
        for name, value in settings.items():
            owner = converter.target_spec if hasattr(converter.target_spec, name) else converter
            setattr(owner, name, value)
        return bytes(converter.convert())
    except Exception as error:  # ConverterError and what MLIR raises have no common base
        raise ConversionFailed(
            f"TensorFlow cannot convert '{path}' {to}",
            found=excerpt(str(error), lambda line: "op" in line.lower()) or type(error).__name__,
            expected="a model of TensorFlow Lite's builtin operators",
            remedy="Replace the operators it names with ones that TensorFlow Lite has",
            details=str(error),
        ) from error
