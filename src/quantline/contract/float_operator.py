"""What an operator that reads or writes floats does, seen from its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from quantline.contract.conformance import operators_of_family
from quantline.contract.control_flow import CONTROL_FLOW
from quantline.contract.specification import SPECIFICATION, Family
from quantline.errors import first_few
from quantline.tflite.graph import is_integer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.tflite import Operator, Subgraph, Tensor


class Neighbours:
    """Which operator writes each tensor of a subgraph, and which read it."""

    def __init__(self, subgraph: Subgraph) -> None:
        self.writer: dict[int, str] = {}
        self.readers: dict[int, list[str]] = {}
        self._is_partly_integer = bool(operators_of_family(subgraph, get_args(Family)))
        for operator in subgraph.operators:
            self.writer.update(dict.fromkeys(operator.outputs, operator.type))
            for index in operator.inputs:
                self.readers.setdefault(index, []).append(operator.type)

    def rule_and_reason(
        self, operator: Operator, inputs: Sequence[Tensor], dtype: str
    ) -> tuple[str, str]:
        """Return which rule an operator with floats breaks, and how.

        Args:
            operator: The operator.
            inputs: Its inputs.
            dtype: The dtype of the first of its tensors that is not an integer.
        """
        rule = "integer.operator"
        if operator.type == "DEQUANTIZE":
            readers = sorted({*self.readers.get(operator.outputs[0], ())})
            reader = first_few(readers, 3) or "the model's output"
            found = f"turns integers into {dtype} for {reader}"
            if inputs and inputs[0].dtype == "float16":
                found = f"widens float16 constants for {reader}"
        elif operator.type == "QUANTIZE":
            writer = self.writer.get(operator.inputs[0])
            found = f"turns {f'what {writer} gives' if writer else 'float values'} into integers"
        elif operator.type in CONTROL_FLOW:
            found = f"hands {dtype} values to its bodies"
        elif operator.type == "FAKE_QUANT":
            rule, found = "integer.simulated", f"simulates quantization in {dtype}"
        elif any(
            model_input.constant is not None and _is_quantized(model_input)
            for model_input in inputs
        ):
            rule = "integer.weights_only"
            found = f"has integer weights but computes on {dtype} activations"
        elif operator.type not in SPECIFICATION:
            found = f"computes in {dtype}: the converter has no integer form for it"
        elif self._is_between(operator, inputs):
            # Where others compute with integers, it is one that a converter left in float.
            rule = rule if self._is_partly_integer else "integer.simulated"
            found = f"computes in {dtype} between DEQUANTIZE and QUANTIZE, and has an integer form"
        else:
            found = f"computes in {dtype}, and has an integer form"
        return rule, found

    def _is_between(self, operator: Operator, inputs: Sequence[Tensor]) -> bool:
        """Whether its values were integers just before, and are again just after."""
        sources = {
            self.writer.get(model_input.index)
            for model_input in inputs
            if model_input.dtype == "float32" and model_input.constant is None
        }
        targets = [reader for index in operator.outputs for reader in self.readers.get(index, ())]
        return sources == {"DEQUANTIZE"} and set(targets) == {"QUANTIZE"}


def _is_quantized(tensor: Tensor) -> bool:
    return is_integer(tensor.dtype) and tensor.quantization is not None
