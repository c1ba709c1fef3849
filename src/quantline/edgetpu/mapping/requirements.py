"""Requirements on every operator, a function each, and the reason why a single one is not mapped.

The requirements are Coral's: 8-bit tensors, sizes and parameters that are constant at compile
time, and at most the three innermost dimensions above 1.
Source: https://coral.ai/docs/edgetpu/models-intro/#model-requirements

The TensorFlow Lite inside the compiler refuses whole models with newer operators. Compiler 16.0 is
of July 2021, between TensorFlow 2.6 and 2.7. The limits are the versions that TensorFlow's
``runtime_version.cc`` dates to 2.6 or earlier; users have published refusals of newer ones
(github.com/google-coral/edgetpu issues 631, 667, 845 and 879).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.edgetpu.mapping.operators import TABLE, Site
from quantline.edgetpu.mapping.rules import LIMITS
from quantline.edgetpu.vocabulary import (
    INTEGER_8,
    Provenance,
    Reason,
    Status,
    activations,
    extent,
)
from quantline.tflite.consistency import OPERATORS

if TYPE_CHECKING:
    from quantline.tflite.graph import Graph, Operator, Subgraph

# Of operators that the Edge TPU does not have, by their newest version.
_OUTSIDE_TABLE = {
    1: "ADD_N CEIL COS CUMSUM ELU EXP FLOOR FLOOR_MOD HARD_SWISH LOCAL_RESPONSE_NORMALIZATION LOG "
    "NEG NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 ONE_HOT POW RANGE RANK REDUCE_ANY ROUND "
    "SCATTER_ND SEGMENT_SUM SELECT_V2 SHAPE SIN SQRT SQUARE UNIQUE WHERE",
    2: "ARG_MAX ARG_MIN DEPTH_TO_SPACE DIV FAKE_QUANT FLOOR_DIV GREATER GREATER_EQUAL LEAKY_RELU "
    "LESS LESS_EQUAL LOG_SOFTMAX MIRROR_PAD REDUCE_PROD SELECT SPLIT_V TOPK_V2",
    3: "BATCH_TO_SPACE_ND BIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_RNN BROADCAST_TO "
    "EMBEDDING_LOOKUP EQUAL FILL GATHER_ND NOT_EQUAL REVERSE_V2 RNN SPACE_TO_BATCH_ND "
    "SPARSE_TO_DENSE UNIDIRECTIONAL_SEQUENCE_RNN",
    4: "ABS BATCH_MATMUL PADV2 SVDF UNPACK",
    5: "GATHER",
}
_NEWEST_VERSION = {
    **{name: version for version, names in _OUTSIDE_TABLE.items() for name in names.split()},
    **{name: entry.version for name, entry in TABLE.items()},
}
# The last one that is dated to 2.6; 150, GELU, was refused as out of range.
_NEWEST_OPERATOR = "BROADCAST_ARGS"
_NUMBERS = {name: number for number, name in OPERATORS.items()}


COMPILED_OPERATOR = "edgetpu-custom-op"

# Control flow gives tensors whose size is known only when the model runs.
_CONTROL_FLOW = frozenset({"IF", "WHILE"})


def is_compiled(operator: Operator) -> bool:
    """Return whether an operator is a group of others that was compiled for the Edge TPU."""
    return operator.is_custom and operator.type == COMPILED_OPERATOR


def has_compiled(graph: Graph) -> bool:
    """Return whether a model holds something that was compiled for the Edge TPU."""
    return any(map(is_compiled, graph.main.operators))


def find_reason(operator: Operator, subgraph: Subgraph, runtime_version: int) -> Reason | None:
    """Return the first reason why an operator cannot, or may not, run on the Edge TPU, or None.

    They come in the compiler's own order where it is known. The operator is judged alone: whether
    it lies in the subgraph that gets compiled is decided by
    :mod:`quantline.edgetpu.mapping.partition`.
    """
    site = Site(operator, subgraph, runtime_version)
    found = (requirement(site) for requirement in _REQUIREMENTS)
    return next((reason for reason in found if reason is not None), None)


def _known(site: Site) -> Reason | None:
    """The compiler's interpreter has the operator, in this version."""
    operator = site.operator
    if operator.is_custom:
        # Operators of TensorFlow itself (SELECT_TF_OPS) were refused, issue 718.
        if operator.type.startswith("Flex"):
            return _refused(Status.FLEX, "the compiler's interpreter has no TensorFlow operators")
        return None
    if _NUMBERS.get(operator.type, 0) > _NUMBERS[_NEWEST_OPERATOR]:
        return _refused(Status.OUT_OF_RANGE, "the operator is newer than the compiler")
    newest = _NEWEST_VERSION.get(operator.type)
    if newest is None or operator.version <= newest:
        return None
    return _refused(
        Status.NOT_FOUND,
        f"version {operator.version} of the operator is newer than the compiler, which knows "
        f"those up to {newest}",
    )


def _static(site: Site) -> Reason | None:
    """Every size is known before the model runs; sizes inside follow from those of the inputs."""
    operator, tensors = site.operator, site.tensors
    sizes = [site.input(position) for position in (site.entry.sizes if site.entry else ())]
    model_inputs = set(operator.inputs).intersection(site.subgraph.inputs)
    if any(size is not None and size.constant is None for size in sizes):
        rule = "inputs that set a shape must be constants"
    elif any(size < 0 for index in model_inputs for size in tensors[index].shape[1:]):
        rule = "every size of the model's inputs but the batch must be known"
    elif operator.type in _CONTROL_FLOW and not operator.is_custom:
        rule = "no control flow"
    else:
        return None
    return _refused(Status.DYNAMIC, rule)


def _dtype(site: Site) -> Reason | None:
    """Tensors have 8 bits."""
    checked = activations(site.operator, site.tensors)
    if site.operator.type == "QUANTIZE":
        # Of one with a float input the compiler says something else: see rules.quantize.
        checked = [tensor for tensor in checked if tensor.index in site.operator.outputs]
    wrong = sorted({tensor.dtype for tensor in checked} - INTEGER_8)
    if not wrong:
        return None
    rule = f"tensors must be int8 or uint8, not {' or '.join(wrong)}"
    return Reason(Status.DTYPE, rule, Provenance.DOCUMENTED)


def _in_table(site: Site) -> Reason | None:
    """The Edge TPU has the operator, in this runtime."""
    if site.entry is None:
        rule, provenance = "the operator is not in the documented table", Provenance.DOCUMENTED
    elif site.runtime_version < site.entry.runtime:
        rule = f"the operator needs Edge TPU runtime {site.entry.runtime}"
        provenance = Provenance.MEMORY
    else:
        return None
    return Reason(Status.NOT_SUPPORTED, rule, provenance)


def _parameters(site: Site) -> Reason | None:
    """Parameters are constants."""
    for position in site.entry.parameters if site.entry else ():
        parameter = site.input(position)
        if parameter is not None and parameter.constant is None:
            rule = f"parameters must be constants; input {position} is not"
            return Reason(Status.NOT_CONSTANT, rule, Provenance.REPORTED)
    return None


def _rank(site: Site) -> Reason | None:
    """At most the three innermost dimensions are above 1."""
    for tensor in activations(site.operator, site.tensors):
        if any(size != 1 for size in extent(tensor)[:-3]):
            rule = f"only the 3 innermost dimensions may be above 1, not {list(tensor.shape)}"
            return Reason(Status.RANK, rule, Provenance.DOCUMENTED)
    return None


def _limit(site: Site) -> Reason | None:
    """The limits of the operator's type are kept."""
    limit = LIMITS.get(site.operator.type)
    return None if limit is None else limit(site)


# Data types come before the table: logs give ARG_MAX to int64 and custom operators with float
# outputs an unsupported data type, and integer TOPK_V2 an unsupported operation.
_REQUIREMENTS = (_known, _static, _dtype, _in_table, _parameters, _rank, _limit)


def _refused(status: Status, rule: str) -> Reason:
    return Reason(status, rule, Provenance.REPORTED, refuses_model=True)
