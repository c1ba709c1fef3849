"""The dataset of a trained model, whose kind its training decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.datasets.files import ResultDataset
from quantline.files import sha256_of_path
from quantline.results import Origin
from quantline.training.model_files import SUFFIXES, read_model, sha256_of_model, write_model

if TYPE_CHECKING:
    from pathlib import Path

    from quantline.training.model_files import Content


class TrainedModelDataset(ResultDataset):
    """A ``.keras`` file; or next to it, without that ending, a ``.tflite`` or a SavedModel folder.

    One model is there at a time.
    """

    @property
    def filepath(self) -> Path:
        """The path of the model that is there; that of the ``.keras`` file if none is."""
        places = (self._keras.with_suffix(suffix) for suffix in SUFFIXES)
        return next((place for place in places if _is_there(place)), self._keras)

    @filepath.setter
    def filepath(self, path: Path) -> None:
        self._keras = path

    def load(self) -> Content:
        """Read the model.

        Raises:
            ResultMissing: It is not there.
        """
        if not self._exists():
            raise Origin.of_stage(self._keras).unreadable("no such file")
        return read_model(self.filepath)

    def save(self, data: Content) -> None:
        """Write the model, whole or not at all, and remove one of another kind.

        Raises:
            OutputNotWritten: The folder is read-only, full, or not a folder.
        """
        write_model(self._keras, data)

    def sha256(self) -> str | None:
        """Return the SHA-256 of the model that is there; None if none is."""
        return sha256_of_path(self.filepath) if self._exists() else None

    def sha256_of(self, value: Content) -> str:
        """Return the SHA-256 that the model will have once it is saved."""
        return sha256_of_model(value)

    def _exists(self) -> bool:
        return _is_there(self.filepath)


def _is_there(place: Path) -> bool:
    return place.is_file() if place.suffix else (place / "saved_model.pb").is_file()
