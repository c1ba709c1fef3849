"""Checks of the files in ``conf/`` before Kedro reads them.

A file that is damaged, no mapping, or stands for billions of values is named in one error.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.errors import ParameterError, first_few, first_line, suggest
from quantline.interpolation import LARGEST, expanded_size
from quantline.reading import Unreadable, YamlUnreadable, load_yaml, read_text
from quantline.reading.yaml_text import LARGEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_SUFFIXES = {".yml", ".yaml", ".json"}
# What Kedro and this project read; whatever else lies in conf/ is nobody's business.
_NAMES = ("catalog", "credentials", "globals", "logging", "mlflow", "parameters")


def check_files(*folders: Path) -> None:
    """Check every file of configuration in these folders, such as conf/base and conf/local.

    Raises:
        ParameterError: The first that cannot be read; it is named. Or all of them together stand
            for more than a million characters, once the references in them are resolved.
    """
    values = [read_mapping(path) for folder in folders for path in _files(folder)]
    if expanded_size(values) > LARGEST:
        raise ParameterError(
            "The files of configuration stand for too much",
            found=f"references such as ${{key}} that become more than {LARGEST:,} characters",
            expected="references that are as long as they look",
            remedy=f"Write the values out in {' and '.join(map(str, folders))}",
        )


def read_mapping(path: Path) -> Mapping[str, Any]:
    """Return the mapping that a YAML file holds; an empty file holds none.

    Raises:
        ParameterError: It is no regular file of at most 1 MiB, no YAML, or no mapping.
    """
    try:
        values = load_yaml(read_text(path, LARGEST_BYTES))
    except (Unreadable, YamlUnreadable) as error:
        raise _unreadable(path, str(error)) from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise _unreadable(path, f"{_kind(values)} at the top")
    return values


def check_catalog(entries: Mapping[str, Any]) -> None:
    """Check that every entry of the catalog is a mapping that names its type.

    Raises:
        ParameterError: The first that is not.
    """
    for name, entry in entries.items():
        if str(name).startswith("_"):
            continue  # a part that other entries repeat
        if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            found = f"keys {first_few(list(entry)) or 'none'}" if isinstance(entry, dict) else (
                _kind(entry))  # fmt: skip
            raise ParameterError(
                f"The entry '{name}' of catalog.yml is no dataset",
                found=found,
                expected="a mapping with 'type' and 'filepath', as in conf/base",
                remedy=f"Correct '{name}' in catalog.yml",
            )


def check_datasets(needed: Collection[str], known: Collection[str]) -> None:
    """Check that a dataset of every name is there: Kedro would keep others in memory and lose them.

    Raises:
        ParameterError: The first that is not.
    """
    for name in sorted(needed):
        if name not in known:
            near = suggest(name, [entry for entry in known if entry not in needed])
            raise ParameterError(
                f"catalog.yml has no dataset '{name}'",
                found="no entry of that name",
                expected="every dataset of the pipelines, as in conf/base",
                remedy=near or f"Give '{name}' a type and a path in conf/base/catalog.yml",
            )


def check_logging(project: Path) -> None:
    """Check the file that Kedro sets up logging by as soon as it is imported.

    Raises:
        ParameterError: It cannot be read.
    """
    path = Path(os.environ.get("KEDRO_LOGGING_CONFIG") or project / "conf" / "logging.yml")
    if os.path.lexists(path):
        read_mapping(path)


def bad_logging(error: Exception) -> ParameterError:
    """Return the error of settings that the logging library refuses."""
    cause = error.__cause__ or error
    return ParameterError(
        "Logging cannot be set up as conf/logging.yml says",
        found=first_line(error) + ("" if cause is error else f" ({first_line(cause)})"),
        expected="settings of Python's logging.config.dictConfig",
        remedy="Correct conf/logging.yml, or the file that KEDRO_LOGGING_CONFIG names",
    )


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] != ".")
        for name in sorted(names):
            path = Path(place, name)
            parts = path.relative_to(folder).parts
            if path.suffix in _SUFFIXES and any(part.startswith(_NAMES) for part in parts):
                yield path


def _kind(value: Any) -> str:
    names = {
        list: "a list",
        str: "a text",
        int: "a number",
        float: "a number",
        bool: "a truth value",
    }
    return names.get(type(value), f"a {type(value).__name__}")


def _unreadable(path: Path, found: str) -> ParameterError:
    return ParameterError(
        f"The configuration file '{path}' cannot be read",
        found=found,
        expected="a mapping in YAML, as the files of conf/base are, of at most 1 MiB",
        remedy="Correct the file, or restore it from the repository",
    )
