"""The schemas that a catalog entry can name, for each format."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from quantline.contract.vectors import Golden
from quantline.evaluation.stored import check_predictions
from quantline.ranges import RangeSet
from quantline.results import SCHEMAS, check_result
from quantline.sampling.calibration_set import check_calibration_set

Check = Callable[[Any, Path], Any]
"""Takes what was read and from where; raises a QuantlineError where it is something else."""


def _ranges(values: Any, path: Path) -> Any:
    return RangeSet.from_dict(values, f"The result '{path}'")


def _golden(values: Any, path: Path) -> Any:
    return Golden.from_arrays(values, f"the result '{path}'")


JSON: dict[str, Check] = {
    **{kind: partial(check_result, kind) for kind in SCHEMAS},
    "ranges": _ranges,
}
PARQUET: dict[str, Check] = {"predictions": check_predictions}
NPZ: dict[str, Check] = {"calibration_set": check_calibration_set, "golden_vectors": _golden}
