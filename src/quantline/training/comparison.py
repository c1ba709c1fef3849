"""Checks that a trained model can be the next version of the model that is retrained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.child import run_in_child
from quantline.errors import ConversionError, ModelUnsupported
from quantline.quantization.interface import check_samples
from quantline.quantization.parity import run_imported

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quantline import recipe
    from quantline.quantization import FloatModel
    from quantline.quantization.interface import Arrays

_TIMEOUT_S = 1800
_STILL = 1e-6  # of the largest magnitude
_REMEDY = "Correct the training; nothing was written"

Outputs = list[list[np.ndarray]]


def refuse_other_interface(trained: FloatModel, retrained: FloatModel) -> None:
    """Refuse a trained model with other inputs or outputs than the one that is retrained.

    A single input or output may have another name.

    Raises:
        ModelUnsupported: It has.
    """
    for ports in ("inputs", "outputs"):
        found, expected = trained.about[ports], retrained.about[ports]
        if _plain(found) != _plain(expected):
            raise ModelUnsupported(
                f"The trained model has other {ports} than '{retrained.about['source']['path']}'",
                found=_described(found),
                expected=_described(expected),
                remedy="Correct the training; to begin a model of another shape, set `model_path` "
                "to one",
            )


def refuse_untrained(
    trained: FloatModel,
    retrained: FloatModel,
    samples: Arrays,
    limits: recipe.Limits,
    start: FloatModel | None = None,
) -> None:
    """Refuse a model that learned nothing, by its outputs on calibration examples.

    Args:
        trained: The trained model.
        retrained: The model that is retrained.
        samples: The examples.
        limits: What it may cost to run the models.
        start: The model that training went on from; None for none.

    Raises:
        ConversionError: It gives NaN or infinite values; or the same for every example, where the
            model that is retrained does not; or what the model gives that training began with.
    """
    if trained.about.get("states") or retrained.about.get("states"):
        return  # what they give depends on the examples before
    mine = _outputs(trained, samples, limits)
    theirs = _outputs(retrained, samples, limits)
    for position, name in enumerate(trained.about["outputs"]):
        ours, before = mine[position], theirs[position]
        count = len(ours)
        if not np.isfinite(ours).all() and np.isfinite(before).all():
            raise ConversionError(
                "The training diverged",
                found=f"NaN or infinite values in the output '{name}' of the trained model, on "
                f"{count} calibration examples",
                expected="finite values",
                remedy=f"Train with smaller steps. {_REMEDY}",
            )
        if count > 1 and _is_constant(ours) and not _is_constant(before):
            raise ConversionError(
                "The trained model gives the same for every example",
                found=f"{_short(ours[0])} in the output '{name}', on {count} calibration examples",
                expected="an output that depends on the input",
                remedy=_REMEDY,
            )
    if start is None:
        return
    begun = _outputs(start, samples, limits)
    if len(begun) == len(mine) and all(map(np.array_equal, mine, begun)):
        raise ConversionError(
            "The training changed nothing",
            found="a model that gives what the champion's gives, to the last bit, on "
            f"{len(mine[0])} calibration examples",
            expected="a model that was trained on from the champion's",
            remedy=_REMEDY,
        )


def _plain(ports: Mapping[str, Any]) -> Any:
    if len(ports) == 1:
        return list(ports.values())
    return dict(ports)


def _described(ports: Mapping[str, Any]) -> str:
    return ", ".join(
        f"'{name}' {port['dtype']} {tuple(port['shape'])}" for name, port in ports.items()
    )


def _outputs(model: FloatModel, samples: Arrays, limits: recipe.Limits) -> list[np.ndarray]:
    """Return the outputs on all samples, one array an output, in the model's order."""
    about = model.about
    shapes = {name: tuple(port["shape"]) for name, port in about["inputs"].items()}
    found: Sequence[Mapping[str, np.ndarray]] = run_in_child(
        run_imported, model.content, check_samples(samples, shapes, about["source"]["path"]),
        what=f"running the model of '{about['source']['path']}'", timeout_s=_TIMEOUT_S,
        memory_gib=limits.memory_gib, confined=True,
    )  # fmt: skip
    return [np.stack([one[name] for one in found]) for name in about["outputs"]]


def _is_constant(values: np.ndarray) -> bool:
    numbers = values.astype(np.float64)
    spread = float(np.max(np.ptp(numbers, axis=0), initial=0.0))
    return spread <= _STILL * float(np.max(np.abs(numbers), initial=0.0))


def _short(values: np.ndarray) -> str:
    numbers = values.ravel()
    shown = ", ".join(f"{number:.4g}" for number in numbers[:3])
    return f"[{shown}{', ...' if numbers.size > 3 else ''}]"
