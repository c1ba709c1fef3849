"""Running a project that ``kedro package`` made a wheel of."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from quantline.starter import logging_settings


def run_packaged(package: str) -> None:
    """Do what ``kedro run`` does, with the options of the command line.

    The current folder has the ``data/`` that parameters and catalog name; ``--conf-source`` names
    the configuration.

    Args:
        package: The project's package.
    """
    choose_logging(Path.cwd())
    from kedro.framework.cli.utils import find_run_command
    from kedro.framework.project import configure_project

    configure_project(package)
    # The name is also the key of a file of '--config'.
    find_run_command(package)(sys.argv[1:], prog_name="run")


def choose_logging(folder: Path) -> None:
    """Have Kedro, once it is imported, log as a folder's ``conf/logging.yml`` says, else to stderr.

    By itself it looks in the current folder alone, and without such a file it logs to stdout.

    Args:
        folder: The project's folder, or any other.
    """
    os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "true")
    own = folder / "conf" / "logging.yml"
    path = own if own.exists() else logging_settings()
    os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(path))
