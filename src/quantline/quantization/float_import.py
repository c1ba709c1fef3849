"""Float import: any trained model becomes a float ``.tflite`` with a fixed batch of 1."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.child import run_in_child
from quantline.errors import (
    ImportMismatch,
    ModelAlreadyQuantized,
    ModelNotFound,
    ModelUnreadable,
    ModelUnsupported,
    first_few,
)
from quantline.files import sha256, sha256_of_path
from quantline.quantization.interface import check_input
from quantline.quantization.originals import run_and_convert
from quantline.tflite import Graph, Runtime, read, with_static_batch

if TYPE_CHECKING:
    from quantline import recipe

TIMEOUT_S = 1800


@dataclass(frozen=True)
class FloatModel:
    """An imported model.

    Attributes:
        content: The float ``.tflite`` file's bytes.
        about: Plain JSON values: source, hashes, signature, parity, versions.
    """

    content: bytes
    about: dict[str, Any]


def import_float(model: recipe.Model, samples: np.ndarray, parity: recipe.Parity) -> FloatModel:
    """Import a trained float model and compare the result with the original.

    Args:
        model: The file or folder, and the signature of a SavedModel.
        samples: array of shape (n_examples, ...), model input without the batch dimension.
        parity: On how many samples the two are compared, and how much they may differ.

    Raises:
        ModelNotFound: The file is missing or empty.
        ModelUnreadable: It is not a model.
        ModelUnsupported: It has several inputs, several outputs, or unknown sizes.
        ModelAlreadyQuantized: A ``.tflite`` holds quantized or float16 tensors.
        InputMismatch: The samples have another shape than the model takes.
        ConversionFailed: TensorFlow refuses the conversion.
        ImportMismatch: The imported and the original model disagree.
    """
    path = Path(model.path)
    kind = _kind(path)
    samples = samples[: parity.examples]
    if kind == "tflite":
        content, expected = with_static_batch(_read_float_tflite(path)), None
    else:
        content, expected = run_in_child(
            run_and_convert,
            kind,
            str(path),
            model.signature,
            samples,
            what=f"the float import of '{path}'",
            timeout_s=TIMEOUT_S,
        )
    graph = read(content, f"'{path}'")
    _check_interface(graph, samples, path)
    about: dict[str, Any] = {
        "source": {"path": model.path, "format": kind, "sha256": sha256_of_path(path)},
        "float_model_sha256": sha256(content),
        "size_bytes": len(content),
        "operators": len(graph.main.operators),
        "signatures": [signature.key for signature in graph.signatures],
        "parity": _compare(content, samples, expected, parity.tolerance),
        "versions": {name: version(name) for name in ("tensorflow", "keras", "ai-edge-litert")},
    }
    return FloatModel(content, about)


def _kind(path: Path) -> str:
    if not path.exists():
        near = sorted(each.name for each in path.parent.glob("*") if each.is_file())
        raise ModelNotFound(
            f"There is no model at '{path}'",
            found=f"in '{path.parent}': {first_few(near) or 'nothing'}",
            expected="a .keras file, a SavedModel folder or a .tflite file",
            remedy="Set 'model.path'; a relative path starts from the project folder",
        )
    if path.is_dir():
        if not (path / "saved_model.pb").exists():
            raise ModelUnreadable(
                f"The folder '{path}' is not a SavedModel",
                found="no file saved_model.pb in it",
                expected="a SavedModel folder, a .keras file or a .tflite file",
                remedy="Set 'model.path' to the folder that holds saved_model.pb",
            )
        return "saved_model"
    if path.stat().st_size == 0:
        raise ModelNotFound(
            f"The model '{path}' is empty",
            found="0 bytes",
            expected="a .keras or a .tflite file",
            remedy="Write or copy the file again",
        )
    if path.suffix in {".keras", ".tflite"}:
        return path.suffix[1:]
    raise ModelUnreadable(
        f"'{path}' is not a model that can be read",
        found=f"a file that ends in '{path.suffix}'",
        expected="a .keras file, a SavedModel folder or a .tflite file",
        remedy="Save the model with Keras 3: model.save('name.keras')",
    )


def _read_float_tflite(path: Path) -> bytes:
    content = path.read_bytes()
    graph = read(content, f"'{path}'")
    quantized = [
        f"'{tensor.name}' ({tensor.dtype})"
        for subgraph in graph.subgraphs
        for tensor in subgraph.tensors
        # Float16 weights have no scale, but their DEQUANTIZE outputs would pass for activations.
        if tensor.quantization is not None or tensor.dtype == "float16"
    ]
    if quantized:
        raise ModelAlreadyQuantized(
            f"'{path}' is already quantized",
            found=f"{len(quantized)} quantized tensors: {first_few(quantized, 3)}",
            expected="a float model",
            remedy="Set 'model.path' to the float model it was made from",
        )
    return content


def _check_interface(graph: Graph, samples: np.ndarray, path: Path) -> None:
    main = graph.main
    if len(main.inputs) != 1 or len(main.outputs) != 1:
        raise ModelUnsupported(
            f"'{path}' does not have exactly one input and one output",
            found=f"{len(main.inputs)} inputs and {len(main.outputs)} outputs",
            expected="one of each",
            remedy="Export a signature with one input and one output",
        )
    taken = main.tensors[main.inputs[0]]
    if not taken.is_static or taken.shape[:1] != (1,):
        raise ModelUnsupported(
            f"The input of '{path}' has sizes that are not known, or a batch other than 1",
            found=f"{taken.shape}, where -1 is unknown",
            expected="a batch of 1 and known sizes",
            remedy="Export the model with a fixed input size",
        )
    check_input(samples.shape[1:], taken.shape[1:], str(path))


def _compare(
    content: bytes, samples: np.ndarray, expected: np.ndarray | None, tolerance: float
) -> dict[str, Any]:
    """Run the imported model on the samples and compare it with the original's outputs."""
    if expected is None:
        return {"examples": 0, "note": "the model was given as .tflite: it is its own original"}
    runtime = Runtime(content)
    got = np.concatenate([runtime.predict(sample) for sample in samples])
    largest = float(np.abs(expected).max())
    difference = float(np.abs(got.reshape(expected.shape) - expected).max())
    if not difference <= tolerance * max(largest, 1e-12):
        raise ImportMismatch(
            "The imported float model and the original disagree",
            found=f"outputs that differ by up to {difference:.3g}, where the largest is "
            f"{largest:.3g}, on {len(samples)} calibration examples",
            expected=f"at most {tolerance:g} of the largest output",
            remedy="A layer behaves differently outside training or after export; check custom "
            "layers, or raise 'baseline.parity.tolerance' if this difference is meant",
        )
    return {
        "examples": len(samples),
        "max_difference": difference,
        "max_output": largest,
        "tolerance": tolerance,
    }
