"""A candidate that passes, from small tables; each test breaks one thing of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from quantline import recipe
from quantline.evaluation.metrics import score
from quantline.evaluation.predict import SCHEMA
from quantline.files import sha256
from quantline.ranges.range_set import RangeSet
from quantline.ranges.sketch import TensorRange
from quantline.release.gate import Champion, Evidence, evaluation_sha256, judge

CLASSES = 10
EXAMPLES = 1000


def table(wrong: set[int], loss: float = 0.2, unlabelled: bool = False) -> pa.Table:
    """Return predictions that are right but for some rows; row N is of class N % 10."""
    rows = range(EXAMPLES)
    columns: dict[str, list[Any]] = {
        "id": [f"example {row}" for row in rows],
        "label": [None if unlabelled else row % CLASSES for row in rows],
        "prediction": [(row + (row in wrong)) % CLASSES for row in rows],
        "label_rank": [None if unlabelled else int(row in wrong) for row in rows],
        "confidence": [0.9] * EXAMPLES,
        "loss": [None if unlabelled else loss + (row in wrong) for row in rows],
    }
    return pa.table(columns, schema=SCHEMA)


def manifest(content: str = "a") -> dict[str, Any]:
    examples = [
        {"id": f"example {row}", "label": row % CLASSES, "sha256": f"{content}{row}"}
        for row in range(EXAMPLES)
    ]
    return {"evaluation": {"examples": examples}}


def ranges(top: float = 1.0, name: str = "image") -> RangeSet:
    tensors = (TensorRange(0, name, 0.0, top, 1), TensorRange(1, "scores", -2.0, 2.0, 1))
    return RangeSet(tensors, 1, "0" * 64, ("0" * 64,), {})


@dataclass(frozen=True)
class Case:
    """A candidate, a champion, and the rules; parts are replaced by name.

    Attributes:
        model: The candidate's file.
        wrong: The rows that the candidate has wrong.
        loss: Its loss where it is right.
        reports: Reports that differ from those of a sound model.
        rules: The parameters of the gate, as YAML gives them.
        champion: What differs of the champion; None: there is none.
    """

    model: bytes
    wrong: frozenset[int] = frozenset()
    loss: float = 0.2
    reports: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)
    champion: dict[str, Any] | None = field(default_factory=dict)

    def evidence(self) -> Evidence:
        candidate = table(set(self.wrong), self.loss)
        reports: dict[str, Any] = {
            "recipe": {
                "int8_model_sha256": sha256(self.model),
                "input_type": "int8",
                "output_type": "int8",
            },
            "integer_only": {
                "evidence": "parsed",
                "integer_only": True,
                "required": True,
                "float_operators": 0,
                "target": {"name": "cpu", "holds": True},
                "input_types": ["int8"],
                "output_types": ["int8"],
            },
            "golden_report": {"evidence": "measured", "vectors": ["lowest", "zero"]},
            "int8_metrics": {**score(candidate, CLASSES), "evidence": "measured"},
            "edgetpu_report": {"evidence": "predicted", "mapped_share": 0.75, "operators": []},
        }
        return Evidence(
            int8_model=self.model,
            reports={**reports, **self.reports},
            float_predictions=table(set()),
            int8_predictions=candidate,
            ranges=ranges(1.5),
            manifest=manifest(),
            champion=self._champion(),
        )

    def _champion(self) -> Champion | None:
        if self.champion is None:
            return None
        speed = {"speed_ratio": 1.0, "speed_ratio_low": 0.9, "speed_ratio_high": 1.1}
        sound = Champion(
            name="version 3",
            evaluation_sha256=evaluation_sha256(manifest()),
            predictions=table({0, 1}),
            size_bytes=len(self.model),
            ranges=ranges(),
            latency={"evidence": "measured", "champion": {}, "int8": speed},
        )
        return replace(sound, **self.champion)

    def judge(self) -> dict[str, Any]:
        return judge(self.evidence(), recipe.check(recipe.Gate, {"resamples": 200, **self.rules}))


def row(gate: dict[str, Any], rule: str) -> dict[str, Any]:
    (found,) = [other for other in gate["rules"] if other["rule"] == rule]
    return found
