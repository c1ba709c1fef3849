"""Kedro's project settings."""

from __future__ import annotations

import os

from quantline.configuration import ConfigLoader
from quantline.hooks import (
    CheckLineage,
    CheckParameters,
    CheckRetraining,
    LockDataFolder,
    Release,
    StageLog,
)

# No usage is reported. Kedro's telemetry is declined in the file '.telemetry'.
for _name in ("MLFLOW_DISABLE_TELEMETRY", "KEDRO_DISABLE_TELEMETRY", "DVC_NO_ANALYTICS"):
    os.environ.setdefault(_name, "true")

# Of one event the last hook comes first: a run is recorded before anything can refuse it.
HOOKS = (
    CheckParameters(), LockDataFolder(), CheckRetraining(), CheckLineage(), StageLog(), Release(),
)  # fmt: skip

CONFIG_LOADER_CLASS = ConfigLoader

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment overrides single keys: conf/local need not repeat the rest.
    "merge_strategy": {"parameters": "soft"},
    "config_patterns": {"mlflow": ["mlflow*"]},
}
