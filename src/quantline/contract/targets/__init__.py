"""Targets: named contracts of what a model may hold, and whether a model keeps them."""

from quantline.contract.targets.check import RULES, enforce_target, hold
from quantline.contract.targets.target import BUILT_IN, Target, load

__all__ = ["BUILT_IN", "RULES", "Target", "enforce_target", "hold", "load"]
