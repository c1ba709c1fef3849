"""From a trained float model to an int8 one."""

from quantline.quantization.float_import import FloatModel, import_float
from quantline.quantization.int8 import Quantized, quantize

__all__ = ["FloatModel", "Quantized", "import_float", "quantize"]
