"""Reading of a Keras file's description, without a Keras library and within limits."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantline.errors import ModelUnreadable, ModelUnsupported, UnsafeModel, first_few
from quantline.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from quantline import recipe

_SMALL = 256 << 20
_WEIGHTS, _PICKLED = "model.weights.h5", "model.weights.npz"


@dataclass(frozen=True)
class KerasFile:
    """The description in a Keras file.

    Attributes:
        config: The configuration of the model and of every layer.
        version: The version of Keras that wrote it; empty if unknown.
    """

    config: Any
    version: str

    @property
    def is_keras2(self) -> bool:
        """True if a Keras before 3 wrote it."""
        return self.version.split(".", maxsplit=1)[0] in {"", "1", "2"}


def read_archive(path: str, limits: recipe.Limits) -> KerasFile:
    """Read a ``.keras`` file."""
    with open(path, "rb") as stream:
        size = stream.seek(0, 2)
    with zipfile.ZipFile(path) as archive:
        _check_members(path, archive, size, limits)
        metadata = json.loads(archive.read("metadata.json"))
        found = KerasFile(json.loads(archive.read("config.json")), str(metadata["keras_version"]))
        if _WEIGHTS in archive.namelist():
            with temporary_folder() as folder:
                _refuse_links(path, folder / archive.extract(_WEIGHTS, folder))
    return found


def is_hdf5(path: str) -> bool:
    """Return True for an HDF5 file, which Keras before 2.12 wrote under any suffix."""
    with open(path, "rb") as stream:
        return stream.read(4) == b"\x89HDF"


def read_h5(path: str, limits: recipe.Limits) -> KerasFile:
    """Read an ``.h5`` file."""
    import h5py

    with h5py.File(path, "r") as file:
        config, version = file.attrs.get("model_config"), file.attrs.get("keras_version", "")
    if config is None:
        raise ModelUnreadable(
            f"'{path}' holds no model",
            found="weights without the layers they belong to",
            expected="a whole model",
            remedy="Save it with model.save('name.keras'), not with save_weights",
        )
    if len(config) > limits.config_mib << 20:
        raise _too_large(path, "model_config", len(config), limits)
    _refuse_links(path, path)
    return KerasFile(
        json.loads(config), version.decode() if isinstance(version, bytes) else version
    )


def _check_members(path: str, archive: zipfile.ZipFile, size: int, limits: recipe.Limits) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    strange = [name for name in names if name.startswith(("/", "\\")) or ".." in name]
    strange += [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if strange:
        raise UnsafeModel(
            f"'{path}' holds parts that a Keras file does not have",
            found=f"parts with the names {first_few([repr(name) for name in strange], 3)}",
            expected="parts with different names, none of them outside of the archive",
            remedy="Do not use the file, or save the model again with model.save('name.keras')",
        )
    if _PICKLED in names:
        raise ModelUnsupported(
            f"'{path}' holds its weights as a numpy archive",
            found=f"'{_PICKLED}'",
            expected=f"'{_WEIGHTS}'",
            remedy="Install h5py on the machine that saves the model, and save it again",
        )
    for member in members:
        if member.filename.endswith(".json") and member.file_size > limits.config_mib << 20:
            raise _too_large(path, member.filename, member.file_size, limits)
    unpacked = sum(member.file_size for member in members)
    if unpacked > max(_SMALL, limits.unpacked_ratio * size):
        raise ModelUnreadable(
            f"'{path}' unpacks to far more than a model of its size",
            found=f"{size:,} bytes that unpack to {unpacked:,}",
            expected=f"at most {limits.unpacked_ratio} times as much",
            remedy="Do not use the file; if you trust it, raise `unpacked_ratio`",
        )


def _too_large(path: str, name: str, size: int, limits: recipe.Limits) -> ModelUnreadable:
    return ModelUnreadable(
        f"'{path}' describes its layers at too great a length",
        found=f"'{name}' of {size:,} bytes",
        expected=f"at most {limits.config_mib} MiB",
        remedy="Do not use the file; if you trust it, raise `config_mib`",
    )


def _refuse_links(path: str, weights: str | Path) -> None:
    """Refuse an HDF5 file whose values are in other files."""
    outside = list(dict.fromkeys(_links(weights)))
    if outside:
        raise UnsafeModel(
            f"'{path}' reads its weights from other files",
            found=first_few(outside, 3),
            expected="weights that the file holds itself",
            remedy="Do not use the file, or save the model again with model.save('name.keras')",
        )


def _links(weights: str | Path) -> Iterator[str]:
    import h5py

    with h5py.File(weights, "r") as file:
        groups, seen = [file["/"]], set()
        while groups:
            group = groups.pop()
            for name in group:
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    yield f"a link to '{link.filename}'"
                    continue
                if isinstance(link, h5py.SoftLink):
                    continue  # its target is visited in this file, or missing
                value = group[name]
                if isinstance(value, h5py.Group):
                    if value.id not in seen:  # a group may hold itself
                        seen.add(value.id)
                        groups.append(value)
                elif isinstance(value, h5py.Dataset):
                    if value.external:
                        yield f"the values of '{value.name}' in '{value.external[0][0]}'"
                    if value.is_virtual:
                        yield f"the values of '{value.name}' in other datasets"
