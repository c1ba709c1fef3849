"""The gate: rules by which a candidate may replace the model in use; independent of MLflow."""

from quantline.release.gate.candidate import JUDGED, REPORTS, about_champion, judge_candidate
from quantline.release.gate.evidence import (
    VERSION,
    Champion,
    Evidence,
    evaluation_sha256,
    require_same_ports,
)
from quantline.release.gate.text import gate_text
from quantline.release.gate.verdict import judge

__all__ = [
    "JUDGED",
    "REPORTS",
    "VERSION",
    "Champion",
    "Evidence",
    "about_champion",
    "evaluation_sha256",
    "gate_text",
    "judge",
    "judge_candidate",
    "require_same_ports",
]
