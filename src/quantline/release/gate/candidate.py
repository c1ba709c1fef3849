"""The results that a candidate is judged by, as the stages wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.evaluation.predict import CLASSIFICATION
from quantline.ranges import RangeSet
from quantline.release.gate.evidence import VERSION, Champion, Evidence, evaluation_sha256
from quantline.release.gate.verdict import judge
from quantline.results import Origin, parse_json, read_result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline import recipe
    from quantline.tasks import ChosenTask

_RANGES = "ranges.json"
# The reports whose metrics limits may name.
REPORTS = (
    "recipe",
    "float_metrics",
    "int8_metrics",
    "comparison",
    "latency",
    "integer_only",
    "golden_report",
    "edgetpu_report",
    "edgetpu_latency",
    "edgetpu_compilation",
    "edgetpu_run",
)
JUDGED = (
    "champion",
    "champion_predictions",
    "champion_latency",
    "manifest",
    "int8_model",
    "ranges",
    "float_predictions",
    "int8_predictions",
)


def judge_candidate(
    results: Mapping[str, Any], rules: recipe.Gate, task: ChosenTask = CLASSIFICATION
) -> dict[str, Any]:
    """Judge a candidate by all rules.

    Args:
        results: The value of each of ``JUDGED`` and ``REPORTS``.
        rules: The parameters of the gate.
        task: The meaning of the models' outputs.

    Returns:
        What :func:`quantline.release.gate.judge` gives, with ``model``, the registered model that
        the candidate is for, and ``champion_version``, the version that it was compared with; None
        where there is none.

    Raises:
        QuantlineError: As :func:`quantline.release.gate.judge` lists them.
    """
    about = about_champion(results["champion"])
    evidence = Evidence(
        int8_model=results["int8_model"],
        reports={name: results[name] for name in REPORTS},
        float_predictions=results["float_predictions"],
        int8_predictions=results["int8_predictions"],
        ranges=RangeSet.from_dict(results["ranges"]),
        manifest=results["manifest"],
        champion=None if about["version"] is None else _champion(results, about["version"]),
        task=task,
        model=about["model"],
    )
    judged = judge(evidence, rules)
    return {**judged, "model": about["model"], "champion_version": about["version"]}


def about_champion(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return which registered model the champion's files are of, and which version.

    Args:
        files: What the stage ``champion`` wrote.

    Returns:
        ``model``, and ``version``, None where there is no champion.

    Raises:
        RegistryError: The files do not say.
    """
    origin = Origin.of_champion(VERSION)
    about: dict[str, Any] = read_result("champion", files.get(VERSION, b""), origin)
    return about


def _champion(results: Mapping[str, Any], version: int) -> Champion:
    files, origin = results["champion"], Origin.of_champion(_RANGES)
    return Champion(
        name=f"version {version}",
        evaluation_sha256=evaluation_sha256(results["manifest"]),
        predictions=results["champion_predictions"],
        size_bytes=len(files["int8.tflite"]),
        ranges=RangeSet.from_dict(parse_json(files[_RANGES], origin), origin.name),
        latency=results["champion_latency"],
    )
