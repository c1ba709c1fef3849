"""Import of trained models as float ``.tflite`` files, and their quantization."""

from quantline.quantization.float_import import FloatModel, import_float
from quantline.quantization.original_source import source_of
from quantline.quantization.quantize import Quantized, quantize
from quantline.quantization.schemes import SCHEMES

__all__ = ["SCHEMES", "FloatModel", "Quantized", "import_float", "quantize", "source_of"]
