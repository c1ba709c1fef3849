"""How a model fares on the Coral Edge TPU, with and without the compiler and the device."""

from quantline.edgetpu.advice.suggest import Suggestion, suggest
from quantline.edgetpu.compiled.match import Match, match
from quantline.edgetpu.compiled.read import Compiled, read_compiled
from quantline.edgetpu.compiler.compile import Compilation, compile_model
from quantline.edgetpu.compiler.options import CompilerOptions
from quantline.edgetpu.compiler.process import find_compiler
from quantline.edgetpu.device.delegate import Access
from quantline.edgetpu.device.detect import Device, can_detect, detect
from quantline.edgetpu.device.on_device import run_on_device, run_on_devices
from quantline.edgetpu.device.run import DeviceRun
from quantline.edgetpu.evaluate import Evaluation, evaluate
from quantline.edgetpu.mapping.report import OperatorVerdict, Report
from quantline.edgetpu.mapping.verdict import predict
from quantline.edgetpu.scoring.score import Score, score
from quantline.edgetpu.vocabulary import Evidence, Provenance, Status, Target

__all__ = [
    "Access",
    "Compilation",
    "Compiled",
    "CompilerOptions",
    "Device",
    "DeviceRun",
    "Evaluation",
    "Evidence",
    "Match",
    "OperatorVerdict",
    "Provenance",
    "Report",
    "Score",
    "Status",
    "Suggestion",
    "Target",
    "can_detect",
    "compile_model",
    "detect",
    "evaluate",
    "find_compiler",
    "match",
    "predict",
    "read_compiled",
    "run_on_device",
    "run_on_devices",
    "score",
    "suggest",
]
