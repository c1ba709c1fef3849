"""Whether a converted model holds what was promised."""

from quantline.contract.diagnosis import explained, why
from quantline.contract.examine import examine, examine_made
from quantline.contract.finding import Finding, Report
from quantline.contract.integer_only import enforce
from quantline.contract.preflight import preflight
from quantline.contract.reasons import Reason
from quantline.contract.trial import try_to_run

__all__ = [
    "Finding",
    "Reason",
    "Report",
    "enforce",
    "examine",
    "examine_made",
    "explained",
    "preflight",
    "try_to_run",
    "why",
]
