"""Training with fixed seeds: a new embedded network, or an existing model further."""

from __future__ import annotations

import io
import json
import logging
import math
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import ConversionError, ModelUnsupported, ParameterError
from quantline.files import sha256
from quantline.loading import load_keras
from quantline.quiet import tensorflow
from quantline.temporary import temporary_folder
from quantline.training.examples import TrainingSplit
from quantline.training.network import IMAGE_AXES, build_model

if TYPE_CHECKING:
    from quantline import recipe
    from quantline.training.model_files import Content

logger = logging.getLogger(__name__)
_LOSS = "sparse_categorical_crossentropy"  # of labels that are not smoothed


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes:
        content: The model: a ``.keras`` file's bytes; of a training of the user's also those of a
            ``.tflite`` file, or the files of a SavedModel by name.
        about: Plain JSON values: the file's hash, the parameters, the SHA-256 of the model that
            training began with (None where it was a new one), ``history``, the numbers of each
            epoch by name, and, of the embedded model, how good it is at inference on the
            ``examples`` that it was trained on (``top1``, ``loss``).
    """

    content: Content
    about: dict[str, Any]


@dataclass(frozen=True)
class Prepared:
    """The inputs of a training, checked before all examples are read.

    Attributes:
        split: The examples that are trained on.
        model: The Keras model that training begins with.
        start_sha256: The hash of its file; None for a new one.
    """

    split: TrainingSplit
    model: Any
    start_sha256: str | None = None

    @property
    def classes(self) -> int:
        """The number of classes that the model has."""
        return int(self.model.output_shape[-1])


def train(dataset: recipe.Dataset, training: recipe.Training, start: bytes | None = None) -> bytes:
    """Train the model and return it as a Keras 3 ``.keras`` file.

    The same seeds on the same machine and versions give the same bytes.

    Args:
        dataset: Where examples come from and how they become model input.
        training: The split, the seed and the schedule.
        start: A ``.keras`` file whose model is trained on; if None, a new one is.

    Returns:
        The file's bytes; the model takes (batch, height, width, channels) float32 and gives class
        probabilities (batch, n_classes).

    Raises:
        QuantlineError: As :func:`prepare` and :func:`fit` list them.
    """
    content = fit(prepare(dataset, training, start), training).content
    assert isinstance(content, bytes)  # noqa: S101 - a Keras file
    return content


def prepare(
    dataset: recipe.Dataset, training: recipe.Training, start: bytes | None = None
) -> Prepared:
    """Check all that can be checked before training, and build or load the model.

    Args:
        dataset: Where examples come from and how they become model input.
        training: The split and the seed.
        start: A ``.keras`` file whose model is trained on; if None, a new one is.

    Raises:
        QuantlineError: The split cannot be used, as :meth:`TrainingSplit.open` lists it.
        ParameterError: ``flip`` or ``shift`` is set, and the examples are no images.
        ParameterError: ``shift`` is larger than the images.
        DataError: The examples are no images, which a new model needs.
        ModelUnsupported: ``start`` takes other examples, or gives no class probabilities.
    """
    tf = tensorflow()
    import keras

    split = TrainingSplit.open(dataset, training.split)
    keras.utils.clear_session()  # layers are numbered anew, whatever this process built before
    keras.utils.set_random_seed(training.seed)
    tf.config.experimental.enable_op_determinism()
    if start is None:
        model = build_model(split.shape, split.classes)
    else:
        model = _load_model(start, split.first, split.classes)
    _check_augmentation(training, split.shape)
    return Prepared(split, model, sha256(start) if start is not None else None)


def fit(prepared: Prepared, training: recipe.Training) -> Trained:
    """Train a model that was prepared, and log its accuracy at inference.

    Args:
        prepared: What :func:`prepare` gave for the same parameters.
        training: The seed and the schedule.

    Raises:
        QuantlineError: An example cannot be read.
        ConversionError: The loss is not a number.
    """
    tf = tensorflow()
    import keras

    model = prepared.model
    x, y = prepared.split.read()
    examples = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=training.seed)
    if training.shift:

        def shift(image: Any, label: Any) -> tuple[Any, Any]:
            # Filled by reflection: what an empty pixel's value is depends on the transform.
            around = [[training.shift] * 2, [training.shift] * 2, [0, 0]]
            padded = tf.pad(image, around, "SYMMETRIC")
            return tf.image.random_crop(padded, tf.shape(image), training.seed), label

        examples = examples.map(shift)
    examples = examples.batch(training.batch_size)
    if training.flip:

        def flip(images: Any, labels: Any) -> tuple[Any, Any]:
            return tf.image.random_flip_left_right(images, training.seed), labels

        examples = examples.map(flip)
    steps = training.epochs * -(-len(x) // training.batch_size)
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(training.learning_rate, steps)
        ),
        loss=_smoothed_loss(prepared.classes, training.label_smoothing),
        metrics=["accuracy", _LOSS],
    )
    fitted = model.fit(
        examples.prefetch(2), epochs=training.epochs, shuffle=False, verbose=0,
        callbacks=[_epoch_log(training.epochs)],
    )  # fmt: skip
    # Inference: without dropout, and with the statistics that batch normalization has kept.
    reached = model.evaluate(x, y, training.batch_size, verbose=0, return_dict=True)
    loss = float(reached[_LOSS])
    _refuse_diverged(loss, training)
    _log_accuracy(reached["accuracy"], y, training, steps)
    # The optimizer's state is three times the model and of no use to inference.
    content = save(keras.Model(model.inputs, model.outputs, name="fashion_mnist"))
    about = {
        "evidence": "measured",
        "sha256": sha256(content),
        "start_sha256": prepared.start_sha256,
        "parameters": training.used,
        "examples": len(x),
        "classes": prepared.classes,
        "steps": steps,
        "top1": float(reached["accuracy"]),
        "loss": loss,
        "history": {"loss": [float(loss) for loss in fitted.history[_LOSS]]},
    }
    return Trained(content, about)


def _smoothed_loss(classes: int, smoothing: float) -> Any:
    """Return the cross-entropy with labels that give all classes a share of the ``smoothing``."""
    import keras

    def loss(labels: Any, given: Any) -> Any:
        hot = keras.ops.one_hot(keras.ops.reshape(labels, [-1]), classes)
        return keras.losses.categorical_crossentropy(hot, given, label_smoothing=smoothing)

    return loss


def _check_augmentation(training: recipe.Training, shape: tuple[int, ...]) -> None:
    if (training.flip or training.shift) and len(shape) != IMAGE_AXES:
        raise ParameterError(
            "`flip` mirrors and `shift` moves images, and the examples are none",
            found=f"an example of shape {shape}",
            expected="shape (height, width, channels)",
            remedy="Use `flip=False` and `shift=0`",
        )
    if training.shift and training.shift > min(shape[:2]):
        raise ParameterError(
            "`shift` moves images by more than their size",
            found=f"shift={training.shift}, and an example of shape {shape}",
            expected=f"at most {min(shape[:2])} pixels",
            remedy="Use a smaller `shift`",
        )


def _log_accuracy(right: float, y: np.ndarray, training: recipe.Training, steps: int) -> None:
    logger.info(
        "trained for %d %s: %.1f %% of the %s training examples ('%s') are right at inference",
        training.epochs, "epoch" if training.epochs == 1 else "epochs", 100 * right, f"{len(y):,}",
        training.split,
    )  # fmt: skip
    most = np.bincount(y).max() / len(y)
    if right <= most:
        logger.warning(
            "the trained model is no better than naming the most frequent class each time (%.1f %% "
            "right). After %d steps batch normalization may not have settled: train for more "
            "epochs, or in smaller batches",
            100 * most, steps,
        )  # fmt: skip


def _refuse_diverged(loss: float, training: recipe.Training) -> None:
    if not math.isfinite(loss):
        raise ConversionError(
            "The training diverged",
            found=f"a loss of {loss} after {training.epochs} epochs",
            expected="a finite loss",
            remedy=f"Set `learning_rate` to less than {training.learning_rate:g}",
        )


def _load_model(start: bytes, x: np.ndarray, classes: int) -> Any:
    with temporary_folder() as folder:
        path = folder / "start.keras"
        path.write_bytes(start)
        model, loader = load_keras(str(path), allow_lambda=False)
    if loader != "keras":
        raise ModelUnsupported(
            "The model that training is to start from is one of Keras 2",
            found="a file that only tf-keras loads",
            expected="a model of Keras 3, which training goes on with",
            remedy="Use `start='anew'`, or train it with your own code",
        )
    shape = tuple(model.input_shape[1:])
    is_fit = shape == x.shape[1:] and model.input_shape[0] is None
    given = model.predict(x[:2], verbose=0) if is_fit else None
    is_classifier = given is not None and given.ndim == 2 and given.shape[1] >= classes
    if given is None or not is_classifier or not np.allclose(given.sum(-1), 1, atol=1e-3):
        raise ModelUnsupported(
            "The model that training is to start from does not fit the dataset",
            found=f"input {model.input_shape}, output {model.output_shape}",
            expected=f"input {(None, *x.shape[1:])}, output probabilities of at least {classes} "
            "classes",
            remedy="Use `start='anew'`, or give the dataset that it was trained on",
        )
    return model


def save(model: Any) -> bytes:
    """Save without what differs between two saves of the same weights: times and addresses."""
    with temporary_folder() as folder:
        path = folder / "model.keras"
        model.save(path)
        out = io.BytesIO()
        with zipfile.ZipFile(path) as saved, zipfile.ZipFile(out, "w") as packed:
            for name in sorted(saved.namelist()):
                content = saved.read(name)
                if name.endswith(".json"):
                    content = json.dumps(_normalized(json.loads(content), {})).encode()
                packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        return out.getvalue()


def _normalized(value: Any, numbers: dict[int, int]) -> Any:
    """Drop the date, and number shared objects in order: Keras numbers them by address."""
    if isinstance(value, list):
        return [_normalized(element, numbers) for element in value]
    if not isinstance(value, dict):
        return value
    return {
        key: numbers.setdefault(other, len(numbers))
        if key == "shared_object_id"
        else _normalized(other, numbers)
        for key, other in value.items()
        if key != "date_saved"
    }


def _epoch_log(epochs: int) -> Any:
    import keras

    # No accuracy: while it trains, a model is not what it is at inference.
    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logger.info(
            "epoch %d of %d: training loss %.4f", epoch + 1, epochs, logs["loss"]
        )
    )
