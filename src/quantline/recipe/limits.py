"""How long a run waits, and how much it takes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from quantline.recipe.block import Block


class Limits(Block):
    """Limits of a run.

    Attributes:
        lock_wait_s: How long a run waits for another one in the same data folder to end, seconds;
            with 0 it ends at once.
    """

    lock_wait_s: Annotated[float, Field(ge=0)] = 0.0
