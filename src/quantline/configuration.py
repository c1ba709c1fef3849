"""A project's configuration: its parameters, and the data folder of each environment."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.config import OmegaConfigLoader

from quantline import recipe
from quantline.errors import ParameterError, suggest
from quantline.project_files import check_catalog, check_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

DATA = "data"
# They are no environments of their own: what they set, they set for the project's own runs.
_OWN = frozenset({"base", "local"})


class ConfigLoader(OmegaConfigLoader):
    """Kedro's loader, with a data folder for each environment, and a transform for each dataset.

    What the catalog has below ``data/`` is below ``data/ENV/`` in the environment ENV, so that no
    environment reads or replaces the results of another. And a dataset that an environment or
    ``--params`` puts in the place of another does not inherit that one's transform.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        """Begin without any configuration read."""
        self._read: dict[str, Any] = {}
        super().__init__(*arguments, **settings)

    def __getitem__(self, key: str) -> Any:
        """Return the configuration of a kind, such as ``catalog``."""
        # A run asks for its parameters five times, and reading all the YAML takes long.
        if key not in self._read:
            self._read[key] = self._configuration(key)
        return deepcopy(self._read[key])

    def __setitem__(self, key: str, value: Any) -> None:
        """Set the configuration of a kind, in place of what the files say."""
        self._read.pop(key, None)
        super().__setitem__(key, value)

    def _configuration(self, key: str) -> Any:
        values = super().__getitem__(key)
        if key == "parameters" and isinstance(values.get("dataset"), dict):
            layers = (self._layer(self.base_env), self._layer(self.env or self.default_run_env),
                      self.runtime_params or {})  # fmt: skip
            if inherits_transform(layers):
                values["dataset"]["transform"] = []
        folder = data_folder(self)
        if key != "catalog" or folder == Path(DATA):
            return values
        return {name: _moved(entry, folder) for name, entry in values.items()}

    def _layer(self, env: str) -> Mapping[str, Any]:
        """Return the parameters of one environment's own files."""
        alone = OmegaConfigLoader(
            self.conf_source, env=env, base_env=env, default_run_env=env,
            config_patterns=self.config_patterns,
        )  # fmt: skip
        found: Mapping[str, Any] = alone["parameters"]
        return found


def inherits_transform(layers: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether the transform that stands at last was declared for another dataset.

    Other examples of the same source, such as another folder of archives, keep the transform.

    Args:
        layers: Parameters, each of which overrides keys of those before it.
    """
    source = name = None
    inherited = False
    for layer in layers:
        block = layer.get("dataset")
        if not isinstance(block, dict):
            continue
        before = source, name
        source, builder = block.get("source", source), block.get("tfds")
        if source != "tfds":
            name = None
        elif isinstance(builder, dict):
            name = builder.get("name", name)
        if "transform" in block:
            inherited = False
        elif (source, name) != before:
            inherited = True
    return inherited


def data_folder(loader: Any) -> Path:
    """Return the data folder of a loader's environment, from the project folder."""
    name = loader.env
    return Path(DATA) if name is None or name in _OWN else Path(DATA, name)


def _moved(entry: Any, folder: Path) -> Any:
    path = Path(str(entry.get("filepath", ""))) if isinstance(entry, dict) else Path()
    if path.parts[:1] != (DATA,) or path.is_relative_to(folder):
        return entry
    return {**entry, "filepath": (folder / path.relative_to(DATA)).as_posix()}


def read_parameters(loader: Any, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the parameters.

    Args:
        loader: Kedro's configuration loader, which knows the environment.
        read: What reads them.

    Raises:
        ParameterError: There is no such environment, or a file of configuration cannot be read.
    """
    _check_environment(loader)
    folder = Path(loader.conf_source)
    check_files(
        *(folder / name for name in (loader.base_env, loader.env or loader.default_run_env))
    )
    try:
        return read()
    except Exception as error:  # the YAML reader's errors have no common base
        raise ParameterError(
            "The parameters cannot be read",
            found=f"{type(error).__name__}: {' '.join(str(error).split())}",
            expected="YAML files in conf/base, and in conf/ENV with --env=ENV",
            remedy="Correct the file it names",
        ) from error


def read_mlflow(loader: Any) -> recipe.Mlflow:
    """Return where runs are recorded, as ``mlflow.yml`` says.

    Raises:
        ParameterError: There is no such file, or it holds something else.
    """
    values = _read(loader, "mlflow")
    try:
        return recipe.check(recipe.Mlflow, values, "mlflow.yml")
    except ParameterError as error:
        raise ParameterError(
            error.what.replace("Parameter '", "The key '").replace("parameter '", "key '"),
            found=error.found,
            expected=error.expected,
            remedy=suggest(error.found.strip("'"), list(recipe.Mlflow.model_fields))
            or "Correct conf/base/mlflow.yml, or restore it from the repository",
        ) from error


def check_datasets_of(loader: Any) -> None:
    """Check the entries of ``catalog.yml``.

    Raises:
        ParameterError: There is no such file, or an entry is no dataset.
    """
    check_catalog(_read(loader, "catalog"))


def _read(loader: Any, name: str) -> dict[str, Any]:
    try:
        values: dict[str, Any] = loader[name]
    except Exception as error:  # the YAML reader's errors have no common base
        raise ParameterError(
            f"The file {name}.yml cannot be used",
            found=f"{type(error).__name__}: {' '.join(str(error).split())}"[:300],
            expected=f"a file conf/base/{name}.yml as it comes with the project",
            remedy="Correct the file, or restore it from the repository",
        ) from error
    return values


def _check_environment(loader: Any) -> None:
    """Refuse an environment without a folder: Kedro would go on without any parameters."""
    folder = Path(loader.conf_source)
    name = loader.env or loader.default_run_env
    if folder.is_dir() and not (folder / name).is_dir():
        known = sorted(path.name for path in folder.iterdir() if path.is_dir())
        raise ParameterError(
            f"There is no environment '{name}'",
            found=f"in '{folder}': {', '.join(known) or 'no folder'}",
            expected=f"a folder '{folder / name}', which may be empty",
            remedy=suggest(name, known) or "Correct '--env' or KEDRO_ENV, or make the folder",
        )
