"""TensorFlow's public converter, and the errors of models that it refuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from quantline.errors import ConversionError, excerpt, first_few
from quantline.quiet import tensorflow
from quantline.tflite import with_signature_names

if TYPE_CHECKING:
    from quantline.quantization.originals import Frozen

_LISTS = re.compile(r"^(?:TF Select|Custom) ops: (.+)$", re.MULTILINE)
_PLACE = re.compile(r'fused\["(?P<operator>\w+):", "(?P<place>[^"@]+)@')
# Operators that exist for texts alone.
_TEXT = re.compile(
    r"String|Regex|AsString|Substr|Unicode|Token|Sparse(?:To)?Fill|LookupTable|Vocab"
)


def convert(path: str, model: Frozen, to: str, **settings: Any) -> bytes:
    """Convert a frozen model with TensorFlow's public converter; ``to`` is for messages."""
    lite, traced = tensorflow().lite, model.traced
    try:
        converter = lite.TFLiteConverter.from_saved_model(
            model.folder, signature_keys=[model.original.key]
        )
        for name, value in settings.items():
            owner = converter.target_spec if hasattr(converter.target_spec, name) else converter
            setattr(owner, name, value)
        content = bytes(converter.convert())
    except Exception as error:  # ConverterError and what MLIR raises have no common base
        raise conversion_error(path, to, error) from error
    if all(plain == name for ports in (traced.inputs, traced.outputs)
           for plain, name in ports.items()):  # fmt: skip
        return content
    return with_signature_names(content, traced.inputs, traced.outputs)


def conversion_error(path: str, to: str, error: Exception) -> ConversionError:
    """Return the error of a conversion that TensorFlow refused."""
    said = str(error)
    lacking = list(
        dict.fromkeys(name for found in _LISTS.findall(said) for name in found.split(", "))
    )
    if "TensorList" in said or "tf.While" in said:
        return ConversionError(
            f"'{path}' steps through a sequence in a loop",
            found="a loop over a list of tensors, such as a recurrent layer of Keras 3 exports",
            expected="steps that are written out, or a fused LSTM: no integer kernel runs a loop",
            remedy="Give the Keras file that it was exported from, whose recurrent layers are "
            "then written out step by step, or export it again with their 'unroll' set to True",
            details=said,
        )
    if not lacking:
        return ConversionError(
            f"TensorFlow cannot convert '{path}' {to}",
            found=excerpt(said, lambda line: "op" in line.lower()) or type(error).__name__,
            expected="a model of TensorFlow Lite's builtin operators",
            remedy="Replace the operators it names with ones that TensorFlow Lite has",
            details=said,
        )
    places = {match["operator"]: match["place"] for match in reversed(list(_PLACE.finditer(said)))}
    named = [
        f"{name} in '{places[name]}'" if places.get(name, name) != name else name
        for name in lacking
    ]
    remedy = (
        "Write these parts of the model with operators that TensorFlow Lite has, or end the "
        "exported model before them and compute them in the program that calls it"
    )
    if any(_TEXT.search(name) for name in lacking):
        remedy = (
            "Texts stay outside of an integer model: export the model from behind its text "
            "processing, so that it takes numbers, and look these up in the program that calls it"
        )
    return ConversionError(
        f"'{path}' has operators that TensorFlow Lite lacks",
        found=first_few(named, 6),
        expected="TensorFlow Lite's builtin operators; Flex (SELECT_TF_OPS) and custom ones have "
        "no integer kernels, and neither an Edge TPU nor LiteRT alone runs them",
        remedy=remedy,
        details=said,
    )
