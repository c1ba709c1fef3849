"""Golden vectors as a value and as a file that anyone can read with numpy alone.

The file is an uncompressed ``.npz`` archive. ``about`` is JSON text; ``N/input/NAME`` and
``N/output/NAME`` are the arrays of vector N. Equal vectors give equal bytes.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import MismatchError, QuantlineError
from quantline.files import write_atomic
from quantline.lineage import KEY
from quantline.quantization.parity import inputs_of, outputs_of
from quantline.results import Origin, check_schema, parse_json, read_arrays, read_bytes
from quantline.results.models import GoldenAbout
from quantline.results.parse import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.tflite import Graph
    from quantline.tflite.runtime import Kernels

_ABOUT = "about"
_FIELDS = ("model_sha256", "runtime", "machine", "kernels", "tolerance")


@dataclass(frozen=True, eq=False)
class Vector:
    """One input and the output that the model must give for it."""

    source: str  # the origin of the input, such as `sample 3` or `lowest`
    inputs: Mapping[str, np.ndarray]  # each as the model stores it, in its whole shape, by name
    outputs: Mapping[str, np.ndarray]  # each output likewise


@dataclass(frozen=True, eq=False)
class Golden:
    """The golden vectors of one model."""

    model_sha256: str  # the SHA-256 of its `.tflite` file
    runtime: str  # the runtime that they were made with, such as `ai-edge-litert 2.3.0`
    machine: str  # the kind of machine, such as `x86_64`
    kernels: Kernels
    tolerance: float  # largest error of an output, as a share of its largest magnitude; 0: exact
    vectors: tuple[Vector, ...]

    def __repr__(self) -> str:
        made = f"{self.runtime}, {self.kernels} kernels, {self.machine}"
        return f"Golden({len(self.vectors)} vectors, model {self.model_sha256[:12]}, {made})"

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the vectors as the named arrays of a ``.npz`` file."""
        about: dict[str, Any] = {name: getattr(self, name) for name in _FIELDS}
        about["sources"] = [vector.source for vector in self.vectors]
        named = {
            f"{number}/{kind}/{name}": value
            for number, vector in enumerate(self.vectors)
            for kind, values in (("input", vector.inputs), ("output", vector.outputs))
            for name, value in values.items()
        }
        return {_ABOUT: np.array(json.dumps(about, sort_keys=True)), **named}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, np.ndarray], name: str = "the golden vectors"
    ) -> Golden:
        """Turn named arrays back into vectors.

        Raises:
            MismatchError: They are something else.
        """
        origin = _origin(name)
        if _ABOUT not in arrays:
            raise origin.unreadable(f"no array '{_ABOUT}'")
        try:
            content = str(arrays[_ABOUT]).encode()
        except ValueError as error:  # numbers that are no characters
            raise origin.damaged(error) from error
        about = parse_json(content, origin)
        check_schema(GoldenAbout, about, origin)
        sources = about["sources"]
        parts = [(dict[str, np.ndarray](), dict[str, np.ndarray]()) for _ in sources]
        for key in arrays.keys() - {_ABOUT, KEY}:
            number, kind, port = (*key.split("/", 2), "", "")[:3]
            if number not in map(str, range(len(sources))) or kind not in {"input", "output"}:
                raise origin.unreadable(f"an array {shown(key)}", "'N/input/NAME', 'N/output/NAME'")
            parts[int(number)][kind == "output"][port] = arrays[key]
        vectors = [Vector(source, *both) for source, both in zip(sources, parts, strict=True)]
        return cls(**{field: about[field] for field in _FIELDS}, vectors=tuple(vectors))

    def to_bytes(self) -> bytes:
        """Return the file's bytes; numpy stores no time in it."""
        out = io.BytesIO()
        np.savez(out, allow_pickle=False, **self.arrays())
        return out.getvalue()

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            OutputNotWritten: The folder is read-only, full, or not a folder.
        """
        write_atomic(Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> Golden:
        """Read a file that :meth:`save` wrote; nothing in it is ever unpickled.

        Raises:
            MismatchError: There is no such file, or it holds something else.
        """
        name = f"the file '{path}'"
        origin = _origin(name)
        return cls.from_arrays(read_arrays(read_bytes(path, origin), origin), name)


def check_ports(graph: Graph, vector: Vector) -> None:
    """Refuse a vector that a model cannot be run on, or compared with.

    Raises:
        MismatchError: It has other inputs or outputs than the model.
    """
    taken = {name: (tensor.dtype, tensor.shape) for name, tensor in inputs_of(graph).items()}
    stored = {name: (str(value.dtype), value.shape) for name, value in vector.inputs.items()}
    if (
        vector.inputs.keys() == taken.keys()
        and all(_fits(value, *taken[name]) for name, value in vector.inputs.items())
        and vector.outputs.keys() == outputs_of(graph).keys()
    ):
        return
    raise MismatchError(
        "The golden vectors are damaged",
        found=f"the vector '{vector.source}' has the inputs {_ports(stored)} and the outputs "
        f"{', '.join(vector.outputs) or 'none'}",
        expected=f"the inputs {_ports(taken)} and the outputs {', '.join(outputs_of(graph))}",
        remedy="Give the file as it was written together with the model",
    )


def _fits(value: np.ndarray, dtype: str, shape: tuple[int, ...]) -> bool:
    """Return whether an input is of a tensor's dtype and shape, of which -1 is any size."""
    sizes = zip(value.shape, shape, strict=False)
    fits = all(size == asked or (asked < 0 and size > 0) for size, asked in sizes)
    return str(value.dtype) == dtype and value.ndim == len(shape) and fits


def _ports(ports: Mapping[str, tuple[str, tuple[int, ...]]]) -> str:
    return ", ".join(f"{name}: {dtype} {shape}" for name, (dtype, shape) in ports.items()) or "none"


class _Vectors(Origin):
    """The origin of golden vectors, for errors."""

    def unreadable(self, found: str, expected: str = "") -> QuantlineError:
        """Return the error."""
        what = f"There are no golden vectors in {self.name}"
        expected = expected or self.expected
        return MismatchError(what, found=found, expected=expected, remedy=self.remedy)


def _origin(name: str) -> Origin:
    return _Vectors(
        name,
        "a .npz file that was written together with a model",
        "Check the path, or quantize the model again to have them written anew",
    )
