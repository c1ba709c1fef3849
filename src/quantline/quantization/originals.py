"""What runs in a child process: load, run and convert the original model."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.child import LOADING, stage
from quantline.errors import (
    CodeNotAllowed,
    ConversionFailed,
    ModelUnreadable,
    ModelUnsupported,
    first_few,
    first_line,
)
from quantline.loading import load_keras, parsed_saved_model, refused_operators
from quantline.quantization.interface import check_samples, choose_signature
from quantline.quantization.tensorflow_backend import freeze
from quantline.quiet import tensorflow
from quantline.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quantline import recipe

SERVING = "serving_default"


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
class Original:
    """A loaded model.

    Attributes:
        key: The signature's key.
        call: Takes tensors by input name, returns tensors by output name.
        specs: Each input's ``tf.TensorSpec``, by name.
        loader: The distribution that loaded it.
    """

    key: str
    call: Callable[..., dict[str, Any]]
    specs: dict[str, Any]
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


def load_original(
    kind: str,
    path: str,
    signature: str | None,
    *,
    allow_lambda: bool,
    allow_unsafe: bool = False,
    limits: recipe.Limits | None = None,
) -> tuple[Any, Original]:
    """Load a Keras model or a SavedModel; this runs in a child process.

    Args:
        kind: ``keras`` or ``saved_model``.
        path: The file or folder.
        signature: Which signature of a SavedModel.
        allow_lambda: Whether a Keras file may hold or name code.
        allow_unsafe: Whether a SavedModel may do more than compute.
        limits: How large a Keras file's description of its layers may be.

    Returns:
        The module ``tensorflow``, and the model.

    Raises:
        QuantlineError: As :func:`quantline.quantization.import_float` lists them.
    """
    stage("starting TensorFlow")
    tf = tensorflow()
    stage(LOADING)
    if kind == "keras":
        original = _keras_original(tf, path, signature, allow_lambda=allow_lambda, limits=limits)
    else:
        original = _saved_model_original(tf, path, signature, allow_unsafe=allow_unsafe)
    return tf, original


def _keras_original(
    tf: Any, path: str, signature: str | None, *, allow_lambda: bool, limits: recipe.Limits | None
) -> Original:
    """Load a Keras model as a function of its named inputs."""
    key = choose_signature([SERVING], signature, path)
    model, loader = load_keras(path, allow_lambda=allow_lambda, limits=limits)
    tensors = getattr(model, "inputs", None)
    if not tensors:
        raise ModelUnsupported(
            f"'{path}' does not say what its inputs are",
            found=f"a model of the class {type(model).__name__} without input shapes",
            expected="a functional model, or a Sequential one that begins with keras.Input(shape)",
            remedy="Export it as a SavedModel with model.export('folder')",
        )
    names = [tensor.name for tensor in tensors]
    structure = getattr(model, "input", None)

    def call(**inputs: Any) -> dict[str, Any]:
        values: Any = [inputs[name] for name in names]
        if isinstance(structure, Mapping):
            values = {each: inputs[tensor.name] for each, tensor in structure.items()}
        elif len(values) == 1:
            values = values[0]
        outputs = model(values, training=False)
        if isinstance(outputs, Mapping):  # named as model.export() names them
            return dict(outputs)
        return {f"output_{index}": each for index, each in enumerate(tf.nest.flatten(outputs))}

    specs = {
        tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name)
        for tensor in tensors
    }
    return Original(key, call, specs, loader)


def _saved_model_original(
    tf: Any, path: str, signature: str | None, *, allow_unsafe: bool
) -> Original:
    """Load a signature of a SavedModel as a function of its named inputs."""
    try:
        if not allow_unsafe:
            _refuse_unsafe(path)
        loaded = tf.saved_model.load(path)
    except CodeNotAllowed:
        raise
    except Exception as error:  # TensorFlow raises whatever a foreign file leads to
        raise ModelUnreadable(
            f"'{path}' cannot be loaded as a SavedModel",
            found=first_line(error),
            expected="a SavedModel folder of TensorFlow 2",
            remedy="Export it again with model.export('folder')",
        ) from error
    key = choose_signature(list(loaded.signatures), signature, path, SERVING)
    function = loaded.signatures[key]

    def call(**inputs: Any) -> Any:
        # 'loaded' must stay alive with its variables for as long as the function does.
        return loaded.signatures[key](**inputs)

    return Original(key, call, dict(function.structured_input_signature[1]), "tensorflow")


def _refuse_unsafe(path: str) -> None:
    refused = refused_operators(parsed_saved_model(path), path)
    if refused:
        raise CodeNotAllowed(
            f"'{path}' can do more than compute: use files, the network or Python",
            found=first_few(refused, 3),
            expected="operators that only compute",
            remedy="If you trust it, set 'model.allow_unsafe' to true; else have the model "
            "exported without these operators",
        )


def fix_batch(tf: Any, path: str, name: str, spec: Any) -> Any:
    """Return an input's ``tf.TensorSpec`` with a batch of 1, all other sizes known."""
    plain = isinstance(spec, tf.TensorSpec)
    if not plain or not (spec.dtype.is_floating or spec.dtype.is_integer or spec.dtype.is_bool):
        raise ModelUnsupported(
            f"The input '{name}' of '{path}' does not hold real numbers",
            found=f"{spec.dtype.name if plain else type(spec).__name__}",
            expected="a dense tensor of a float, integer or boolean type",
            remedy="Export a signature that takes the model's numbers, after all preparation",
        )
    shape = spec.shape.as_list() if spec.shape.rank is not None else None
    if not shape or None in shape[1:] or shape[0] not in (None, 1):
        raise ModelUnsupported(
            f"The input '{name}' of '{path}' has sizes that are not known, or a fixed batch other "
            "than 1",
            found=f"{shape}, where None is unknown",
            expected="only the batch may be unknown",
            remedy="Export the model with a fixed input size and a batch of 1 or None",
        )
    return tf.TensorSpec([1, *shape[1:]], spec.dtype, name=spec.name)


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
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        telling = [line for line in lines if "op" in line.lower()] or lines
        raise ConversionFailed(
            f"TensorFlow cannot convert '{path}' {to}",
            found=first_few(telling, 3) or type(error).__name__,
            expected="a model of TensorFlow Lite's builtin operators",
            remedy="Replace the operators it names with ones that TensorFlow Lite has",
        ) from error
