"""Options that several commands have: how a model is read, and the samples it is run on."""

from __future__ import annotations

from typing import Any

import click

SAMPLES = (
    "One array for each model input, by its name, samples along the first axis; for a model of one "
    "input, a single array of any name, or the array 'x'."
)

lint_option = click.option(
    "--lint", type=click.Choice(["error", "warn"]), default="error", show_default=True,
    help="Whether calibration data that would give a wrong model stops the command.",
)  # fmt: skip


def model_options(function: Any) -> Any:
    """Add ``--signature`` and ``--allow-lambda``."""
    signature = click.option(
        "--signature", metavar="KEY", help="Which signature of a SavedModel or .tflite."
    )
    allow = click.option(
        "--allow-lambda", is_flag=True,
        help="Run Python code stored in a Keras file: only for files you trust.",
    )  # fmt: skip
    return signature(allow(function))
