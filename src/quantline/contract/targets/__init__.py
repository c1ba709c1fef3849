"""Targets: named contracts of what a model may hold, and the check of a model against them."""

from quantline.contract.targets.target import (
    BUILT_IN,
    RULES,
    Target,
    check_target,
    enforce_target,
    load,
)

__all__ = ["BUILT_IN", "RULES", "Target", "check_target", "enforce_target", "load"]
