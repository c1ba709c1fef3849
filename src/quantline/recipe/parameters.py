"""The base class and the common types of all parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

IoType = Literal["float32", "int8", "uint8", "int16"]
SchemeName = Literal[
    "float16", "dynamic_range", "int8", "int8_float_fallback", "int8_per_tensor", "int16x8"
]
_LARGEST = 2**31 - 1  # what the libraries below take for a count, a time or a seed
Positive = Annotated[int, Field(gt=0, le=_LARGEST)]
Seed = Annotated[int, Field(ge=0, le=_LARGEST)]


class Parameters(BaseModel):
    """The base of every block of values: frozen, without unknown keys or silent conversions.

    A NaN or an infinity is no value: every comparison with the one is false, with the other true.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Inner:
    """The type of the elements of a field, where the field's annotation does not say it."""

    block: type[Parameters]
