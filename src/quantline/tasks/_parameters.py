"""Parameters that several tasks have."""

from __future__ import annotations

from quantline.registry import Parameter

MARGIN = 0.01
"""By how much a share may be worse where the user says nothing: one point, as for top-1."""

OUTPUT = Parameter(
    "output", default=None, meaning="the output that is scored, by name; the only one if null",
    type=str,
)  # fmt: skip
THRESHOLD = Parameter(
    "threshold", default=0.5, meaning="the probability from which an answer is yes",
    above=0, at_most=1,
)  # fmt: skip
IGNORE = Parameter(
    "ignore", default=None, meaning="the value of labels that do not count; none if null", type=int
)
