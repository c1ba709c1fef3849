"""Running and converting the original model, in a child process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.child import stage
from quantline.quantization.interface import check_samples
from quantline.quantization.lacking import refusal
from quantline.quantization.load_original import fix_batch, load_original
from quantline.quantization.rebuilt import unrolling, widening
from quantline.quantization.trace import trace
from quantline.quantization.trained_ranges import trained_ranges
from quantline.quiet import tensorflow
from quantline.temporary import temporary_folder
from quantline.tflite import read, with_port_names, with_simulated_shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quantline import recipe
    from quantline.quantization.trace import Traced


@dataclass(frozen=True)
class Converted:
    """What became of an original model.

    Attributes:
        content: The float ``.tflite`` file's bytes.
        outputs: The original's outputs on each sample, by name, each of shape (1, ...).
        loader: The distribution that loaded the original.
        rebuilt: What is computed in another way than by the original, as sentences.
    """

    content: bytes
    outputs: list[dict[str, np.ndarray]]
    loader: str
    rebuilt: tuple[str, ...] = ()


@dataclass(frozen=True)
class Frozen:
    """A loaded model with a batch of 1, saved again.

    Attributes:
        folder: A SavedModel folder, which is there for as long as the context lasts.
        key: Its only signature's key.
        traced: What was saved.
        loader: The distribution that loaded it.
        unrolled: Names of recurrent layers that are written out step by step.
    """

    folder: str
    key: str
    traced: Traced
    loader: str
    unrolled: tuple[str, ...]

    @property
    def specs(self) -> dict[str, Any]:
        """Each input's ``tf.TensorSpec``, by the original's names."""
        return self.traced.specs


def run_and_convert(
    kind: str,
    path: str,
    signature: str | None,
    samples: np.ndarray | Mapping[str, np.ndarray],
    allow_lambda: bool = False,
    allow_unsafe: bool = False,
    limits: recipe.Limits | None = None,
    fused: bool = True,
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
        fused: Whether LSTMs of Keras 2 become one operator each, where they can.

    Raises:
        QuantlineError: As :func:`quantline.quantization.import_float` lists them.
    """
    with frozen(
        kind, path, signature, shapes_of(samples), allow_lambda=allow_lambda,
        allow_unsafe=allow_unsafe, limits=limits, fused=fused,
    ) as model:  # fmt: skip
        traced = model.traced
        given = check_samples(
            samples, {name: tuple(spec.shape[1:]) for name, spec in traced.specs.items()}, path
        )
        stage("running the original model")
        outputs = _run(traced.call, traced.specs, given)
        rebuilt = []
        if traced.widened is not None:
            narrow, outputs = outputs, _run(traced.widened, traced.specs, given)
            rebuilt.append(widening(path, traced.narrow, narrow, outputs))
        stage("converting to a float .tflite")
        content = with_simulated_shapes(convert(path, model, "to a float .tflite"))
    if fused and model.loader == "tf-keras" and len(read(content).subgraphs) > 1:
        # Masks and states that are used keep an LSTM from being fused: it would be a loop.
        return run_and_convert(kind, path, signature, samples, allow_lambda, allow_unsafe, limits,
                               fused=False)  # fmt: skip
    trained = trained_ranges(read(content))
    if trained:
        rebuilt.append(
            f"trained with simulated quantization: the ranges of {len(trained)} tensors are those "
            "of the training (read)"
        )
    if any(tensor.is_variable for tensor in read(content).main.tensors):
        rebuilt.append(
            "keeps the state of its LSTM between runs: who runs it resets that before each "
            "sequence, with Interpreter.reset_all_variables()"
        )
    if model.unrolled:
        rebuilt.append(unrolling(model.unrolled, content))
    return Converted(content, outputs, model.loader, tuple(rebuilt))


def shapes_of(samples: np.ndarray | Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """Return the shape of a sample of each input, by name; of a single array by ``""``.

    Args:
        samples: array of shape (n_examples, ...); or one for each input, by name.
    """
    if not isinstance(samples, Mapping):
        return {"": samples.shape[1:]}
    return {name: values.shape[1:] for name, values in samples.items()}


def _run(
    call: Callable[..., dict[str, Any]], specs: Mapping[str, Any], samples: Mapping[str, np.ndarray]
) -> list[dict[str, np.ndarray]]:
    """Return a model's outputs on each sample, by name."""
    outputs = []
    for index in range(len(next(iter(samples.values())))):
        one = {
            name: tensorflow().cast(samples[name][index][np.newaxis], spec.dtype)
            for name, spec in specs.items()
        }
        outputs.append({name: value.numpy() for name, value in call(**one).items()})
    return outputs


@contextmanager
def frozen(
    kind: str,
    path: str,
    signature: str | None,
    shapes: Mapping[str, tuple[int, ...]],
    *,
    allow_lambda: bool,
    allow_unsafe: bool = False,
    limits: recipe.Limits | None = None,
    fused: bool = True,
) -> Iterator[Frozen]:
    """Load a Keras model or a SavedModel, and save one signature of it with a batch of 1.

    Args:
        kind: ``keras`` or ``saved_model``.
        path: The file or folder.
        signature: Which signature of a SavedModel.
        shapes: The shape of a sample of each input, by name; of a single one by ``""``. They settle
            sizes that are not known.
        allow_lambda: Whether a Keras file may hold or name code.
        allow_unsafe: Whether a SavedModel may do more than compute.
        limits: How large a Keras file's description of its layers may be.
        fused: Whether LSTMs of Keras 2 become one operator each, where they can.

    Raises:
        QuantlineError: As :func:`quantline.quantization.import_float` lists them.
    """
    tf, original = load_original(
        kind, path, signature, allow_lambda=allow_lambda, allow_unsafe=allow_unsafe, limits=limits,
        fused=fused,
    )  # fmt: skip
    stage("preparing the model")
    specs = {
        name: fix_batch(tf, path, name, spec, shapes.get(name, shapes.get("")))
        for name, spec in original.specs.items()
    }
    traced = trace(tf, path, original, specs)
    with temporary_folder() as temporary:
        folder = str(temporary / "saved_model")
        module = tf.Module()
        module.variables_read = list(traced.variables)
        # The gradients of functions such as swish are nobody's here, and cannot be saved.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(
            module, folder, signatures={original.key: traced.served}, options=options
        )
        yield Frozen(folder, original.key, traced, original.loader, original.unrolled)


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
    lite, traced = tensorflow().lite, model.traced
    try:
        converter = lite.TFLiteConverter.from_saved_model(model.folder, signature_keys=[model.key])
        for name, value in settings.items():
            owner = converter.target_spec if hasattr(converter.target_spec, name) else converter
            setattr(owner, name, value)
        content = bytes(converter.convert())
    except Exception as error:  # ConverterError and what MLIR raises have no common base
        raise refusal(path, to, error) from error
    if all(plain == name for ports in (traced.inputs, traced.outputs)
           for plain, name in ports.items()):  # fmt: skip
        return content
    return with_port_names(content, traced.inputs, traced.outputs)
