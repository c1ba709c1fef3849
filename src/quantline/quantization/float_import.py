"""Float import: any trained model becomes a float ``.tflite`` whose sizes are all known."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline import recipe
from quantline.child import run_in_child
from quantline.errors import ModelError, ModelUnreadable, first_few
from quantline.files import sha256, sha256_of_path
from quantline.loading import H5_SUFFIXES, module_file
from quantline.quantization.interface import check_samples, with_arrays
from quantline.quantization.originals import run_and_convert
from quantline.quantization.parity import compare, inputs_of, outputs_of
from quantline.quantization.state_ports import next_of
from quantline.quantization.tflite_import import import_tflite
from quantline.reading import Unreadable, check_regular
from quantline.tflite import Tensor, read
from quantline.tflite.finite import with_finite_constants

if TYPE_CHECKING:
    import numpy as np

TIMEOUT_S = 1800
logger = logging.getLogger(__name__)
_KINDS = "a .keras or .h5 file, a SavedModel folder or a .tflite file"


@dataclass(frozen=True)
class FloatModel:
    """An imported model.

    Attributes:
        content: The float ``.tflite`` file's bytes.
        about: Plain JSON values: source, hashes, signature, what was rebuilt, parity, versions.
    """

    content: bytes
    about: dict[str, Any]


def import_float(
    model: recipe.Model,
    samples: np.ndarray | Mapping[str, np.ndarray],
    parity: recipe.Parity,
    limits: recipe.Limits | None = None,
) -> FloatModel:
    """Import a trained float model and compare the result with the original.

    The imported model has one signature, with the names of the original's inputs and outputs; those
    of a Keras model are the ones that ``model.export()`` gives it. Variables that a Keras 3 model
    assigns become inputs and outputs; without samples of these inputs, the states are taken that
    the original comes to over the other samples in order.

    Args:
        model: The file or folder, and which signature of it.
        samples: array of shape (n_examples, ...), model input without the batch dimension; for a
            model of several inputs, such an array for each, by the input's name. Their shape is
            that of an input which leaves sizes open; where it has as many dimensions as the input,
            it is the whole input, and else the batch is 1.
        parity: On how many samples the two are compared, and how much they may differ.
        limits: What loading and running the model may cost; the defaults of ``recipe.Limits`` if
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
    kind = kind_of(path)
    if isinstance(samples, Mapping):
        samples = {name: values[: parity.examples] for name, values in samples.items()}
    else:
        samples = samples[: parity.examples]
    if kind == "tflite":
        converted = import_tflite(path, model.signature, samples, limits, TIMEOUT_S)
    else:
        converted = run_in_child(
            run_and_convert,
            kind,
            str(path),
            model.signature,
            samples,
            model.allow_lambda,
            model.allow_unsafe,
            limits,
            True,
            module_file(model.custom_objects) if model.custom_objects else None,
            what=f"the float import of '{path}'",
            timeout_s=TIMEOUT_S,
            load_s=limits.load_s,
            memory_gib=limits.memory_gib,
            confined=True,
        )
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
        "source": {"path": model.path, "format": kind, "sha256": sha256_of_path(path)},
        "float_model_sha256": sha256(content),
        "size_bytes": len(content),
        "operators": len(graph.main.operators),
        "signatures": [signature.key for signature in graph.signatures],
        "inputs": _ports(inputs_of(graph)),
        "outputs": _ports(outputs_of(graph)),
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


def source_of(about: Mapping[str, Any], model: recipe.Model) -> recipe.Model:
    """Return the model that was imported, which need not be the one that parameters name by now.

    Args:
        about: What :attr:`FloatModel.about` says of the import.
        model: The parameters; what they say beside the path is kept.
    """
    return model.model_copy(update={"path": about["source"]["path"]})


def kind_of(path: Path) -> str:
    """Return ``keras``, ``saved_model`` or ``tflite``, by what lies at the path."""
    if not os.path.exists(path):
        near = sorted(other.name for other in path.parent.glob("*") if other.is_file())
        raise ModelError(
            f"There is no model at '{path}'",
            found=f"in '{path.parent}': {first_few(near) or 'nothing'}",
            expected=_KINDS,
            remedy="Correct `path`; a relative one starts from the working directory",
        )
    if path.is_dir():
        if not (path / "saved_model.pb").exists():
            raise ModelUnreadable(
                f"The folder '{path}' is not a SavedModel",
                found="no file saved_model.pb in it",
                expected=_KINDS,
                remedy="Set `path` to the folder that holds saved_model.pb",
            )
        return "saved_model"
    try:
        size_bytes = check_regular(path)
    except Unreadable as error:
        raise ModelUnreadable(
            f"'{path}' is not a model that can be read",
            found=str(error),
            expected=_KINDS,
            remedy="Give the path of a file or of a SavedModel folder",
        ) from error
    if size_bytes == 0:
        raise ModelError(
            f"The model '{path}' is empty",
            found="0 bytes",
            expected=_KINDS,
            remedy="Write or copy the file again",
        )
    if path.suffix in {".keras", ".tflite"}:
        return path.suffix[1:]
    if path.suffix in H5_SUFFIXES:
        return "keras"
    remedy = "Save the model with Keras 3: model.save('name.keras')"
    if path.name == "saved_model.pb":
        remedy = f"Set `path` to its folder, '{path.parent}'"
    elif path.suffix in {".pb", ".pbtxt"}:
        remedy = (
            "A frozen graph does not say which tensors are its inputs and outputs: import it with "
            "tf.graph_util.import_graph_def in a tf.compat.v1.Session, and write a SavedModel with "
            "tf.compat.v1.saved_model.simple_save(session, folder, inputs={...}, outputs={...})"
        )
    raise ModelUnreadable(
        f"'{path}' is not a model that can be read",
        found=f"a file that ends in '{path.suffix}'",
        expected=_KINDS,
        remedy=remedy,
    )


def _ports(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    return {
        name: {"dtype": tensor.dtype, "shape": list(tensor.shape)}
        for name, tensor in tensors.items()
    }
