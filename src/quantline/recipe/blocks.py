"""All blocks of parameters: the top-level keys of ``conf/base/parameters_*.yml``.

No stage imports this module, so that a field of one block makes no stage stale that takes another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from quantline.errors import ParameterError, suggest
from quantline.recipe.check import check, without_none
from quantline.recipe.conversion import Baseline, Calibration, Conversion, Validation
from quantline.recipe.data import Dataset, Model, Sampling
from quantline.recipe.evaluation import Evaluation
from quantline.recipe.gate import Gate
from quantline.recipe.limits import Limits
from quantline.recipe.release import Release, Training
from quantline.recipe.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Set

    from quantline.recipe.parameters import Parameters

BLOCKS: dict[str, type[Parameters]] = {
    block.__name__.lower(): block
    for block in (
        Model, Dataset, Sampling, Task, Baseline, Calibration, Conversion, Validation, Evaluation,
        Gate, Release, Training, Limits,
    )
}  # fmt: skip


def check_all(parameters: Mapping[str, Any], others: Set[str] = frozenset()) -> None:
    """Check every top-level parameter, and that none is unknown or missing.

    Args:
        parameters: The values of each top-level key.
        others: Top-level keys that a project's own nodes take; their values are not checked.

    Raises:
        ParameterError: The first mistake, with the number of others.
    """
    for key in parameters:
        if key not in BLOCKS and key not in others:
            raise ParameterError(
                f"Unknown parameter '{key}'",
                found=f"'{key}'",
                expected=f"one of {', '.join([*BLOCKS, *sorted(others - BLOCKS.keys())])}",
                remedy=suggest(str(key), list(BLOCKS)) or "Remove it",
            )
    for key, block in BLOCKS.items():
        check(block, parameters.get(key, {}), key)


def parameter_keys() -> dict[str, str]:
    """Return the dotted key of each parameter by the name of the argument that the library has.

    An argument is called as the last part of the key, or as the last two joined by an underscore
    where several keys end alike: ``calibration_split`` is ``sampling.calibration.split``.
    """
    keys: dict[str, list[str]] = {}
    for key, block in BLOCKS.items():
        for name in (key, *_nested_keys(key, block)):
            keys.setdefault(name.rpartition(".")[2], []).append(name)
            keys.setdefault("_".join(name.split(".")[-2:]), []).append(name)
    return {name: found[0] for name, found in keys.items() if len(set(found)) == 1}


def _nested_keys(prefix: str, block: type[BaseModel]) -> Iterator[str]:
    for name, field in block.model_fields.items():
        yield f"{prefix}.{name}"
        annotation = without_none(field.annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _nested_keys(f"{prefix}.{name}", annotation)
