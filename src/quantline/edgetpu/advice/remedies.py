"""Replacements for what the Edge TPU does not take, as data.

A replacement by another function (RELU6 for HARD_SWISH) asks for training again; where one computes
the same, that follows from the operators' definitions.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantline.edgetpu.vocabulary import Status

_CORAL = "https://coral.ai/docs/edgetpu/"
_REQUIREMENTS = _CORAL + "models-intro/#model-requirements"
_OPERATIONS = _CORAL + "models-intro/#supported-operations"
_ISSUES = "https://github.com/google-coral/edgetpu/issues/"
_DEFINITION = "the operators' definitions"
_MODELS = "Coral's own compiled models"


@dataclass(frozen=True)
class Remedy:
    """A change of the model, or of how it is compiled."""

    advice: str
    source: str


EDGES = Remedy(
    "Convert with int8 or uint8 inputs and outputs. Float ones cost one QUANTIZE an input and one "
    "DEQUANTIZE an output on the CPU, and do not break the subgraph.", _MODELS)  # fmt: skip
QUANTIZED = Remedy("Quantize the whole model to int8, its activations too.", _REQUIREMENTS)
APPLICATION = Remedy("Leave it to the application: end the model before it.", _MODELS)
NEWER_RUNTIME = Remedy("Compile for a newer Edge TPU runtime.", _OPERATIONS)
BATCH = Remedy("Convert with a batch of 1, and run the examples one by one.", _ISSUES + "30")
MULTIPLE = Remedy(
    "Compile with --enable_multiple_subgraphs, which changes no operator. Each group is a transfer "
    "to the Edge TPU and back: measure it, one user's model became ten times slower.",
    _ISSUES + "342")  # fmt: skip

_OUTSIDE = Remedy(
    "No operator of the Edge TPU's replaces it: move it behind all operators that should be "
    "mapped, or into the application.", _OPERATIONS)  # fmt: skip
_NO_BATCH = Remedy("Leave the batch dimension out of it.", _OPERATIONS)
_ACTIVATION = Remedy("Make the activation function an operator of its own.", _OPERATIONS)
_RECTIFIED = Remedy(
    "RELU, or a PRELU with one alpha a channel (Keras: PReLU(shared_axes=[1, 2])).", _ISSUES + "508"
)
_RESIZED = Remedy(
    "Enlarge in steps of 2 up to 128 pixels a side, one pixel by TILE, or by TRANSPOSE_CONV, or "
    "leave the last resize to the application.", _ISSUES + "31")  # fmt: skip

# Operators that the Edge TPU does not have.
INSTEAD: dict[str, Remedy] = {
    "ABS": Remedy("MAXIMUM of the tensor and its product with -1.", _DEFINITION),
    "ADD_N": Remedy("A chain of ADD.", _DEFINITION),
    "ARG_MAX": APPLICATION,
    "ARG_MIN": APPLICATION,
    "BATCH_MATMUL": Remedy(
        "FULLY_CONNECTED, or CONV_2D of 1x1, where one side is constant.", _DEFINITION),
    "BATCH_TO_SPACE_ND": Remedy("A convolution with a dilation rate.", _OPERATIONS),
    "CAST": APPLICATION,
    "DEPTH_TO_SPACE": Remedy("TRANSPOSE_CONV, or a resize and CONV_2D.", _ISSUES + "509"),
    "DIV": Remedy("MUL by the reciprocal, where the divisor is constant.", _DEFINITION),
    "ELU": _RECTIFIED,
    "FLOOR_DIV": APPLICATION,
    "FLOOR_MOD": APPLICATION,
    "GATHER": Remedy("STRIDED_SLICE or SPLIT, where the indices are constant.", _DEFINITION),
    "GATHER_ND": APPLICATION,
    "GELU": _RECTIFIED,
    "HARD_SWISH": Remedy(
        "RELU6, as EfficientNet-Lite does, or a product with LOGISTIC, as YOLO v5 does.",
        _ISSUES + "272"),
    "LEAKY_RELU": Remedy(
        "A PRELU with one alpha a channel (Keras: PReLU(shared_axes=[1, 2])), which computes the "
        "same if all alphas are the slope; or RELU.", _ISSUES + "147"),
    "LOG_SOFTMAX": Remedy("SOFTMAX, with the logarithm in the application.", _DEFINITION),
    "MIRROR_PAD": Remedy("PAD, which pads with zeros.", _OPERATIONS),
    "NEG": Remedy("MUL by -1.", _DEFINITION),
    "PADV2": Remedy("PAD, which pads with zeros.", _OPERATIONS),
    "PosenetDecoderOp": APPLICATION,
    "POW": Remedy("MUL, for a whole exponent.", _DEFINITION),
    "SPACE_TO_BATCH_ND": Remedy("A convolution with a dilation rate.", _OPERATIONS),
    "SPLIT_V": Remedy("SPLIT into equal parts, or a STRIDED_SLICE a part.", _DEFINITION),
    "SQUARE": Remedy("MUL of the tensor by itself.", _DEFINITION),
    "TFLite_Detection_PostProcess": APPLICATION,
    "TOPK_V2": APPLICATION,
    "UNPACK": Remedy("A STRIDED_SLICE a part, which may shrink the axis.", _DEFINITION),
}  # fmt: skip

# Operators that the Edge TPU has, beyond their limits.
WITHIN: dict[str, Remedy] = {
    "AVERAGE_POOL_2D": _ACTIVATION,
    "CONCATENATION": Remedy(
        "Make the activation function an operator of its own, and add constants by PAD, or in the "
        "application.", _OPERATIONS),
    "CONV_2D": Remedy("The same dilation in x and y.", _OPERATIONS),
    "DEPTHWISE_CONV_2D": Remedy("The same dilation in x and y.", _OPERATIONS),
    "FULLY_CONNECTED": Remedy(
        "For several rows, CONV_2D of 1x1 over a map with one pixel a row.", _DEFINITION),
    "MAX_POOL_2D": _ACTIVATION,
    "MEAN": Remedy("Split the map, and take the mean of the parts' means.", _ISSUES + "461"),
    "PACK": _NO_BATCH,
    "PAD": _NO_BATCH,
    "PRELU": Remedy("One alpha a channel (Keras: PReLU(shared_axes=[1, 2])).", _OPERATIONS),
    "QUANTIZE": EDGES,
    "REDUCE_MAX": _NO_BATCH,
    "REDUCE_MIN": _NO_BATCH,
    "RESIZE_BILINEAR": _RESIZED,
    "RESIZE_NEAREST_NEIGHBOR": _RESIZED,
    "SOFTMAX": Remedy("Leave it to the application: end the model before it.", _OPERATIONS),
    "SPLIT": _NO_BATCH,
    "SQUEEZE": Remedy("RESHAPE.", _DEFINITION),
    "STRIDED_SLICE": Remedy("Write the slice with neither ellipsis nor new axis.", _OPERATIONS),
    "SUM": _NO_BATCH,
    "TILE": Remedy("The broadcasting of ADD or MUL, which needs no TILE.", _DEFINITION),
    "TRANSPOSE": Remedy(
        "Keep channels last throughout: a model that was converted from channels first transposes "
        "at every turn. Else transpose smaller tensors.", _ISSUES + "193"),
}  # fmt: skip

# What a status alone decides, whatever the operator.
BY_STATUS: dict[Status, Remedy] = {
    Status.DYNAMIC: Remedy(
        "Fix the batch and all other sizes before converting, and have no control flow (Keras: "
        "Input(batch_size=1, ...), RNN with unroll=True).", _REQUIREMENTS),
    Status.FLEX: Remedy(
        "Convert without SELECT_TF_OPS: write what needs it in TensorFlow Lite's own operators.",
        _ISSUES + "718"),
    Status.NOT_CONSTANT: Remedy(
        "Make it a constant, or a product of two tensors by MUL and SUM.", _REQUIREMENTS),
    Status.NOT_FOUND: Remedy(
        "Convert with a TensorFlow of about version 2.5, which is the compiler's.",
        _ISSUES + "147"),
    Status.RANK: Remedy(
        "Merge dimensions (RESHAPE) until at most the 3 innermost are above 1.", _REQUIREMENTS),
    Status.STRIDES: Remedy(
        "SPACE_TO_DEPTH, or a convolution or a pooling with strides.", _OPERATIONS),
}  # fmt: skip


def outside(kind: str) -> Remedy:
    """Return the remedy for an operator that the Edge TPU does not have."""
    return INSTEAD.get(kind, _OUTSIDE)
