"""Options that several commands share: reading a model, and its samples."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = (
    "One array for each model input, by its name, samples along the first axis; for a model of one "
    "input, a single array of any name, or the array 'x'."
)

lint_option = click.option(
    "--lint", type=click.Choice(["error", "warn"]), default="error", show_default=True,
    help="Whether calibration data that would give a wrong model stops the command.",
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """The options for reading a model.

    Attributes:
        signature: Which signature of a SavedModel or ``.tflite``.
        allow_lambda: Whether a Keras file may hold or name code.
        allow_unsafe: Whether a SavedModel may do more than compute.
        custom_objects: The module with the user's own layers that a Keras file names.
        load_s: After how many seconds loading is ended.
        memory_gib: How much memory loading and running may take; 0 for no limit.
    """

    signature: str | None
    allow_lambda: bool
    allow_unsafe: bool
    custom_objects: str | None
    load_s: int
    memory_gib: float


def model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of :class:`Reading`, and give the command one as ``reading``."""

    @click.option("--signature", metavar="KEY", help="Which signature of a SavedModel or .tflite.")
    @click.option(
        "--allow-lambda",
        is_flag=True,
        help="Run code that a Keras file holds or names: only for files you trust.",
    )
    @click.option(
        "--allow-unsafe",
        is_flag=True,
        help="Let a SavedModel use files, the network and Python: only where you trust it.",
    )
    @click.option(
        "--custom-objects",
        metavar="MODULE",
        help="A .py file or module with layers of your own that a Keras file names; it is run.",
    )
    @click.option(
        "--load-s",
        type=click.IntRange(min=1),
        default=300,
        show_default=True,
        metavar="SECONDS",
        help="After how many seconds the loading of the model is ended.",
    )
    @click.option(
        "--memory-gib",
        type=click.FloatRange(min=0),
        default=16,
        show_default=True,
        metavar="GIB",
        help="Beyond how much memory loading and running the model is ended; 0: no limit.",
    )
    @functools.wraps(function)
    def with_reading(
        *,
        signature: str | None,
        allow_lambda: bool,
        allow_unsafe: bool,
        custom_objects: str | None,
        load_s: int,
        memory_gib: float,
        **others: Any,
    ) -> Any:
        reading = Reading(signature, allow_lambda, allow_unsafe, custom_objects, load_s, memory_gib)
        return function(reading=reading, **others)

    return with_reading
