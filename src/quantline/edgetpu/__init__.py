"""How a model fares on the Coral Edge TPU, without the compiler and without the device."""

from quantline.edgetpu.report import OperatorVerdict, Report
from quantline.edgetpu.verdict import predict
from quantline.edgetpu.vocabulary import Evidence, Provenance, Status, Target

__all__ = ["Evidence", "OperatorVerdict", "Provenance", "Report", "Status", "Target", "predict"]
