"""Targets: named contracts of what a model may hold, read from YAML, and the check against them."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from quantline import recipe
from quantline.contract.finding import ContractReport, Finding, counted, in_order, listed, remedies
from quantline.contract.rules import Rule, broken
from quantline.errors import CheckFailed, ParameterError, first_few, suggest
from quantline.reading import Unreadable, YamlUnreadable, load_yaml, read_text
from quantline.reading.yaml_text import LARGEST_BYTES
from quantline.tflite.consistency import DTYPES, OPERATORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quantline.tflite import Graph, Operator, Subgraph, Tensor


_FOLDER = files(__package__)
_FILES = [Path(item.name) for item in _FOLDER.iterdir() if item.name.endswith(".yml")]
BUILT_IN = tuple(sorted(file.stem for file in _FILES))
"""The targets of this package: each is a YAML file next to this module."""
_SUFFIXES = (".yml", ".yaml")


def _known(what: str, names: list[str]) -> AfterValidator:
    """Return a check that names are the schema's."""

    def check(given: Any) -> Any:
        for item in given:
            if item not in names:
                near = suggest(item, names, limit=1)
                raise ValueError(f"{what} of the schema; '{item}' is none. {near}".rstrip())
        return given

    return AfterValidator(check)


def _any_version(given: Any) -> Any:
    """Take a list of operators as one that allows all their versions."""
    return dict.fromkeys(given) if isinstance(given, list) else given


Versions = Annotated[dict[str, recipe.Positive | None], BeforeValidator(_any_version)]
Types = Annotated[list[str], _known("types", list(DTYPES.values()))]


class Target(recipe.Parameters):
    """The contract that a model must keep to run on one runtime or device.

    What is left out is not demanded.
    """

    name: str  # name in reports
    description: str = ""
    source: str = ""  # the document of its demands, or the measurement
    # the schema's names of the allowed operators, each with its highest version; without one, all
    # versions. A list allows all versions of all
    operators: Annotated[Versions, _known("operators", list(OPERATORS.values()))] | None = None
    custom_operators: Versions = Field(default_factory=dict)  # likewise custom ones
    # the dtypes that tensors may have, by the schema's names in lower case
    tensor_types: Types | None = None
    input_types: Types | None = None  # those of the model's inputs, in place of `tensor_types`
    output_types: Types | None = None  # those of the model's outputs, likewise
    static_shapes: bool = False  # every size but the batch must be known before the model runs
    per_axis_dense: bool = True  # weights of FULLY_CONNECTED may have a scale for each output
    size_limit: Annotated[int, Field(gt=0)] | None = None  # bytes of the `.tflite` file


def load(name: str) -> Target:
    """Return a target by the name of a built-in one, or by the path of a YAML file.

    Raises:
        ParameterError: There is no such target, or the file does not describe one.
    """
    if name in BUILT_IN:
        text = (_FOLDER / f"{name}.yml").read_text("utf-8")
    elif name.endswith(_SUFFIXES):
        text = _read(name)
    else:
        raise ParameterError(
            f"There is no target '{name}'",
            found=f"'{name}'",
            expected=f"{', '.join(BUILT_IN)}, or the path of a file that ends in .yml",
            remedy=suggest(name, BUILT_IN)
            or "Name a built-in target, or describe your own in a YAML file as in docs/targets.md",
        )
    try:
        values = load_yaml(text)
    except YamlUnreadable as error:
        raise _unreadable(name, str(error)) from error
    if not isinstance(values, dict):
        raise _unreadable(name, f"{type(values).__name__} at the top")
    key = Path(name).stem
    try:
        return recipe.check(Target, {"name": key, **values}, key)
    except ParameterError as error:
        raise ParameterError(
            f"{error.what} of the target in '{name}'",
            found=error.found,
            expected=error.expected,
            remedy=error.remedy,
        ) from error


def _read(path: str) -> str:
    try:
        return read_text(path, LARGEST_BYTES)
    except Unreadable as error:
        raise _unreadable(path, str(error)) from error


def _unreadable(path: str, found: str) -> ParameterError:
    return ParameterError(
        f"The target '{path}' cannot be read",
        found=found,
        expected=f"a YAML file with keys such as {', '.join(list(Target.model_fields)[:4])}",
        remedy="Check the path and the file; docs/targets.md shows one",
    )


_OWN = "the target's description"
RULES = {
    "target.operator": Rule("target", "an operator that the target has", _OWN,
        "Replace it in the float model by operators of the target"),
    "target.version": Rule("target", "a version of the operator that the target has", _OWN,
        "Take the newer runtime, or write the operator with the attributes and shapes of its older "
        "version"),
    "target.type": Rule("target", "a type that the target has", _OWN),
    "target.io_type": Rule("target", "inputs and outputs of the target's types", _OWN),
    "target.static_shape": Rule("target",
        "sizes that are known before the model runs; the batch may be unknown", _OWN,
        "Export the model with inputs of a fixed size"),
    "target.per_axis_dense": Rule("target", "one scale for the weights of FULLY_CONNECTED", _OWN,
        "Use `scheme='int8_per_tensor'`"),
    "target.size": Rule("target", "a file within the target's limit", _OWN,
        "Make the model smaller"),
}  # fmt: skip
"""Each rule by its id; docs/targets.md says which field of a target asks for it."""


def check_target(
    report: ContractReport, graph: Graph, target: Target, size_bytes: int
) -> ContractReport:
    """Return the report of a model with the violations of a target's contract."""
    broken_here = tuple(_breaches(graph, target, size_bytes))
    findings = in_order([*report.findings, *broken_here])
    holds = not broken_here
    return replace(report, target=target.name, holds_target=holds, findings=findings)


def enforce_target(report: ContractReport) -> None:
    """Stop where a model does not keep the contract of the target that it was checked against.

    Raises:
        CheckFailed: With all findings by operator type, and the first twenty in full.
    """
    found = [finding for finding in report.findings if finding.severity == "target"]
    if not found:
        return
    raise CheckFailed(
        f"The model does not keep the contract of the target '{report.target}'",
        found=f"{counted(len(found), 'finding')} {listed(found)}",
        expected="; ".join(dict.fromkeys(finding.expected for finding in found)),
        remedy=remedies(found, "choose another `target`, or none with `target=None`"),
    )


def _breaches(graph: Graph, target: Target, size_bytes: int) -> Iterator[Finding]:
    main = graph.main
    if target.size_limit is not None and size_bytes > target.size_limit:
        found = f"{size_bytes:,} bytes; '{target.name}' takes {target.size_limit:,}"
        expected = f"at most {target.size_limit:,} bytes"
        yield _finding("target.size", main, None, None, found, expected)
    for subgraph in graph.subgraphs:
        for operator in subgraph.operators:
            yield from _operator(subgraph, operator, target)
        yield from _tensors(subgraph, target)


def _operator(subgraph: Subgraph, operator: Operator, target: Target) -> Iterator[Finding]:
    known = target.custom_operators if operator.is_custom else target.operators
    tensor = next(iter(subgraph.tensors_at((*operator.outputs, *operator.inputs))), None)
    kind = f"the custom operator {operator.type}" if operator.is_custom else operator.type
    if known is not None and operator.type not in known:
        found = f"{kind}, which '{target.name}' does not have"
        yield _finding("target.operator", subgraph, operator, tensor, found)
    elif known is not None and (highest := known[operator.type]) and operator.version > highest:
        found = f"version {operator.version} of {kind}; '{target.name}' has those up to {highest}"
        expected = f"version {highest} at most"
        yield _finding("target.version", subgraph, operator, tensor, found, expected)
    if operator.type == "FULLY_CONNECTED" and not target.per_axis_dense:
        weights = subgraph.tensors[operator.inputs[1]]
        count = len(weights.quantization.scales) if weights.quantization else 0
        if count > 1:
            found = f"weights with {count} scales, one for each output"
            yield _finding("target.per_axis_dense", subgraph, operator, weights, found)


def _tensors(subgraph: Subgraph, target: Target) -> Iterator[Finding]:
    ports: dict[int, list[str] | None] = {}
    if not subgraph.index:
        ports = dict.fromkeys(subgraph.inputs, target.input_types)
        ports |= dict.fromkeys(subgraph.outputs, target.output_types)
    for index, operator in _used(subgraph).items():
        tensor = subgraph.tensors[index]
        types, rule = ports.get(index), "target.io_type"
        if types is None:
            types, rule = target.tensor_types, "target.type"
        if types is not None and tensor.dtype not in types:
            found = f"{tensor.dtype}, which '{target.name}' does not take"
            if rule == "target.io_type":
                end = "an input" if index in subgraph.inputs else "an output"
                found += f" as {end}"
            yield _finding(rule, subgraph, operator, tensor, found, " or ".join(types))
        if target.static_shapes and any(size < 0 for size in tensor.shape[1:]):
            found = f"the shape ({first_few(tensor.shape)}), where -1 is not known"
            yield _finding("target.static_shape", subgraph, operator, tensor, found)


def _used(subgraph: Subgraph) -> dict[int, Operator | None]:
    """Return the tensors that are read, written, taken or given, with an operator that does it."""
    found: dict[int, Operator | None] = {}
    for operator in subgraph.operators:
        found |= {index: operator for index in operator.outputs if index >= 0}
        for index in operator.inputs:
            if index >= 0:
                found.setdefault(index, operator)
    for index in (*subgraph.inputs, *subgraph.outputs):
        found.setdefault(index, None)
    return found


def _finding(
    rule: str, subgraph: Subgraph, operator: Operator | None, tensor: Tensor | None, found: str,
    expected: str | None = None,
) -> Finding:  # fmt: skip
    known = RULES[rule]
    return broken(
        rule, subgraph, operator, tensor, found,
        severity="target", expected=expected or known.meaning, remedy=known.remedy,
    )  # fmt: skip
