"""All contract rules by their ids, with meaning, source and severity."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from quantline.contract.finding import Finding, Severity
from quantline.contract.specification import WRITTEN
from quantline.quantization.layer_pairs import layer_of

if TYPE_CHECKING:
    from quantline.tflite import Operator, Quantization, Subgraph, Tensor


@dataclass(frozen=True)
class Rule:
    """One rule that a model is held to."""

    severity: Severity  # the severity of a finding that breaks it
    meaning: str  # the demand, in one line
    source: str  # the document that states it, or the measurement behind it
    remedy: str | None = None  # the remedy for a model that breaks it, where there is a general one


_PROMISE = "the promise of integer-only quantization"
_KERNELS = "TensorFlow Lite's kernels"

RULES: dict[str, Rule] = {
    # Integer-only.
    "integer.operator": Rule(
        "integer_only", "integers in every tensor that an operator reads or writes", _PROMISE),
    "integer.weights_only": Rule(
        "integer_only", "integer activations where the weights are integers", _PROMISE,
        remedy="Quantize activations too: with a scheme such as int8, and calibration data"),
    "integer.simulated": Rule(
        "integer_only", "integers in place of simulated quantization", _PROMISE,
        remedy="Quantize the model: simulated quantization only trains for it"),
    "integer.tensor": Rule(
        "integer_only", "integers in tensors that no operator touches", _PROMISE),
    "custom.unknown": Rule(
        "integer_only", "no custom operator, since what it computes is not known", _PROMISE,
        remedy="Replace it in the float model by builtin operators"),
    "custom.flex": Rule(
        "integer_only", "no TensorFlow operator, since those compute in float", _PROMISE,
        remedy="Replace it in the float model by builtin operators"),
    "integer.unknown": Rule(
        "integer_only", "builtin operators that the installed schema knows", "schema.fbs",
        remedy="Install a newer ai-edge-litert, or convert with an older TensorFlow"),
    # The specification, of any tensor.
    "model.uint8": Rule("specification", "int8 activations and symmetric weights", WRITTEN,
        remedy="Check it against the former specification (`specification='uint8'`), or convert "
        "the original model again, with TensorFlow 2"),
    "model.int8": Rule(
        "specification", "uint8 activations, where the former specification was asked for",
        "TensorFlow 1's quantization-aware training",
        remedy="Hold it to the specification of int8, which is the default"),
    "tensor.scale": Rule("specification", "positive, finite scales, or 0 for stored zeros",
        "real = scale * (q - zero)",
        remedy="Check the values of this tensor in the float model; all zero, or not finite?"),
    # Of activations.
    "activation.type": Rule(
        "specification", "int8 activations, or int16 ones throughout an operator", WRITTEN),
    "activation.scale": Rule("specification", "one scale for an activation", WRITTEN),
    "activation.zero_point": Rule(
        "specification", "a zero point in [-128, 127] for int8 activations, and 0 for int16 ones",
        f"{WRITTEN}; operator_property.cc for int16"),
    "activation.fixed": Rule(
        "specification", "the output's scale and zero point that the function fixes", WRITTEN),
    "activation.power_of_two": Rule(
        "specification", "a power of two as the scale of an LSTM's cell state",
        "operator_property.cc; lstm.cc, which shifts by its logarithm"),
    "activation.same_scale": Rule("specification",
        "one scale and zero point for all inputs and outputs of an operator that copies integers, "
        "so far that none is off by half a step", f"{WRITTEN}; operator_property.cc; {_KERNELS}"),
    "activation.int16": Rule("specification", "operators whose kernel takes int16 activations",
        "measured with LiteRT 2.3",
        remedy="Quantize with the scheme int8, or replace the operator in the float model"),
    # Of weights.
    "weights.type": Rule("specification", "int8 weights", WRITTEN),
    "weights.range": Rule(
        "specification", "weights in [-127, 127], or -128 once in an output channel",
        f"{WRITTEN}; arithmetic: two products of -128 and -128 overflow the int16 in which kernels "
        "for Arm sum two"),
    "weights.zero_point": Rule("specification", "zero points of 0 for weights", WRITTEN),
    "weights.axis": Rule(
        "specification", "one scale for weights, or one for each of their outputs", WRITTEN),
    # Of biases.
    "bias.type": Rule(
        "specification", "an int32 bias; int64 or int32 with int16 activations", WRITTEN),
    "bias.scale": Rule("specification",
        "a bias scale equal to input scale times weight scale, so far that no output is off by "
        "half a step", f"{WRITTEN}; kernel_util.cc"),
    "bias.zero_point": Rule("specification", "zero points of 0 for a bias", WRITTEN),
    # Across subgraphs.
    "call.same_scale": Rule("specification",
        "one dtype, scale and zero point for a value inside and outside of a control-flow body",
        "the kernels while.cc and if.cc, which copy integers"),
    # Worth knowing.
    "operator.unspecified": Rule(
        "note", "quantized operators that the specification's table names", "this table's limits"),
    "tensor.sparse": Rule("note", "dense tensors, since the values of sparse ones are not judged",
        "this reader's limits"),
    "activation.no_range": Rule(
        "note", "a range wider than the 1e-6 to which the quantizer widens an empty one",
        "kNearZeroTolerance in TensorFlow's quantization_utils.h",
        remedy="Record ranges from samples that reach this layer"),
    "activation.unused_range": Rule(
        "note", "a range of which a fused activation function reaches at least a quarter",
        "the values that RELU, RELU6 and RELU_N1_TO_1 can give",
        remedy="Choose this range anew: record again, from samples of the right scale"),
    "scales.apart": Rule(
        "note", "inputs that fill at least 16 steps of the output they are joined into",
        "arithmetic: with fewer, less than 4 of the 8 bits remain",
        remedy="Bring the ranges of what is joined closer together in the float model"),
    "weights.dead_channel": Rule("note", "weights that are not all zero in a channel", "arithmetic",
        remedy="Remove these channels from the float model: they cost time and give nothing"),
    "weights.unused_range": Rule("note", "a largest weight of at least 16 steps in each channel",
        "arithmetic, as for scales.apart; on channels: Nagel et al. 2019, arXiv:1906.04721",
        remedy="Quantize per axis, or bring the weights of the channels closer together"),
    "constant.saturated": Rule(
        "note", "constants of which less than half stand at the ends of the range", "arithmetic"),
    "bias.saturated": Rule("note", "biases within int32", "arithmetic"),
}  # fmt: skip


@dataclass(frozen=True)
class Site:
    """An operator in its subgraph, which is judged."""

    subgraph: Subgraph
    operator: Operator

    def broken(
        self,
        rule: str,
        tensor: Tensor | None,
        found: str,
        expected: str | None = None,
        effect_steps: float | None = None,
    ) -> Finding:
        """Return the finding that a rule is broken here, as :func:`broken` does."""
        return broken(
            rule, self.subgraph, self.operator, tensor, found,
            expected=expected, effect_steps=effect_steps,
        )  # fmt: skip


def broken(
    rule: str,
    subgraph: Subgraph,
    operator: Operator | None,
    tensor: Tensor | None,
    found: str,
    *,
    severity: Severity | None = None,
    expected: str | None = None,
    remedy: str | None = None,
    effect_steps: float | None = None,
) -> Finding:
    """Return the finding that a rule is broken at a place in the model.

    Severity, expectation and remedy are those of the rule where they are not given; with all of
    them given, the rule may be another's than these.

    Args:
        rule: The rule's id.
        subgraph: The place's subgraph.
        operator: The operator; None where a tensor alone is meant.
        tensor: The tensor; None where the whole model is meant.
        found: The fact.
        severity: The promise that is broken here.
        expected: The demand here.
        remedy: The remedy here.
        effect_steps: By how many steps what the operator gives is off; None where not computed.
    """
    return Finding(
        rule=rule,
        severity=severity or RULES[rule].severity,
        subgraph=subgraph.index,
        operator=None if operator is None else operator.index,
        type=operator.type if operator is not None else "MODEL" if tensor is None else "TENSOR",
        tensor=None if tensor is None else tensor.index,
        name="" if tensor is None else tensor.name,
        layer=None if tensor is None else layer_of(tensor.name),
        found=found,
        expected=expected or RULES[rule].meaning,
        remedy=remedy or (RULES[rule].remedy if rule in RULES else None),
        # JSON has no infinity: a tensor whose reader has no usable scale.
        effect_steps=effect_steps if effect_steps is not None and isfinite(effect_steps) else None,
    )


def parameters(quantization: Quantization | None) -> str:
    """Return scale and zero point as text; of per-axis ones, their number."""
    if quantization is None:
        return "no scale"
    if len(quantization.scales) > 1:
        return f"{len(quantization.scales)} scales along dimension {quantization.axis}"
    return f"scale {quantization.scales[0]:.9g}, zero point {quantization.zero_points[0]}"
