"""The parameters and the name that a candidate was made with, as its results state them.

The parameters of the moment may be others: they may have been changed since, or be another
environment's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quantline.errors import MismatchError
from quantline.lineage import KEY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from quantline import recipe

# The result that each block of parameters decided on.
_DECIDED = {
    "model": "float_import",
    "dataset": "manifest",
    "sampling": "manifest",
    "baseline": "float_import",
    "calibration": "ranges",
    "conversion": "recipe",
    "validation": "validation_report",
    "evaluation": "edgetpu_report",
    "gate": "gate",
}


def parameters_of(files: Mapping[str, Path], release: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that results were made with, by their top-level key.

    Of the dataset only the source that was used is told.

    Args:
        files: The results' files, by their names in the catalog.
        release: The parameters of the release itself.

    Raises:
        MismatchError: A result does not say with which parameters it was made.
    """
    found: dict[str, Any] = {"release": dict(release)}
    for block, name in _DECIDED.items():
        try:
            found[block] = json.loads(files[name].read_bytes())[KEY]["parameters"][block]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MismatchError(
                f"'{files[name]}' does not say with which parameters it was made",
                found=f"no parameters '{block}' in it",
                expected="a result as its stage writes it",
                remedy="Run the whole pipeline, which makes it again",
            ) from error
    dataset = found["dataset"]
    others = {"tfds", "image_csv", "npz"} - {dataset["source"]}
    found["dataset"] = {key: value for key, value in dataset.items() if key not in others}
    # Only of a model that the project trained is it known how.
    trained = json.loads(files[_DECIDED["model"]].read_bytes()).get("training")
    if trained is not None:
        found["training"] = trained["parameters"]
    return found


def check_name(gate: Mapping[str, Any], settings: recipe.Release, model: str) -> None:
    """Check that a verdict is about the registered model that is asked for.

    Args:
        gate: The verdict.
        settings: The parameters of the release.
        model: The name that the model's file gives it.

    Raises:
        MismatchError: The candidate was compared with the champion of another one.
    """
    asked = settings.model or model
    if gate["model"] != asked:
        raise MismatchError(
            "The verdict is about another registered model",
            found=f"a comparison with the champion of '{gate['model']}'",
            expected=f"one with the champion of '{asked}', as `release_model` says",
            remedy="Run the pipeline with `from_nodes=fetch_champion`",
        )
