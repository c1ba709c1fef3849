"""Float import: any trained model becomes a float ``.tflite`` whose sizes are all known."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline import recipe
from quantline.child import run_in_child
from quantline.files import sha256, sha256_of_path
from quantline.quantization.interface import check_samples, with_arrays
from quantline.quantization.original_source import Source
from quantline.quantization.originals import run_and_convert
from quantline.quantization.parity import compare, inputs_of, outputs_of
from quantline.quantization.state_inputs import next_of
from quantline.quantization.tflite_import import import_tflite
from quantline.tables import size
from quantline.tflite import Tensor, read
from quantline.tflite.finite import with_finite_constants

if TYPE_CHECKING:
    from quantline.quantization.interface import Arrays

TIMEOUT_S = 1800
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FloatModel:
    """An imported model.

    Attributes:
        content: The float ``.tflite`` file's bytes.
        about: Plain JSON values: source, hashes, signature, changes, parity, versions.
    """

    content: bytes
    about: dict[str, Any]

    def __repr__(self) -> str:
        path, operators = self.about["source"]["path"], self.about["operators"]
        return f"FloatModel('{path}', {operators} operators, {size(len(self.content))})"


def import_float(
    model: recipe.Model,
    samples: Arrays,
    parity: recipe.Parity,
    limits: recipe.Limits | None = None,
) -> FloatModel:
    """Import a trained float model and compare the result with the original.

    The imported model has one signature, with the names of the original's inputs and outputs; those
    of a Keras model are the ones that ``model.export()`` gives it. Variables that a Keras 3 model
    assigns become inputs and outputs; without samples of these inputs, the states of the original
    are taken as it runs over the other samples in order.

    Args:
        model: The file or folder, and the conditions on which it is loaded.
        samples: array of shape (n_examples, ...), model input without the batch dimension; for a
            model of several inputs, such an array for each, by the input's name. Their shape is
            that of an input which leaves sizes open; where it has as many dimensions as the input,
            it is the whole input, and else the batch is 1.
        parity: The number of samples on which the two are compared, and the allowed difference.
        limits: Limits of loading and running the model; the defaults of ``recipe.Limits`` if
            None.

    Raises:
        ModelError: The file is missing or empty.
        ModelUnreadable: It is not a model.
        ModelUnsupported: It has unknown sizes, several signatures of which none was chosen, or
            several inputs where the samples are one array.
        ModelUnsupported: A ``.tflite`` holds quantized tensors.
        UnsafeModel: A Keras file holds or names code, and ``allow_lambda`` is not set; or a
            SavedModel does more than compute, and ``allow_unsafe`` is not set.
        DependencyError: A file of Keras 2 needs tf-keras, which is not installed.
        DataError: The samples have other names or shapes than the model takes.
        DataError: There are no samples to compare with.
        ConversionError: TensorFlow refuses the conversion.
        ProcessError: TensorFlow died while it loaded, ran or converted the model, or the LiteRT
            runtime while it ran what came of it; or loading took too long.
        OutOfMemory: The model took more memory than it may, or there is.
        MismatchError: The imported and the original model disagree.
    """
    limits = limits or recipe.Limits()
    path = Path(model.path)
    source = Source.of(model, limits)
    if isinstance(samples, Mapping):
        samples = {name: values[: parity.examples] for name, values in samples.items()}
    else:
        samples = samples[: parity.examples]
    if source.kind == "tflite":
        converted = import_tflite(path, model.signature, samples, limits, TIMEOUT_S)
    else:
        converted = run_in_child(
            run_and_convert, source, samples,
            what=f"the float import of '{path}'", timeout_s=TIMEOUT_S, load_s=limits.load_s,
            memory_gib=limits.memory_gib, confined=True,
        )  # fmt: skip
    loader = converted.loader
    content, bounded = with_finite_constants(converted.content)
    rebuilt = [*converted.rebuilt, *bounded]
    for sentence in rebuilt:
        logger.info("'%s': %s.", path, sentence)
    graph = read(content, f"'{path}'")
    taken = {name: tensor.shape for name, tensor in inputs_of(graph).items()}
    given = check_samples(with_arrays(samples, converted.computed, taken), taken, str(path))
    packages = {"tensorflow", "keras", "ai-edge-litert", loader}
    about: dict[str, Any] = {
        "name": model.name,
        "source": {"path": model.path, "format": source.kind, "sha256": sha256_of_path(path)},
        "float_model_sha256": sha256(content),
        "size_bytes": len(content),
        "operators": len(graph.main.operators),
        "signatures": [signature.key for signature in graph.signatures],
        "inputs": _describe_tensors(inputs_of(graph)),
        "outputs": _describe_tensors(outputs_of(graph)),
        "loaded_with": loader,
        "rebuilt": rebuilt,
        "parity": compare(
            content, given, converted.outputs, parity.tolerance, str(path), limits.memory_gib
        ),
        "versions": {name: version(name) for name in sorted(packages)},
    }
    if converted.states:
        about["states"] = {
            name: {"next": next_of(name), "initial": values.tolist(),
                   "samples": "computed" if converted.computed else "given"}
            for name, values in converted.states.items()
        }  # fmt: skip
    return FloatModel(content, about)


def _describe_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    return {
        name: {"dtype": tensor.dtype, "shape": list(tensor.shape)}
        for name, tensor in tensors.items()
    }
