"""A quantized model with its recipe, its ranges and what was measured and checked of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.api.files import check_outputs, write_together
from quantline.contract import golden
from quantline.files import canonical_json
from quantline.quantization.output_report import lines, lost_outputs
from quantline.quantization.search import CONVERTER, FEWEST
from quantline.range_methods import ChosenMethod
from quantline.results.scores import MeasuredOutputs
from quantline.tables import html_pairs, size

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from quantline.api.prepare import Prepared
    from quantline.contract import ContractReport
    from quantline.errors import CheckFailed, Finding
    from quantline.quantization import FloatModel, Quantized
    from quantline.ranges import RangeSet
    from quantline.tflite import Graph


@dataclass(frozen=True, eq=False)
class QuantizationResult:
    """A quantized model and the evidence of what it is.

    Attributes:
        content: The ``.tflite`` file's bytes.
        recipe: Plain JSON values that say how it was made, from what, and with which versions.
        ranges: The ranges that it was made from; None for a scheme whose activations stay float.
        check: The verdict on integers only and the specification, parsed, with findings.
        findings: The lint's findings in the samples.
        float_model: The float ``.tflite`` that the model was imported to, and what was found then.
        summary: All of it in short, a name and a text each.
    """

    content: bytes
    recipe: dict[str, Any]
    ranges: RangeSet | None
    check: ContractReport
    findings: tuple[Finding, ...]
    float_model: FloatModel
    summary: tuple[tuple[str, str], ...]
    _samples: list[Any] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        made: Quantized,
        ranges: RangeSet | None,
        check: ContractReport,
        graph: Graph,
        prepared: Prepared,
    ) -> QuantizationResult:
        """Put together what became of a model and its samples."""
        recipe = {**made.recipe, "float_import": prepared.model.about}
        return cls(
            content=made.content,
            recipe=recipe,
            ranges=ranges,
            check=check,
            findings=prepared.findings,
            float_model=prepared.model,
            summary=tuple(_rows(prepared, recipe, graph, check)),
            _samples=[] if prepared.samples is None else list(prepared.samples.each()),
        )

    @property
    def size_bytes(self) -> int:
        """The size of the ``.tflite`` file."""
        return len(self.content)

    @property
    def fidelity(self) -> MeasuredOutputs:
        """The distance of each output from the float model's, measured on calibration samples."""
        return MeasuredOutputs.model_validate(self.recipe["measured"])

    @property
    def lost(self) -> CheckFailed | None:
        """The error that lost outputs are; None where none is lost."""
        return lost_outputs(self.recipe["measured"])

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> tuple[Path, ...]:
        """Write the model, its recipe and golden vectors, all of them or none.

        The recipe goes to a ``.json`` file and the golden vectors to a ``.golden.npz`` file of the
        same name. Files that are there already and equal stay as they are.

        Args:
            path: The ``.tflite`` file.
            overwrite: True if different files are replaced.

        Returns:
            The files' paths.

        Raises:
            OutputNotWritten: A different file is there, or a file cannot be written.
        """
        outputs = output_paths(path)
        source = self.recipe["float_import"]["source"]["path"]
        check_outputs(outputs, [source], suffix=".tflite")
        vectors = golden.make(self.content, self._samples).to_bytes()
        contents = (self.content, canonical_json(self.recipe), vectors)
        write_together(dict(zip(outputs, contents, strict=True)), force=overwrite)
        return outputs

    def __repr__(self) -> str:
        made = f"{self.recipe['scheme']}, {size(self.size_bytes)}"
        method = self.recipe["method"]
        how = "" if method is None else f", ranges by {method}"
        lost = ", an output is lost" if self.lost is not None else ""
        return f"QuantizationResult({made}{how}{lost})"

    def _repr_html_(self) -> str:
        return html_pairs(self.summary)


def output_paths(path: str | os.PathLike[str]) -> tuple[Path, Path, Path]:
    """Return where a model, its recipe and its golden vectors go."""
    model = Path(path)
    return model, model.with_suffix(".json"), model.with_suffix(".golden.npz")


def tensor_ios(graph: Graph, *, inputs: bool) -> list[dict[str, Any]]:
    """Return the inputs or outputs of a model as plain values: name, dtype, shape and scale."""
    main = graph.main
    signature = graph.signatures[0] if graph.signatures else None
    named = {} if signature is None else signature.inputs if inputs else signature.outputs
    names = {index: name for name, index in named.items()}
    found = []
    for index in main.inputs if inputs else main.outputs:
        tensor = main.tensors[index]
        quantization = tensor.quantization
        found.append(
            {
                "name": names.get(index, tensor.name),
                "dtype": tensor.dtype,
                "shape": list(tensor.shape),
                "scale": quantization.scales[0] if quantization else None,
                "zero_point": quantization.zero_points[0] if quantization else None,
            }
        )
    return found


def _rows(
    prepared: Prepared, recipe: dict[str, Any], graph: Graph, report: ContractReport
) -> list[tuple[str, str]]:
    before, after = len(prepared.model.content), recipe["size_bytes"]
    change = (
        f"{before / after:.2f}x smaller" if after <= before else f"{after / before:.2f}x larger"
    )
    left = Counter(
        finding.type
        for finding in report.findings
        if finding.breaks_integer_only
        and finding.operator is not None  # else it is a tensor alone
        and finding.type not in {"QUANTIZE", "DEQUANTIZE"}
    )
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(left.items()))
    dtypes = Counter(tensor.dtype for subgraph in graph.subgraphs for tensor in subgraph.tensors)
    rows = [
        *prepared.describe(),
        ("scheme", f"{recipe['scheme']}: weights {recipe['weights']}; activations "
                   f"{recipe['activations']}"),
        ("back end", f"{recipe['backend']}"),
    ]  # fmt: skip
    if recipe["method"] is not None:
        method = ChosenMethod.from_dict(recipe)
        rows.append(("ranges", f"{method}, from {recipe['samples']} samples"))
    if recipe.get("search"):
        rows += search_rows(recipe["search"])
    rows += [("outputs", text) for text in lines(recipe["measured"])]
    rows += [
        ("size", f"{size(before)} -> {size(after)}, {change}"),
        ("left in float", f"{left.total()} of {report.operators} operators: {kinds}"
                          if left else f"none of {report.operators} operators"),
        ("int8 tensors", f"{dtypes['int8']} of {report.tensors}; "
                         f"{report.integer_tensors} are integers"),
    ]  # fmt: skip
    for label, inputs in (("input", True), ("output", False)):
        for port in tensor_ios(graph, inputs=inputs):
            steps = (
                f", scale {port['scale']:.6g}, zero point {port['zero_point']}"
                if port["scale"] is not None
                else ""
            )
            rows.append((label, f"{port['name']}: {port['dtype']} {port['shape']}{steps}"))
    return rows


_JUDGED_BY = {
    "divergence": "the divergence of its softmax from float's",
    "noise": "the noise of its channels",
    "unequal": "equality",
}


def search_rows(search: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return rows for people: what was taken and by what margin, the runner-up, and the others."""
    baseline = _name(search["baseline"])
    if not search["trials"]:
        given = search["fitted_on"] + search["judged_on"]
        text = f"{baseline} stays: {given} samples are too few to judge by, {FEWEST} can be enough"
        return [("found", text)]
    best, *others = search["trials"]
    judged = [text for key, text in _JUDGED_BY.items() if best[key] is not None]
    rows = [("judged", f"each output by {' or '.join(judged)}, on {search['judged_on']} samples "
                       f"held back; ranges from {search['fitted_on']} others")]  # fmt: skip
    if search["overruled"] is not None:
        rows.append(("found", f"{baseline} stays: {_name(search['overruled'])} was better, but not "
                              "with the ranges of all samples"))  # fmt: skip
    elif search["little_to_gain"]:
        rows.append(("found", f"{baseline} stays: its divergence, {best['divergence']:.2g} nats, "
                              "is too small for a gain to show in decisions"))  # fmt: skip
    elif not best["is_better"]:
        rows.append(("found", f"{baseline} stays: nothing was better by more than the noise, "
                              f"{search['needed']:.2g} standard errors"))  # fmt: skip
    else:
        needed = search["needed"] * best["gain_error"]
        rows.append(("found", f"{_describe(best, baseline)}; gain {best['gain']:.2f} a sample, "
                              f"where {needed:.2f} is more than noise"))  # fmt: skip
    labels = ["runner-up", *["tried"] * len(others)]
    return rows + [
        (label, _describe(other, baseline)) for label, other in zip(labels, others, strict=False)
    ]


def _name(way: Mapping[str, Any]) -> str:
    method = ChosenMethod.from_dict(way)
    shared = ", shared scales as the converter has them" if way["shared"] == CONVERTER else ""
    return f"{method}{', biases corrected' * way['bias_correction']}{shared}"


def _describe(trial: Mapping[str, Any], baseline: str) -> str:
    agreement = trial["agreement"]
    same = "" if agreement is None else f", same top-1 {agreement:.1%}"
    return (
        f"{_name(trial)}: {1 - trial['improvement']:.1%} of what {baseline} loses, "
        f"± {trial['standard_error']:.1%}{same}"
    )
