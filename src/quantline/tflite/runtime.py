"""Running a ``.tflite`` model on the CPU with LiteRT: on XNNPACK, or on another set of kernels."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from quantline.errors import ModelUnsupported, excerpt
from quantline.quiet import silenced_stderr
from quantline.tflite.tensor_io import TensorIO

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

Kernels = Literal["xnnpack", "builtin", "reference"]
"""Sets of kernels. ``xnnpack``: the XNNPACK delegate, and the built-in kernels for what it does
not take; an interpreter's default. ``builtin``: the optimized built-in kernels alone.
``reference``: the plain C++ kernels that define what the operators mean."""

_RESOLVERS: dict[Kernels, str] = {
    "xnnpack": "BUILTIN",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}


class Runtime:
    """A loaded model, ready to run.

    Attributes:
        inputs: Its inputs.
        outputs: Its outputs.
    """

    def __init__(
        self,
        model: bytes,
        threads: int | None = None,
        kernels: Kernels = "xnnpack",
        delegates: Sequence[Any] = (),
        *,
        keep_all: bool = False,
    ) -> None:
        """Load a model.

        Args:
            model: A ``.tflite`` file's bytes, known to be readable.
            threads: CPU threads; all cores by default.
            kernels: The set of kernels.
            delegates: Loaded delegates, which take over what they can before the kernels do.
            keep_all: True to keep every tensor readable after a run; not on ``xnnpack``, which has
                no tensors between the operators that it takes.

        Raises:
            ModelUnsupported: The runtime refuses the model.
        """
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        try:
            with silenced_stderr():  # the runtime announces each delegate there
                self._interpreter = Interpreter(
                    model_content=model,
                    num_threads=threads or os.cpu_count(),
                    experimental_op_resolver_type=OpResolverType[_RESOLVERS[kernels]],
                    experimental_delegates=list(delegates),
                    experimental_preserve_all_tensors=keep_all,
                )
                self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            remedy = "Convert it without Flex (SELECT_TF_OPS) and custom operators"
            if "edgetpu-custom-op" in str(error):
                remedy = "It was compiled for the Edge TPU: on the CPU, run what it was made from"
            raise ModelUnsupported(
                "The LiteRT runtime cannot load the model",
                found=excerpt(str(error)) or type(error).__name__,
                expected="a model of builtin operators that LiteRT knows",
                remedy=remedy,
                details=str(error),
            ) from error
        self._read_ports()

    def set(self, *values: np.ndarray) -> None:
        """Set the inputs, in their order, as the model stores them."""
        for port, value in zip(self.inputs, values, strict=True):
            self._interpreter.set_tensor(port.index, value)

    def reset(self) -> None:
        """Reset the state that the model keeps between runs, such as a cell's."""
        self._interpreter.reset_all_variables()

    def invoke(self) -> None:
        """Run the model once, from its initial state."""
        self._interpreter.reset_all_variables()
        self._interpreter.invoke()

    def get(self) -> list[np.ndarray]:
        """Return copies of the outputs, in their order, as the model stores them."""
        return [self._interpreter.get_tensor(port.index) for port in self.outputs]

    def views(self) -> list[np.ndarray]:
        """Return the outputs without copying them; drop the views before the next call."""
        # The runtime refuses to run while a view exists, so each call makes new ones.
        return [self._interpreter.tensor(port.index)() for port in self.outputs]

    def resize(self, *shapes: tuple[int, ...]) -> None:
        """Give the inputs, in their order, other shapes.

        Raises:
            ModelUnsupported: The model cannot be run with them.
        """
        try:
            with silenced_stderr():
                for port, shape in zip(self.inputs, shapes, strict=True):
                    self._interpreter.resize_tensor_input(port.index, shape)
                self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ModelUnsupported(
                "The model cannot be run with inputs of another shape",
                found=f"{', '.join(map(str, shapes))}: {str(error).strip()}",
                expected="shapes that every operator can take",
                remedy="Give samples of the shape that the model was exported with",
            ) from error
        self._read_ports()

    def tensor(self, index: int) -> np.ndarray:
        """Return a copy of any tensor, of a runtime that keeps all."""
        value: np.ndarray = self._interpreter.get_tensor(index)
        return value

    def shapes(self) -> dict[int, tuple[int, ...]]:
        """Return the shape that each tensor has by now, by its index."""
        details = self._interpreter.get_tensor_details()
        return {found["index"]: tuple(map(int, found["shape"])) for found in details}

    def run(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run real-valued inputs through to real-valued outputs, quantizing at the edges.

        Takes an array for each input, of its shape, and returns a float32 array for each output.
        """
        self.set(*(port.quantize(value) for port, value in zip(self.inputs, values, strict=True)))
        self.invoke()
        stored = zip(self.outputs, self.get(), strict=True)
        return [port.dequantize(value) for port, value in stored]

    def predict(self, real: np.ndarray) -> np.ndarray:
        """Run one real-valued input, with or without its batch of 1, through to the first output.

        It is quantized at the edges; the output is a float32 array.
        """
        return self.run([real.reshape(self.inputs[0].shape)])[0]

    def _read_ports(self) -> None:
        self.inputs = tuple(TensorIO.of(detail) for detail in self._interpreter.get_input_details())
        self.outputs = tuple(map(TensorIO.of, self._interpreter.get_output_details()))
