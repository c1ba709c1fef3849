"""Schemas of a model's import, recipe, ranges and golden vectors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, create_model, model_validator

from quantline.range_methods import PARAMETERS
from quantline.recipe import IoType, SchemeName
from quantline.results.fields import Count, Hash, Index, Many, Part, Share, Some, Whole
from quantline.results.scores import MeasuredOutputs

_LARGEST = 2.0**128 - 2.0**104  # of float32
_SUM_DIGITS = 400  # numerator and denominator of an exact sum of float32 values have 150 at most

Real = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]
"""A number that float32 holds."""
ExactSum = Annotated[str, Field(pattern=r"^-?[0-9]+(/[1-9][0-9]*)?$", max_length=_SUM_DIGITS)]
"""A fraction as text, such as ``-3/8``."""


def _is_pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"a regular expression ({error})") from error
    return text


class TensorIO(Part):
    """An input or output of a model."""

    dtype: str
    shape: Many[Whole]


class Training(Part):
    """``training.json``: how a model was trained."""

    evidence: str
    sha256: Hash
    start_sha256: Hash | None  # of the model that it went on from
    parameters: dict[str, Any]
    examples: Count
    history: dict[str, Many[float | None]] = Field(default={})  # a number an epoch, by name
    # Of the embedded network:
    classes: Count | None = None
    steps: Count | None = None
    top1: Share | None = None
    loss: float | None = None


class ImportedFrom(Part):
    """The trained model that was imported."""

    path: str
    format: str
    sha256: Hash


class ImportedState(Part):
    """A variable that became an input and an output."""

    next: str  # the output
    initial: Any  # numbers, nested as the variable's axes are
    samples: Literal["given", "computed"]


class FloatImport(Part):
    """``float_import.json``."""

    name: str  # of the model that the results belong to
    source: ImportedFrom
    float_model_sha256: Hash
    size_bytes: Count
    operators: Count
    signatures: Many[str]
    inputs: dict[str, TensorIO]
    outputs: dict[str, TensorIO]
    loaded_with: str
    rebuilt: Many[str] = Field(default=[])  # what is computed in another way than by the original
    parity: dict[str, Any]  # how far it is from the original
    states: dict[str, ImportedState] = Field(default={})  # by the input's name
    versions: dict[str, str]
    training: Training | None = None  # of a model that the project trained


if TYPE_CHECKING:
    MethodParameters = Part
else:
    MethodParameters = create_model(
        "MethodParameters", __base__=Part, **dict.fromkeys(PARAMETERS, (float | None, None))
    )


class SearchedWay(MethodParameters):
    """A choice that was tried by a search: :class:`quantline.quantization.search.Way`.

    It has a field for each parameter of a method in ``range_methods``, None for other methods'.
    """

    method: str
    shared: Literal["widest", "converter"]
    bias_correction: bool


class SearchTrial(SearchedWay):
    """The result of trying it: :class:`quantline.quantization.search.Trial`."""

    divergence: float | None  # in nats
    noise: Share | None
    unequal: Share | None
    agreement: Share | None
    improvement: float  # over the baseline, as a share of its loss
    standard_error: float
    gain: float  # sample by sample, from -1 to 1
    gain_error: float
    is_better: bool


class Searched(Part):
    """Everything that was tried: :class:`quantline.quantization.search.Search`."""

    evidence: Literal["measured"]
    trials: Many[SearchTrial]  # the one taken first
    baseline: SearchedWay
    fitted_on: Count
    judged_on: Count
    needed: float | None
    overruled: SearchedWay | None
    little_to_gain: bool


class ClippedTensor(Part):
    """A tensor whose scale does not reach its range."""

    index: Index
    name: str
    range: Many[Real]  # of its values: min and max
    reach: Many[Real]  # of its scale
    steps: float
    is_used: bool


class Recipe(Part):
    """``recipe.json``: how a quantized model was made."""

    scheme: SchemeName
    backend: Literal["tensorflow", "litert"]
    quantizer: str
    method: str | None
    input_type: IoType
    output_type: IoType
    left_in_float: Many[str]
    integer_only: bool  # whether the scheme promises it
    float_model_sha256: Hash
    int8_model_sha256: Hash
    samples: Count
    samples_sha256: Many[Hash]
    size_bytes: Count
    versions: dict[str, str]
    keep_float: Many[Annotated[str, AfterValidator(_is_pattern)]] = Field(default=[])
    measured: MeasuredOutputs | None = None  # older recipes have none
    search: Searched | None = None
    clipped: Many[ClippedTensor] = Field(default=[])


class ComparedRecipe(Part):
    """The recipe of a scheme that is compared with others; of the float model its name alone."""

    scheme: SchemeName | Literal["float"]

    @model_validator(mode="before")
    @classmethod
    def _check_scheme(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("scheme") != "float":
            Recipe.model_validate(values)
        return values


class StoredRange(Part):
    """The range of one tensor: :class:`quantline.ranges.TensorRange`."""

    model_config = ConfigDict(extra="forbid")

    index: Index
    name: str
    min: Real | None  # null where no finite value was seen
    max: Real | None
    samples: Count
    count: Count
    sum_min: ExactSum
    sum_max: ExactSum
    nan: Count
    inf: Count
    sketch: str  # base64, see :class:`quantline.ranges.sketch.Sketch`

    @model_validator(mode="after")
    def _check_ends(self) -> StoredRange:
        if (self.min is None) != (self.max is None):
            raise ValueError("both 'min' and 'max', or neither")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("a 'min' that is not above 'max'")
        return self


class StoredRanges(Part):
    """``ranges.json``: :class:`quantline.ranges.RangeSet`."""

    model_config = ConfigDict(extra="forbid")

    tensors: Many[StoredRange]
    samples: Annotated[int, Field(ge=1, le=2**53)]
    float_model_sha256: Hash
    samples_sha256: Many[Hash]
    versions: dict[str, str]
    made_from: Any = None

    @model_validator(mode="after")
    def _check_order(self) -> StoredRanges:
        indices = [tensor.index for tensor in self.tensors]
        if indices != sorted(set(indices)):
            raise ValueError("one range a tensor, by ascending index")
        return self


class GoldenAbout(Part):
    """The description that golden vectors carry: :class:`quantline.contract.vectors.Golden`."""

    model_config = ConfigDict(protected_namespaces=())

    model_sha256: Hash
    runtime: str
    machine: str
    kernels: Literal["xnnpack", "builtin", "reference"]
    tolerance: Share
    sources: Some[str]  # what each input is
