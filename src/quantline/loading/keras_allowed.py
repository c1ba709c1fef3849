"""The classes and functions that a Keras file may name: those that compute, and no others.

The lists name what is allowed. Additions of later versions of Keras or TensorFlow are refused until
they are listed here or exported as a layer.
"""

from __future__ import annotations

import inspect
import re
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import ModuleType

# The name spaces of a Keras library that hold the parts of models.
_NAMESPACES = (
    "layers", "models", "activations", "initializers", "regularizers", "constraints", "losses",
    "metrics", "optimizers", "optimizers.schedules", "dtype_policies", "mixed_precision",
)  # fmt: skip
# Those that export functions that compute, except the builders of configured objects.
_FUNCTIONS = ("activations", "initializers", "regularizers", "constraints", "losses", "metrics")
_BUILDERS = frozenset({"get", "serialize", "deserialize"})
# Exported elsewhere.
_SINGLE = ("DTypePolicy", "Model", "Sequential", "random.SeedGenerator", "KerasTensor")
# Layers that run code, or that another library loads from a file.
_FORBIDDEN_LAYERS = frozenset({
    "Lambda", "TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper", "DenseFeatures",
    "SequenceFeatures",
})  # fmt: skip
# Classes of Keras 2, not exported, in which a functional model, or an operator of TensorFlow in
# one, is stored. Their effect depends on their configuration.
OPERATORS = frozenset({
    "TFOpLambda", "SlicingOpLambda", "InstanceProperty", "InstanceMethod", "TensorFlowOpLayer",
})  # fmt: skip
_KERAS_2_CLASSES = frozenset({
    "AddLoss", "AddMetric", "BatchNormalizationV1", "BatchNormalizationV2", "CuDNNGRU",
    "CuDNNLSTM",
})  # fmt: skip
# TensorFlow's initializers, which Keras 2 takes as its own.
_TF_INITIALIZERS = frozenset(
    {"tensorflow.python.ops.init_ops_v2", "tensorflow.python.ops.init_ops"}
)
# Values that are stored as mappings with a class name.
VALUES = frozenset({
    "__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__",
    "__tuple__", "TensorShape",
})  # fmt: skip
ATTRIBUTES = frozenset({
    "shape", "dtype", "ndim", "T", "values", "flat_values", "row_splits", "to_tensor",
    "row_lengths", "get_shape",
})  # fmt: skip
# Functions of TensorFlow that take tensors and give tensors. The first are whole name spaces in
# which every function does; a class or a name space within them does not fit the pattern.
_TF_NAMESPACES = "math|nn|linalg|signal|bitwise|image|quantization"
_TF_FUNCTIONS = frozenset(
    """
    abs acos acosh add add_n argmax argmin argsort asin asinh atan atan2 atanh batch_to_space
    batch_to_space_nd bitcast boolean_mask broadcast_dynamic_shape broadcast_static_shape
    broadcast_to cast ceil clip_by_global_norm clip_by_norm clip_by_value complex concat constant
    convert_to_tensor cos cosh cumsum depth_to_space div div_no_nan divide dtypes.cast
    dtypes.saturate_cast dynamic_partition dynamic_stitch edit_distance eig eigvals einsum
    ensure_shape equal exp expand_dims eye fill fingerprint floor floordiv floormod gather
    gather_nd greater greater_equal guarantee_const histogram_fixed_width identity identity_n
    is_tensor less less_equal linspace log log1p log_sigmoid logical_and logical_not logical_or
    logical_xor matmul matrix_square_root maximum meshgrid minimum mod multiply negative no_op
    norm not_equal one_hot ones ones_like pad pow random.normal random.shuffle
    random.stateless_normal random.stateless_truncated_normal random.stateless_uniform
    random.truncated_normal random.uniform random_normal random_uniform range rank realdiv real
    reciprocal reduce_all reduce_any reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod
    reduce_sum repeat reshape reverse reverse_sequence roll round rsqrt saturate_cast scatter_nd
    searchsorted sequence_mask shape shape_n sigmoid sign sin sinh size slice sort space_to_batch
    space_to_batch_nd sparse.to_dense split sqrt square squared_difference squeeze stack
    stop_gradient strided_slice subtract tan tanh tensor_scatter_nd_add
    tensor_scatter_nd_max tensor_scatter_nd_min tensor_scatter_nd_sub tensor_scatter_nd_update
    tensordot tile to_bfloat16 to_double to_float to_int32 to_int64 transpose truediv
    truncatediv truncatemod unique unique_with_counts unravel_index unstack
    where where_v2 zeros zeros_like ones_like_v2 zeros_like_v2
""".split()
) - {"switch_case", "timestamp", "vectorized_map.identity"}
_TF_IN_NAMESPACE = re.compile(rf"(?:{_TF_NAMESPACES}|__operators__)\.[a-z][a-z0-9_]*")


def is_tensor_function(symbol: str) -> bool:
    """Return True if a symbol of TensorFlow, as Keras 2 stores it, only computes."""
    name = re.sub(r"^compat\.v[12]\.", "", symbol)
    return name in _TF_FUNCTIONS or bool(_TF_IN_NAMESPACE.fullmatch(name))


class Allowed:
    """The names that a file may use when one of the Keras libraries loads it.

    Args:
        library: The module ``keras`` or ``tf_keras``.
        own: Names of classes and functions of a module that the user gave.
    """

    def __init__(self, library: ModuleType, own: Collection[str] = ()) -> None:
        self._library, self._own = library, frozenset(own)
        self._name = library.__name__

    @property
    def is_keras3(self) -> bool:
        """True for Keras 3."""
        return self._name == "keras"

    def is_own_name(self, name: object) -> bool:
        """Return True for a class or function that the user gave."""
        return isinstance(name, str) and name in self._own

    def is_class(self, name: str, module: str | None) -> bool:
        """Return True if a class may be built, which a file names with or without its module."""
        if module is None:
            plain = {known.__name__ for known in self._classes.values()} | self._additional
            return name in self._classes or name in plain
        if module in _TF_INITIALIZERS and not self.is_keras3:
            return name in self._classes
        found = self._find(name, module)
        if not inspect.isclass(found):
            return False
        return (
            found in self._classes.values()
            or self._is_operation(found)
            or self._is_of_application(found)
            or (name in self._additional and self._is_own(found))
        )

    def is_function(self, name: str, module: str | None) -> bool:
        """Return True if a function may be called, named with or without its module."""
        if module in {None, "builtins"}:
            return name in self._functions
        found = self._find(name, str(module))
        return found is not None and found in self._functions.values()

    @property
    def _additional(self) -> frozenset[str]:
        functional = frozenset({"Functional"})
        return functional if self.is_keras3 else functional | OPERATORS | _KERAS_2_CLASSES

    @cached_property
    def _classes(self) -> dict[str, type]:
        found = {path.rpartition(".")[2]: _walk(self._library, path) for path in _SINGLE}
        for namespace in _NAMESPACES:
            found |= self._exported(namespace)
        return {
            name: exported
            for name, exported in found.items()
            if inspect.isclass(exported) and name not in _FORBIDDEN_LAYERS
        }

    @cached_property
    def _functions(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for namespace in (*_FUNCTIONS, *(["ops"] if self.is_keras3 else [])):
            found |= self._exported(namespace)
        return {
            name: exported
            for name, exported in found.items()
            if inspect.isfunction(exported) and name not in _BUILDERS
        }

    def _exported(self, namespace: str) -> dict[str, Any]:
        module = _walk(self._library, namespace)
        names = [] if module is None else [name for name in dir(module) if name[0] != "_"]
        return {name: getattr(module, name) for name in names}

    def _find(self, name: str, module: str) -> Any:
        """Return the object that a file names; None if it is not part of the Keras library."""
        first, _, rest = module.partition(".")
        if first not in {"keras", self._name}:
            return None
        exported = _walk(self._library, f"{rest}.{name}" if rest else name)
        if exported is not None:
            return exported
        # Not imported: a module that Keras itself has not loaded holds no layer of a sound file.
        inner = sys.modules.get(f"{self._name}.{rest}")
        return vars(inner).get(name) if inner is not None else None

    def _is_operation(self, found: Any) -> bool:
        """Return True for a class that Keras 3 stores a call of ``keras.ops`` as."""
        if not (self.is_keras3 and self._is_own(found)):
            return False
        operation = self._library.Operation
        inside = found.__module__.startswith(("keras.src.ops.", "keras.src.activations."))
        return inside and issubclass(found, operation)

    def _is_of_application(self, found: Any) -> bool:
        """Return True for a layer of one of the networks that Keras comes with."""
        inside = found.__module__.startswith(f"{self._name}.src.applications.")
        return inside and issubclass(found, self._library.layers.Layer)

    def _is_own(self, found: Any) -> bool:
        return str(getattr(found, "__module__", "")).startswith(f"{self._name}.src.")


def _walk(module: Any, path: str) -> Any:
    for part in path.split("."):
        if part.startswith("_") or not inspect.ismodule(module):
            return None
        module = getattr(module, part, None)
    return module


def mappings(config: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield every mapping in a configuration and the name of the layer that it belongs to."""
    left = [(config, "")]
    while left:  # not recursive: a file may be nested as deep as it likes
        value, layer = left.pop()
        if isinstance(value, dict):
            name = value.get("name")
            inner = value.get("config")
            if not isinstance(name, str) and isinstance(inner, dict):
                name = inner.get("name")
            layer = name if isinstance(name, str) else layer
            yield value, layer
            left += [(inner, layer) for inner in reversed(value.values())]
        elif isinstance(value, list):
            left += [(inner, layer) for inner in reversed(value)]
