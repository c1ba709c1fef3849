"""Models on the Coral Edge TPU: predictions, the compiler, and the device."""

from quantline.edgetpu.advice.suggest import Suggestion, suggest
from quantline.edgetpu.compiled.match import Match, match
from quantline.edgetpu.compiled.read import CompiledPrograms, read_compiled
from quantline.edgetpu.compiler.compile import Compilation, CompilerOptions, compile_model
from quantline.edgetpu.compiler.process import find_compiler
from quantline.edgetpu.device.detect import Device, can_detect, detect
from quantline.edgetpu.device.on_device import Access, run_on_device
from quantline.edgetpu.device.run import DeviceRun
from quantline.edgetpu.evaluate import EdgeTpuReport, evaluate
from quantline.edgetpu.mapping.verdict import MappingReport, OperatorVerdict, predict
from quantline.edgetpu.scoring.score import Score, score
from quantline.edgetpu.vocabulary import Evidence, Placement, Provenance, Status

__all__ = [
    "Access", "Compilation", "CompiledPrograms", "CompilerOptions", "Device", "DeviceRun",
    "EdgeTpuReport", "Evidence", "MappingReport", "Match", "OperatorVerdict", "Placement",
    "Provenance", "Score", "Status", "Suggestion", "can_detect", "compile_model", "detect",
    "evaluate", "find_compiler", "match", "predict", "read_compiled", "run_on_device", "score",
    "suggest",
]  # fmt: skip
