"""What every block of parameters is made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

IoType = Literal["float32", "int8", "uint8", "int16"]
SchemeName = Literal[
    "float16", "dynamic_range", "int8", "int8_float_fallback", "int8_per_tensor", "int16x8"
]
Positive = Annotated[int, Field(gt=0)]


class Block(BaseModel):
    """What every block of values is: frozen, without unknown keys, nothing converted in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
