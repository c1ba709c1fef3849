"""Limits of waiting, and of the time and memory that a file may cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from quantline.recipe.parameters import Parameters, Positive


class Limits(Parameters):
    """Limits of waiting for another run, and of what a damaged or hostile file may cost.

    Attributes:
        lock_wait_s: How long a run waits for another one in the same data folder to end, seconds;
            with 0 it ends at once.
        load_s: After how many seconds the loading of a model is ended.
        memory_gib: Beyond how much memory, in GiB, a process that loads or runs a model is ended;
            None for no limit. Linux only.
        config_mib: The largest description of its layers that a Keras file may hold, in MiB.
        unpacked_ratio: How many times its size a ``.keras`` file may unpack to; up to 256 MiB it
            may unpack to whatever it likes.
    """

    lock_wait_s: Annotated[float, Field(ge=0)] = 0.0
    load_s: Positive = 300
    memory_gib: Annotated[float, Field(gt=0)] | None = 16
    config_mib: Positive = 64
    unpacked_ratio: Positive = 100
