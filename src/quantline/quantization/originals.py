"""Running and converting the original model, in a child process."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.child import stage
from quantline.errors import ConversionFailed, ModelUnsupported, excerpt, first_few
from quantline.quantization.input_sizes import (
    describe_shapes,
    example_shapes,
    has_open_sizes,
    resized,
)
from quantline.quantization.interface import batch_of, check_samples, first_of, whole_shape
from quantline.quantization.load_original import fixed_spec, load_original, sizes_of
from quantline.quantization.tensorflow_backend import freeze
from quantline.quiet import tensorflow
from quantline.temporary import temporary_folder
from quantline.tflite import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np

    from quantline import recipe


@dataclass(frozen=True)
class Converted:
    """What became of an original model.

    Attributes:
        content: The float ``.tflite`` file's bytes.
        outputs: The original's outputs on each sample, by name; None where the imported model is
            the original.
        loader: The distribution that loaded the original.
        changes: What the imported model has otherwise than the original, each as a sentence.
    """

    content: bytes
    outputs: list[dict[str, np.ndarray]] | None
    loader: str
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Frozen:
    """A loaded model with a batch of 1, saved again with its variables as constants.

    Attributes:
        folder: A SavedModel folder, which is there for as long as the context lasts.
        key: Its only signature's key.
        call: The same, callable, before it was frozen.
        specs: Each input's ``tf.TensorSpec``, by name.
        loader: The distribution that loaded it.
        original_shapes: Each input's shape as the original has it, -1 for a size that it leaves
            open, by name.
    """

    folder: str
    key: str
    call: Callable[..., dict[str, Any]]
    specs: dict[str, Any]
    loader: str
    original_shapes: dict[str, tuple[int, ...]]


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
        kind, path, signature, samples,
        allow_lambda=allow_lambda, allow_unsafe=allow_unsafe, limits=limits,
    ) as model:  # fmt: skip
        taken = {name: tuple(spec.shape) for name, spec in model.specs.items()}
        given = check_samples(samples, taken, path)
        wanted = {name: whole_shape(taken[name], given[name].shape[1:], path) for name in taken}
        stage("running the original model")
        outputs = []
        batch = max((shape[0] for shape in taken.values() if shape), default=1)
        batch = batch if wanted != taken else 1
        for index in range(len(next(iter(given.values())))):
            one = {
                name: tensorflow().cast(batch_of(given[name], index, taken[name]), spec.dtype)
                for name, spec in model.specs.items()
            }
            found = model.call(**one)
            outputs.append({name: first_of(value.numpy(), batch) for name, value in found.items()})
        stage("converting to a float .tflite")
        content = convert(path, model, "to a float .tflite")
        changes = describe_shapes(model.original_shapes, wanted)
        if wanted != taken or has_open_sizes(read(content)):
            stage("giving the model the sizes of the examples")
            content = resized(content, wanted, given)
    return Converted(content, outputs, model.loader, changes)


@contextmanager
def frozen(
    kind: str,
    path: str,
    signature: str | None,
    samples: np.ndarray | Mapping[str, np.ndarray] | None,
    *,
    allow_lambda: bool,
    allow_unsafe: bool = False,
    limits: recipe.Limits | None = None,
) -> Iterator[Frozen]:
    """Load a Keras model or a SavedModel, and save one signature of it with all sizes known.

    Args:
        kind: ``keras`` or ``saved_model``.
        path: The file or folder.
        signature: Which signature of a SavedModel.
        samples: Model input, whose shape settles sizes that the model leaves open; None where
            only the batch may be open.
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
    given = example_shapes(samples, list(original.specs))
    specs = {
        name: fixed_spec(tf, path, name, spec, given.get(name))
        for name, spec in original.specs.items()
    }
    shapes = {name: sizes_of(spec, given.get(name)) for name, spec in original.specs.items()}
    concrete = tf.function(original.call).get_concrete_function(**specs)
    _check_outputs(path, concrete.structured_outputs)
    with temporary_folder() as temporary:
        folder = str(temporary / "saved_model")
        # The gradients of functions such as swish are nobody's here, and cannot be saved.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        signatures = {original.key: freeze(concrete, specs)}
        tf.saved_model.save(tf.Module(), folder, signatures=signatures, options=options)
        yield Frozen(folder, original.key, concrete, specs, original.loader, shapes)


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
