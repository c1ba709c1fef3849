"""The type of a target, and reading one: from this package, or from a user's YAML file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from quantline import recipe
from quantline.errors import ParameterError, suggest
from quantline.reading import Unreadable, YamlUnreadable, load_yaml, read_text
from quantline.reading.yaml_text import LARGEST_BYTES
from quantline.tflite.consistency import DTYPES
from quantline.tflite.operands import OPERATORS

_FOLDER = files(__package__)
BUILT_IN = tuple(
    sorted(Path(item.name).stem for item in _FOLDER.iterdir() if item.name.endswith(".yml"))
)
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
    # likewise the custom operators that are allowed
    custom_operators: Versions = Field(default_factory=dict)
    # the dtypes that tensors may have, by the schema's names in lower case
    tensor_types: Types | None = None
    input_types: Types | None = None  # those of the model's inputs, in place of `tensor_types`
    output_types: Types | None = None  # those of the model's outputs, likewise
    # True if every size but the batch must be known before the model runs
    static_shapes: bool = False
    # True if the weights of FULLY_CONNECTED may have a scale for each output
    per_axis_dense: bool = True
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
