"""The predictions of models against the results of the real compiler, operator by operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.edgetpu.compiled.match import Match, match
from quantline.edgetpu.cost.memory import Memory, predict_memory
from quantline.edgetpu.mapping.operators import NEWEST_RUNTIME, OLDEST_RUNTIME
from quantline.edgetpu.mapping.verdict import MappingReport, OperatorVerdict, predict
from quantline.edgetpu.scoring.truth import Case, Truth, find_cases, nothing_to_score, read_case
from quantline.edgetpu.vocabulary import Evidence, Placement
from quantline.errors import ParameterError, QuantlineError, first_line
from quantline.files import plain

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from quantline.tflite.graph import Graph


@dataclass(frozen=True)
class Miss:
    """An operator that was predicted otherwise than it was placed."""

    predicted: OperatorVerdict  # the prediction, with the rule that it rests on
    actual: Placement

    def to_dict(self) -> dict[str, Any]:
        """Return the miss as plain data."""
        return plain(self.predicted, actual=self.actual)


@dataclass(frozen=True)
class Comparison:
    """The prediction of a model against its compiled file."""

    operators: int  # the number of operators of the model, dead ones included
    placed: Match
    misses: tuple[Miss, ...]  # those that were predicted wrongly or as `unknown`
    subgraphs_predicted: int
    subgraphs_compiled: int

    @property
    def is_exact(self) -> bool:
        """Return whether every operator and the number of subgraphs were predicted rightly."""
        return not self.misses and self.subgraphs_predicted == self.subgraphs_compiled

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data, ready for JSON."""
        return {
            "evidence": {"compiled": str(Evidence.PARSED), "predicted": str(Evidence.PREDICTED)},
            "exact": self.is_exact,
            "misses": [miss.to_dict() for miss in self.misses],
            "operators": self.operators,
            "right": self.operators - len(self.misses),
            "subgraphs": {
                "compiled": self.subgraphs_compiled,
                "predicted": self.subgraphs_predicted,
            },
        }


def compare(report: MappingReport, original: Graph, compiled: Graph) -> Comparison:
    """Compare a prediction with a compiled file.

    Raises:
        MismatchError: The compiled file was made from another model.
    """
    found = match(original, compiled)
    misses = find_misses(report, found.placements)
    return Comparison(len(report.operators), found, misses, report.subgraphs, len(found.subgraphs))


def find_misses(report: MappingReport, placements: Iterable[Placement]) -> tuple[Miss, ...]:
    """Return the operators that were predicted otherwise than they were placed."""
    both = zip(report.operators, placements, strict=True)
    return tuple(Miss(said, actual) for said, actual in both if said.target is not actual)


SMALL_BYTES = 100_000
"""Parameters up to here do not count for the error: of few bytes a small part is much."""

_CLOSE = 0.01


@dataclass(frozen=True)
class ModelScore:
    """The prediction of one model against the truth."""

    model: str
    truth: Truth
    runtime_version: int  # the Edge TPU runtime that was predicted for
    multiple_subgraphs: bool  # `--enable_multiple_subgraphs` was predicted for
    operators: int  # the number of its operators, dead ones included
    misses: tuple[Miss, ...]  # those that were predicted wrongly or as `unknown`
    subgraphs: int  # the predicted number of Edge TPU subgraphs
    memory: Memory  # the parameters that were predicted, in the compiler's layout

    @property
    def right(self) -> int:
        """Operators that were predicted rightly."""
        return self.operators - len(self.misses)

    @property
    def unknown(self) -> int:
        """Operators that were predicted as ``unknown``."""
        return sum(miss.predicted.target is Placement.UNKNOWN for miss in self.misses)

    @property
    def is_exact(self) -> bool:
        """Return whether every operator and the number of subgraphs are right."""
        return not self.misses and self.subgraphs == self.truth.subgraphs

    @property
    def parameter_error(self) -> float | None:
        """Predicted over true parameter bytes, minus 1; None where there are none to compare."""
        if not self.truth.parameter_bytes or self.memory.parameter_bytes is None:
            return None
        return self.memory.parameter_bytes / self.truth.parameter_bytes - 1

    @property
    def is_large(self) -> bool:
        """Return whether its parameters count for the error: more than ``SMALL_BYTES``."""
        return (self.truth.parameter_bytes or 0) > SMALL_BYTES

    @property
    def is_within(self) -> bool | None:
        """Return whether the true parameter bytes lie within the bounds; None where not known."""
        true, memory = self.truth.parameter_bytes, self.memory
        within = memory.parameter_bytes_low <= (true or 0) <= memory.parameter_bytes_high
        return None if true is None else within

    @property
    def streams_right(self) -> bool | None:
        """Return whether the streamed bytes are as predicted, within 1 %; None where not known."""
        true, predicted = self.truth.streamed_bytes, self.memory.streamed_bytes
        if true is None or predicted is None:
            return None
        return abs(predicted - true) <= _CLOSE * true


@dataclass(frozen=True)
class Unscored:
    """A model that could not be scored."""

    model: str
    why: str


@dataclass(frozen=True)
class Score:
    """The predictions of all models of a folder against the truth."""

    models: tuple[ModelScore, ...]
    unscored: tuple[Unscored, ...]

    @property
    def parameter_errors(self) -> tuple[float, ...]:
        """The errors of parameter bytes, without sign, of models above 100 KB.

        Of those where they are predicted: an ``unknown`` has no error.
        """
        errors = [model.parameter_error for model in self.models if model.is_large]
        return tuple(abs(error) for error in errors if error is not None)

    def totals(self) -> dict[str, Any]:
        """Return the figures over all models that could be scored, as plain data."""
        operators = sum(model.operators for model in self.models)
        unknown = sum(model.unknown for model in self.models)
        errors = self.parameter_errors
        within = [model.is_within for model in self.models if model.is_within is not None]
        streams = [model.streams_right for model in self.models if model.streams_right is not None]
        return {
            "models": len(self.models),
            "models_exact": sum(model.is_exact for model in self.models),
            "operators": operators,
            "operators_right": sum(model.right for model in self.models),
            "operators_unknown": unknown,
            "unknown_share": unknown / operators if operators else 0.0,
            "parameter_models": len(errors),
            "parameter_error_median": float(np.median(errors)) if errors else None,
            "parameter_error_p90": float(np.percentile(errors, 90)) if errors else None,
            "parameter_error_worst": max(errors, default=None),
            "parameter_unknown": sum(
                model.is_large and model.memory.parameter_bytes is None for model in self.models
            ),
            "parameter_bounds_models": len(within),
            "parameter_bounds_right": sum(within),
            "streamed_models": len(streams),
            "streamed_right": sum(streams),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain data, ready for JSON."""
        return {
            "evidence": {"predicted": str(Evidence.PREDICTED), "truth": str(Evidence.PARSED)},
            "models": [_model(model) for model in self.models],
            "totals": self.totals(),
            "unscored": [vars(model) for model in self.unscored],
        }


def score(folder: Path, runtime_version: int | None = None) -> Score:
    """Predict every model of a folder of which the compiler's result is known.

    Args:
        folder: The folder of models ``X.tflite`` with ``X_edgetpu.tflite`` or a ``truth.json``.
        runtime_version: The Edge TPU runtime to predict for. By default that of each compiled
            model, because the rules differ by it: the question is what the compiler would do when
            it is asked for the same, and the file says what it was asked for. Where nothing was
            compiled, the newest.

    Raises:
        ModelError: There is no such folder, or no model in it that can be scored.
        ParameterError: There is no such runtime version.
    """
    models, unscored = [], []
    for case in find_cases(folder):
        try:
            models.append(_score(case, runtime_version))
        except ParameterError:  # of the argument: what files ask for is checked
            raise
        except (OSError, ValueError, QuantlineError) as error:
            unscored.append(Unscored(case.model.name, _reason(error)))
    if not models:
        reasons = [f"{model.model}: {model.why}" for model in unscored[:3]]
        raise nothing_to_score(folder, "; ".join(reasons))
    return Score(tuple(models), tuple(unscored))


def _score(case: Case, runtime_version: int | None) -> ModelScore:
    graph, truth = read_case(case)
    version = runtime_version or truth.runtime_version or NEWEST_RUNTIME
    if runtime_version is None and not OLDEST_RUNTIME <= version <= NEWEST_RUNTIME:
        raise ValueError(
            f"'{truth.source}' asks for Edge TPU runtime {version}, and the rules are those of "
            f"{OLDEST_RUNTIME} to {NEWEST_RUNTIME}"
        )
    # A single subgraph does not show whether more were allowed.
    multiple = truth.subgraphs > 1
    report = predict(graph, version, multiple)
    memory, _ = predict_memory(graph.main, report.indices(Placement.EDGETPU), version)
    return ModelScore(
        model=case.model.name,
        truth=truth,
        runtime_version=version,
        multiple_subgraphs=multiple,
        operators=len(report.operators),
        misses=find_misses(report, truth.targets),
        subgraphs=report.subgraphs,
        memory=memory,
    )


def _reason(error: Exception) -> str:
    if isinstance(error, QuantlineError):
        return f"{error.what}: {error.found}"
    if isinstance(error, OSError) and error.strerror:
        return first_line(error, error.strerror)
    return str(error)


def _model(found: ModelScore) -> dict[str, Any]:
    memory, truth = found.memory, found.truth
    return {
        "exact": found.is_exact,
        "misses": [miss.to_dict() for miss in found.misses],
        "model": found.model,
        "multiple_subgraphs": found.multiple_subgraphs,
        "operators": found.operators,
        "parameter_bytes": {
            "error": found.parameter_error,
            "high": memory.parameter_bytes_high,
            "low": memory.parameter_bytes_low,
            "predicted": memory.parameter_bytes,
            "true": truth.parameter_bytes,
        },
        "right": found.right,
        "streamed_bytes": {"predicted": memory.streamed_bytes, "true": truth.streamed_bytes},
        "runtime_version": found.runtime_version,
        "subgraphs": {"predicted": found.subgraphs, "true": truth.subgraphs},
        "truth": truth.source,
        "unknown": found.unknown,
    }
