"""The import of a float model and the lint of its samples, as a caller gives them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from quantline import recipe
from quantline.api.files import read_model
from quantline.api.samples import NamedArrays, Samples, choose, open_samples
from quantline.child import run_in_child
from quantline.errors import ModelUnsupported, unfit_for_calibration
from quantline.quantization import FloatModel, import_float
from quantline.quantization.interface import choose_signature
from quantline.quantization.load_original import load_original, sizes_of
from quantline.quantization.original_source import Source
from quantline.quantization.originals import compute_states
from quantline.quantization.parity import inputs_of, outputs_of
from quantline.ranges import record_in_subprocess, with_joined_ranges
from quantline.sampling import UNRECORDABLE, lint_together
from quantline.tflite import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.api.given import SamplesLike
    from quantline.errors import Finding
    from quantline.ranges import RangeSet

logger = logging.getLogger(__name__)
_RANDOM_SAMPLES = 4
_TIMEOUT_S = 1800

Inputs = dict[str, tuple[tuple[int, ...], str]]
"""Each input's whole shape, -1 for a size that is left open, and its dtype, by name."""


@dataclass(frozen=True)
class Prepared:
    """A float model and samples of its inputs.

    Attributes:
        source: The file that it was imported from.
        model: The imported model.
        samples: The samples, by the model's names; None if none were given.
        findings: The lint's findings in them.
    """

    source: recipe.Model
    model: FloatModel
    samples: Samples | None
    findings: tuple[Finding, ...] = field(default=())

    def record(self) -> RangeSet:
        """Record the model's ranges over the samples, of which there are some.

        A state and its next value get one range, so that the caller can hand integers on.
        """
        assert self.samples is not None  # noqa: S101 - the caller sees to it
        ranges = record_in_subprocess(
            self.model.content,
            self.samples.arrays,
            name=f"'{self.model.about['source']['path']}'",
            samples_sha256=self.samples.sha256,
            timeout_s=_TIMEOUT_S,
        )
        states = self.model.about.get("states", {})
        graph = read(self.model.content)
        taken, given = inputs_of(graph), outputs_of(graph)
        pairs = {taken[name].index: given[state["next"]].index for name, state in states.items()}
        return with_joined_ranges(ranges, pairs)

    def describe(self) -> list[tuple[str, str]]:
        """Return rows for people: the model and the data."""
        about = self.model.about
        parity = about["parity"]
        checked = (
            f", equal to the imported one to {parity['max_difference']:.1g} of "
            f"{parity['max_output']:.3g}"
            if parity["examples"]
            else ""
        )
        rows = [("model", f"{about['source']['path']} ({about['source']['format']}{checked})")]
        rows += [("import", sentence) for sentence in about["rebuilt"]]
        if self.samples is not None:
            arrays = self.samples.arrays
            ends = [f"{f'{name} in ' if len(arrays) > 1 else ''}[{values.min():.4g}, "
                    f"{values.max():.4g}]" for name, values in arrays.items()]  # fmt: skip
            said = f"values in {ends[0]}" if len(ends) == 1 else ", ".join(ends)
            rows.append(("samples", f"{self.samples.count}, {said}"))
        return rows


def prepare(
    model: recipe.Model,
    limits: recipe.Limits,
    data: SamplesLike | None,
    lint: Literal["error", "warn"] = "error",
    in_memory: Mapping[str, str] | None = None,
) -> Prepared:
    """Import the model and lint the samples.

    Raises:
        DataError: The lint found an error.
        QuantlineError: The data cannot be read, or the model cannot be imported.
    """
    source = Source.of(model, limits)  # before the data is read: it may be no model
    archive = None if data is None else open_samples(data)
    inputs, states = _inputs(source, archive, limits)
    samples = None
    if archive is not None:
        rows = {name: shape[1:] for name, (shape, _) in (inputs or {}).items()}
        of_states = {name: shape for name, (shape, _) in states.items()}
        samples = choose(archive, rows or None, of_states)
        for name, stored in samples.fitted.items():
            logger.info("'%s' in %s is taken as the input '%s', which is the only one of this "
                        "shape", stored, archive.name, name)  # fmt: skip
        if samples.ignored:
            logger.info("not used: %s in %s", ", ".join(samples.ignored), archive.name)
        # Samples that no model can run on are refused before a model runs on them.
        broken = [
            finding
            for finding in lint_together(
                samples.arrays,
                {name: (values.shape[1:], "float32") for name, values in samples.arrays.items()},
            )
            if finding.name in UNRECORDABLE and finding.severity == "error"
        ]
        if broken:
            raise unfit_for_calibration(broken)
    given = _for_parity(samples, inputs)
    imported = import_float(model, given, recipe.Parity(), limits)
    imported.about["source"] |= in_memory or {}
    if samples is None:
        if imported.about["parity"]["examples"]:
            imported.about["parity"]["note"] = "on random inputs: no samples were given"
        return Prepared(model, imported, None)
    tensors = inputs_of(read(imported.content))
    lacking = {
        name
        for name, state in imported.about.get("states", {}).items()
        if state["samples"] == "computed"
    }
    samples = samples.named([name for name in tensors if name not in lacking])
    if lacking:
        samples = replace(samples, arrays={**samples.arrays, **_computed(source, samples, limits)})
    findings = lint_together(
        samples.arrays,
        {name: (tensor.sample_shape, tensor.dtype) for name, tensor in tensors.items()},
    )
    errors = {finding.name for finding in findings if finding.severity == "error"}
    if errors & UNRECORDABLE:
        raise unfit_for_calibration(findings)
    if errors and lint == "error":
        raise unfit_for_calibration(findings, "Pass `lint=warn` to go on all the same")
    for finding in findings:
        if finding.severity != "note":
            logger.warning("%s", finding)
    return Prepared(model, imported, samples, findings)


def _computed(source: Source, samples: Samples, limits: recipe.Limits) -> dict[str, np.ndarray]:
    """Return the states that the original comes to over all samples, of which none was given."""
    found: dict[str, np.ndarray] = run_in_child(
        compute_states, source, samples.arrays,
        what=f"running '{source.path}' over the samples in order", timeout_s=_TIMEOUT_S,
        load_s=limits.load_s, memory_gib=limits.memory_gib, confined=True,
    )  # fmt: skip
    return found


def _inputs(
    source: Source, archive: NamedArrays | None, limits: recipe.Limits
) -> tuple[Inputs | None, Inputs]:
    """Return the model's inputs where they are needed before it is imported, or cheap to know."""
    path = Path(source.path)
    if source.kind != "tflite":
        if archive is not None and len(archive.shapes) == 1:
            return None, {}  # the import takes a single array as it is, or says what is wrong
        found: tuple[Inputs, Inputs] = run_in_child(
            inputs_of_original, source,
            what=f"reading the inputs of '{path}'", timeout_s=_TIMEOUT_S, load_s=limits.load_s,
            memory_gib=limits.memory_gib, confined=True,
        )  # fmt: skip
        return found
    _, graph = read_model(path)
    tensors = {graph.main.tensors[index].name: graph.main.tensors[index]
               for index in graph.main.inputs}  # fmt: skip
    if graph.signatures:
        keys = [signature.key for signature in graph.signatures]
        key = choose_signature(keys, source.signature, source.path)
        chosen = graph.signatures[keys.index(key)]
        owner = graph.subgraphs[chosen.subgraph]
        tensors = {name: owner.tensors[index] for name, index in chosen.inputs.items()}
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}, {}


def inputs_of_original(source: Source) -> tuple[Inputs, Inputs]:
    """Load a Keras model or a SavedModel, in a child process, and return its inputs and states."""
    original = load_original(source)
    found = {name: (sizes_of(spec, None), spec.dtype.name) for name, spec in original.specs.items()}
    states = {name: found.pop(name) for name in original.states}
    return found, states


def _for_parity(samples: Samples | None, inputs: Inputs | None) -> Any:
    """Return what the import compares the models on; without samples, random numbers do."""
    if samples is not None:
        single = len(samples.arrays) == 1
        return next(iter(samples.arrays.values())) if single else samples.arrays
    assert inputs is not None  # noqa: S101 - they are asked for where there is no data
    rng = np.random.default_rng(0)
    return {
        name: rng.uniform(0, 1, (_RANDOM_SAMPLES, *_sizes(name, shape))).astype(
            np.float32 if dtype.startswith(("float", "bfloat")) else np.int32
        )
        for name, (shape, dtype) in inputs.items()
    }


def _sizes(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of one random sample of an input: a batch of 1 where that is open."""
    if any(size < 0 for size in shape[1:]):
        raise ModelUnsupported(
            f"The input '{name}' of the model has sizes that are not known",
            found=f"{shape}, where -1 is unknown",
            expected="known sizes, or samples, whose shape then holds",
            remedy="Pass `samples` of the size that is wanted",
        )
    return shape[1:] if shape[:1] in ((1,), (-1,)) else shape
