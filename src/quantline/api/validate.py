"""Any ``.tflite`` model, checked against what it should be."""

from __future__ import annotations

import logging
import os
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from quantline import recipe
from quantline.api.files import read_tflite
from quantline.api.given import check_choice
from quantline.contract import check_model
from quantline.contract.finding import Specification
from quantline.contract.golden import check
from quantline.contract.targets import check_target, load
from quantline.contract.vectors import Golden
from quantline.edgetpu import evaluate
from quantline.errors import ResultMissing
from quantline.files import sha256
from quantline.quantization.schemes import SCHEMES
from quantline.recipe.check import check_arguments
from quantline.results import Origin, check_result, parse_json, read_bytes
from quantline.results.parse import MOST_BYTES
from quantline.tables import html_pairs, html_table, size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.api.given import ModelLike
    from quantline.contract import ContractReport, Finding
    from quantline.contract.golden import Mismatch
    from quantline.edgetpu import EdgeTpuReport


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ValidationReport:
    """The result of checking a model: the conditions that it meets, and the findings.

    Attributes:
        report: Integer-only, the specification and the target, parsed from the file.
        scheme: The scheme that it was checked against.
        recipe_path: The path of the recipe that names the scheme; None without one.
        size_bytes: The size of the file.
        model_sha256: Its hash.
        vectors: The number of golden vectors it was run on; None without any.
        mismatches: Outputs that are not what a golden vector says, measured.
    """

    report: ContractReport
    scheme: str
    recipe_path: Path | None
    size_bytes: int
    model_sha256: str
    vectors: int | None
    mismatches: tuple[Mismatch, ...]

    @property
    def holds(self) -> bool:
        """True if the model meets everything that it was checked against."""
        return not self.mismatches and all(
            finding.severity == "note" for finding in self.report.findings
        )

    @property
    def integer_only(self) -> bool:
        """True if every tensor is an integer, except for a declared float interface."""
        return self.report.integer_only

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything found, by severity, subgraph and operator."""
        return self.report.findings

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            **self.report.to_dict(),
            "holds": self.holds,
            "model_sha256": self.model_sha256,
            "size_bytes": self.size_bytes,
            "scheme": self.scheme,
            "golden": None if self.vectors is None else {
                "holds": not self.mismatches,
                "vectors": self.vectors,
                "mismatches": [asdict(mismatch) for mismatch in self.mismatches],
            },
        }  # fmt: skip

    def __repr__(self) -> str:
        verdict = "holds" if self.holds else "does not hold"
        counts = Counter(finding.severity for finding in self.findings)
        found = "".join(f", {severity}: {count}" for severity, count in counts.items())
        target = "" if self.report.target is None else f", target {self.report.target}"
        return f"ValidationReport({verdict}, {self.scheme}{target}{found})"

    def _repr_html_(self) -> str:
        report = self.report
        rows = [
            ("model", f"{size(self.size_bytes)}, sha256 {self.model_sha256[:12]}"),
            ("scheme", self.scheme),
            ("interface", f"{', '.join(report.input_types)} -> {', '.join(report.output_types)}"),
            ("integer-only", f"{_yes(report.integer_only)}: {report.integer_tensors} of "
                             f"{report.tensors} tensors are integers"),
            (f"specification {report.held_to}", _yes(report.specification)),
        ]  # fmt: skip
        if report.target is not None:
            rows.append((f"target {report.target}", _yes(bool(report.holds_target))))
        if self.vectors is not None:
            rows.append(("golden vectors", f"{_yes(not self.mismatches)}: {self.vectors}"))
        found = [
            (item.severity, item.rule, item.type, item.found, item.remedy or "")
            for item in self.findings
        ]
        headings = ("severity", "rule", "type", "found", "remedy")
        return html_pairs(rows) + (html_table(headings, found) if found else "")


def validate(
    model: ModelLike,
    target: str | os.PathLike[str] | None = None,
    *,
    golden: str | os.PathLike[str] | Golden | None = None,
    scheme: recipe.SchemeName | None = None,
    specification: Specification = "int8",
    float_input: bool = False,
    float_output: bool = False,
) -> ValidationReport:
    """Check a ``.tflite`` model for integers only, the specification, a target, golden vectors.

    The model may come from any converter; without golden vectors it is not run. The recipe that
    lies next to a file, or comes with the result of a quantization, says by which scheme and with
    which inputs and outputs it was made.

    Args:
        model: The ``.tflite`` file's path, its bytes, or the result of a quantization.
        target: A target's name, such as ``cpu`` or ``edgetpu``, or the path of a YAML file that
            describes one.
        golden: Golden vectors to run it on, or the path of their file.
        scheme: The scheme it was made by; under a scheme that allows float, what is float
            breaks nothing. If None, what the recipe says, or int8.
        specification: The quantization specification that is to hold: that of int8 and 16x8, the
            former one of uint8 models, or none.
        float_input: True if its inputs are float32 by intent.
        float_output: True if its outputs are float32 by intent.

    Raises:
        ModelUnreadable: It is no whole ``.tflite`` file.
        ParameterError: An argument has a bad value, or there is no such target.
        ResultMissing: The recipe next to it is damaged.
    """
    check_choice("scheme", scheme, get_args(recipe.SchemeName))
    check_choice("specification", specification, get_args(Specification))
    chosen = None if target is None else load(os.fspath(target))
    _, content, graph = read_tflite(model)
    made, recipe_path = _recipe_of(model, content)
    promise = scheme or made.get("scheme", "int8")
    report = check_model(
        graph,
        float_input=float_input or made.get("input_type") == "float32",
        float_output=float_output or made.get("output_type") == "float32",
        promise=promise,
        specification=specification,
    )
    if chosen is not None:
        report = check_target(report, graph, chosen, len(content))
    kept = golden if isinstance(golden, Golden | None) else Golden.load(os.fspath(golden))
    return ValidationReport(
        report=report,
        scheme=promise,
        recipe_path=recipe_path,
        size_bytes=len(content),
        model_sha256=sha256(content),
        vectors=None if kept is None else len(kept.vectors),
        mismatches=() if kept is None else check(content, kept),
    )


def _recipe_of(model: ModelLike, content: bytes) -> tuple[Mapping[str, Any], Path | None]:
    """Return the recipe that comes with a model, and where it lies; nothing where there is none."""
    if not isinstance(model, str | os.PathLike):
        return getattr(model, "recipe", {}), None
    recipe_path = Path(model).with_suffix(".json")
    origin = Origin(
        f"The recipe '{recipe_path}'",
        "what 'quantline quantize' wrote next to the model",
        "Quantize the model again, or take the file away and say with `scheme` what it is",
    )
    try:
        found = parse_json(read_bytes(recipe_path, origin, MOST_BYTES), origin)
    except ResultMissing:
        return {}, None
    if not isinstance(found, dict):
        return {}, None
    if found.get("int8_model_sha256") != sha256(content):
        if str(found.get("scheme")) in SCHEMES:
            logger.warning("'%s' is the recipe of another model, and is not used", recipe_path)
        return {}, None
    made: Mapping[str, Any] = check_result("recipe", found, origin)
    return made, recipe_path


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def predict_edgetpu(
    model: ModelLike,
    *,
    runtime_version: int = recipe.EdgeTpu().runtime_version,
    multiple_subgraphs: bool = False,
    original: ModelLike | None = None,
) -> EdgeTpuReport:
    """Predict what the Edge TPU does with a ``.tflite`` model: operators, memory, latency.

    Of a compiled model, mapping and memory are parsed from the file. Neither compiler nor device is
    needed.

    Args:
        model: The ``.tflite`` file's path, its bytes, or the result of a quantization.
        runtime_version: The version of the Edge TPU's runtime that the model is meant for.
        multiple_subgraphs: True if every group of operators that the Edge TPU can run is compiled,
            and not only the first.
        original: Of a compiled model, what it was made from.

    Raises:
        ModelUnreadable: It is no whole ``.tflite`` file.
        ParameterError: There is no such version.
        MismatchError: The compiled model was not made from ``original``.
    """
    settings = check_arguments(
        recipe.EdgeTpu,
        {"runtime_version": runtime_version, "multiple_subgraphs": multiple_subgraphs},
    )
    name, content, _ = read_tflite(model)
    return evaluate(
        content,
        settings.runtime_version,
        settings.multiple_subgraphs,
        name=name,
        original=None if original is None else read_tflite(original)[2],
    )
