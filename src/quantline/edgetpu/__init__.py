"""How a model fares on the Coral Edge TPU, with and without the compiler and the device."""

from quantline.edgetpu.compiler import Compilation, compile_model
from quantline.edgetpu.compiler_options import CompilerOptions
from quantline.edgetpu.compiler_process import find_compiler
from quantline.edgetpu.report import OperatorVerdict, Report
from quantline.edgetpu.suggest import Suggestion, suggest
from quantline.edgetpu.verdict import predict
from quantline.edgetpu.vocabulary import Evidence, Provenance, Status, Target

__all__ = [
    "Compilation",
    "CompilerOptions",
    "Evidence",
    "OperatorVerdict",
    "Provenance",
    "Report",
    "Status",
    "Suggestion",
    "Target",
    "compile_model",
    "find_compiler",
    "predict",
    "suggest",
]
