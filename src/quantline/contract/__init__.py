"""Whether a converted model holds what was promised."""

from quantline.contract.integer_only import Offender, Report, check, enforce

__all__ = ["Offender", "Report", "check", "enforce"]
