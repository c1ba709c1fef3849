"""The parameters of the pipeline: typed, and checked once, before any node runs.

Each class of ``BLOCKS`` is one top-level key of ``conf/base/parameters_*.yml``. Nodes receive plain
mappings from Kedro and turn them into these values with :func:`check`, which is also what the check
before a run calls for all of them.
"""

from quantline.recipe.blocks import BLOCKS, check_all, parameter_keys
from quantline.recipe.check import check
from quantline.recipe.conversion import (
    Baseline,
    Calibration,
    Conversion,
    Method,
    Override,
    Parity,
    Pin,
    Ranges,
    Validation,
)
from quantline.recipe.data import (
    CalibrationSplit,
    Dataset,
    EvaluationSplit,
    ImageCsv,
    Model,
    Npz,
    Sampling,
    Table,
    Tfds,
)
from quantline.recipe.evaluation import (
    EdgeTpu,
    Evaluation,
    Latency,
)
from quantline.recipe.gate import (
    ChampionChange,
    Change,
    Gate,
    Limit,
)
from quantline.recipe.limits import Limits
from quantline.recipe.parameters import (
    IoType,
    Parameters,
    Positive,
    SchemeName,
)
from quantline.recipe.release import (
    Mlflow,
    Release,
    Training,
)
from quantline.recipe.task import Task
from quantline.recipe.transform import Step

__all__ = [
    "BLOCKS",
    "Baseline",
    "Calibration",
    "CalibrationSplit",
    "ChampionChange",
    "Change",
    "Conversion",
    "Dataset",
    "EdgeTpu",
    "Evaluation",
    "EvaluationSplit",
    "Gate",
    "ImageCsv",
    "IoType",
    "Latency",
    "Limit",
    "Limits",
    "Method",
    "Mlflow",
    "Model",
    "Npz",
    "Override",
    "Parameters",
    "Parity",
    "Pin",
    "Positive",
    "Ranges",
    "Release",
    "Sampling",
    "SchemeName",
    "Step",
    "Table",
    "Task",
    "Tfds",
    "Training",
    "Validation",
    "check",
    "check_all",
    "parameter_keys",
]
