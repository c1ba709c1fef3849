"""The parts of the schemas: a base class, and the kinds of values that many results have."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict

T = TypeVar("T")

Number = Annotated[float, Field(ge=-1e30, le=1e30)]
"""A finite number, far from where a sum or a difference would not be finite any more."""
Unsigned = Annotated[float, Field(ge=0, le=1e30)]
Positive = Annotated[float, Field(gt=0, le=1e30)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=2**53)]
"""A count; up to here a float holds it exactly."""
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Index = Annotated[int, Field(ge=0, lt=2**31)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]+$", max_length=128)]
"""A SHA-256 in hexadecimal."""
Many = Annotated[list[T], Strict(False)]
"""A list, or what a list was written from."""
Some = Annotated[list[T], Strict(False), Field(min_length=1)]
"""Such a list that is not empty."""


class Part(BaseModel):
    """A mapping of a result: of the types that are declared, finite, nothing converted.

    Further keys are left aside, such as ``made_from``, by which a result names what it was made
    of.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


def require(values: Any, *names: str) -> None:
    """Refuse a part in which some of these fields are absent."""
    for name in names:
        if getattr(values, name) is None:
            raise ValueError(f"a value for '{name}'")


def require_ordered(values: Any, *names: str) -> None:
    """Refuse a part in which these fields do not ascend."""
    found = [getattr(values, name) for name in names]
    if found != sorted(found):
        raise ValueError(f"{', '.join(names)} in ascending order")
