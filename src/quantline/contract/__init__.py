"""Whether a converted model holds what was promised."""

from quantline.contract.examine import examine
from quantline.contract.finding import Finding, Report
from quantline.contract.integer_only import enforce

__all__ = ["Finding", "Report", "enforce", "examine"]
