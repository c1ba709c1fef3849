"""The identity of a release, and the origin of its results: hashes, sources, parameters."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import yaml

from quantline.errors import MismatchError, ResultMissing
from quantline.files import canonical_json, sha256, sha256_of_path
from quantline.lineage import KEY
from quantline.release.registry import ARTIFACTS, INT8_MODEL, SOURCE_MODEL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from quantline import recipe


# What holds times that were measured: run again, a stage writes others.
TIMED = frozenset(
    {"summary", "summary_plot", "gate", "edgetpu_latency", "edgetpu_compilation", "edgetpu_run"}
)
_LOCK_FILE = "dvc.lock"


def identity(files: Mapping[str, Path], gate: Mapping[str, Any]) -> str:
    """Return the release's id: the same files, judged in the same way, are the same release.

    Times that were measured take no part in it. The champion's version does, so that a model that
    comes back when another one is out is a new release.

    Args:
        files: The stages' files by the names of their datasets.
        gate: The content of ``gate.json``.
    """
    judged = {
        "champion_version": gate.get("champion_version"),
        "verdict": gate["verdict"],
        "confidence": gate.get("confidence"),
        "rules": [[row["rule"], row["limit"]] for row in gate.get("rules", [])],
    }
    hashes = {name: sha256_of_path(path) for name, path in files.items() if name not in TIMED}
    return sha256(canonical_json({"files": hashes, "gate": judged}))


def provenance(read: Mapping[str, Any], files: Mapping[str, Path], folder: Path) -> dict[str, str]:
    """Return what the results were made from, as tags.

    Args:
        read: What is in the JSON files.
        files: The stages' files by the names of their datasets.
        folder: The project folder.
    """
    manifest, recipe, imported = read["manifest"], read["recipe"], read["float_import"]
    dataset = dict(manifest["dataset"])
    named = (dataset.pop("source"), *(dataset[key] for key in sorted(dataset)))
    hashes = {
        path.name: sha256(path.read_bytes())
        for name, path in files.items()
        if name not in TIMED and path.is_file()
    }
    return {
        "quantline.verdict": read["gate"]["verdict"],
        "quantline.dataset": ":".join(str(part) for part in named if part),
        "quantline.calibration_sha256": manifest["calibration"]["sha256"],
        "quantline.evaluation_sha256": manifest["evaluation"]["sha256"],
        SOURCE_MODEL: imported["source"]["sha256"],
        "quantline.float_model_sha256": recipe["float_model_sha256"],
        INT8_MODEL: recipe["int8_model_sha256"],
        ARTIFACTS: json.dumps(hashes, sort_keys=True, separators=(",", ":")),
        **_dvc_lock(folder / _LOCK_FILE, files["int8_model"]),
    }


def trained_model(imported: Mapping[str, Any], folder: Path) -> Path:
    """Return the path of the trained model that the results were made from.

    Args:
        imported: The content of ``float_import.json``.
        folder: The project folder.

    Raises:
        ResultMissing: It is not there any more.
        MismatchError: Another model is there.
    """
    source = imported["source"]
    path = folder / str(source["path"])
    remedy = (
        "Put the model back that was imported, or run the pipeline with `from_nodes=import_model`: "
        "it makes the results of the model that is there now"
    )
    if not path.exists():
        raise ResultMissing(
            f"The trained model '{source['path']}' is not there to be recorded with its results",
            found="no file or folder of that name",
            expected="the model that was imported",
            remedy=remedy,
        )
    found = sha256_of_path(path)
    if found != source["sha256"]:
        raise MismatchError(
            f"The trained model '{source['path']}' changed since it was imported, and the results "
            "are not its",
            found=f"a model with the SHA-256 {found[:12]}",
            expected=f"{source['sha256'][:12]}, as float_import.json has it",
            remedy=remedy,
        )
    return path


def _dvc_lock(lock: Path, int8_model: Path) -> dict[str, str]:
    """Return the lock file's hash, if the model is the one that it describes."""
    try:
        content = lock.read_bytes()
        outs = yaml.safe_load(content)["stages"]["conversion"]["outs"]
        locked = {out["md5"] for out in outs if out["path"].endswith(f"/{int8_model.name}")}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError):
        return {}  # there is none, or none that says so
    # DVC's hash, and no protection.
    found = hashlib.md5(int8_model.read_bytes(), usedforsecurity=False).hexdigest()
    return {"quantline.dvc_lock_sha256": sha256(content)} if found in locked else {}


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

    Of the dataset, only the source that was used is included.

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
