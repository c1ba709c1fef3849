"""Files and folders as datasets, written whole or not at all; those of plain bytes.

:mod:`quantline.datasets.checked` has those of values, which are checked against a schema.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from quantline.files import make_folder, sha256, sha256_of_files, sha256_of_path, write_atomic
from quantline.results import Origin, read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantline.lineage import MadeFrom


class ResultDataset(AbstractDataset[Any, Any]):
    """A file or a folder that a stage writes.

    Attributes:
        filepath: Its path.
        has_statement: True if it says what it was made from.
        made_from: The origin of the next value that is saved; None where nobody knows.
    """

    has_statement = False

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.filepath = Path(filepath)
        self.metadata = metadata
        self.made_from: MadeFrom | None = None
        self._known: dict[str, Any] = {}
        self._known_of: tuple[int, ...] = ()

    def sha256(self) -> str | None:
        """Return the SHA-256 of what is there; None if nothing is."""
        found: str | None = self._remembered("sha256", lambda: sha256_of_path(self.filepath))
        return found

    def sha256_of(self, value: Any) -> str:
        """Return the SHA-256 that a value will have once it is saved."""
        raise NotImplementedError

    def read_made_from(self) -> MadeFrom | None:
        """Return the statement of origin in the file; None if it has none."""
        return None

    def _remembered(self, what: str, find: Callable[[], Any]) -> Any:
        """Return a cached fact about the file, computed again when the file has changed."""
        if not self._exists():
            return None
        stat = self.filepath.stat()
        found = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if found != self._known_of:
            self._known, self._known_of = {}, found
        if what not in self._known:
            self._known[what] = find()
        return self._known[what]

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self.filepath.as_posix()}


class FileDataset(ResultDataset):
    """A dataset of one whole file; subclasses turn its bytes into a value and back."""

    def read(self, content: bytes) -> Any:
        """Turn the file's bytes into a value."""
        raise NotImplementedError

    def write(self, value: Any) -> bytes:
        """Turn a value into the file's bytes."""
        raise NotImplementedError

    def load(self) -> Any:
        """Read the file.

        Raises:
            QuantlineError: It is not there, or holds something else; mostly a ResultMissing.
        """
        return self.read(read_bytes(self.filepath, self.origin))

    def save(self, data: Any) -> None:
        """Write the file, whole or not at all.

        Raises:
            OutputNotWritten: The folder is read-only, full, or not a folder; or the value holds a
                number that the format cannot.
        """
        write_atomic(self.filepath, self.write(data))

    @property
    def origin(self) -> Origin:
        """The name of the file in an error."""
        return Origin.of_stage(self.filepath)

    def sha256_of(self, value: Any) -> str:
        """Return the SHA-256 that the file will have."""
        return sha256(self.write(value))

    def _exists(self) -> bool:
        return self.filepath.is_file()


class BytesDataset(FileDataset):
    """A file's bytes, such as a ``.tflite`` or a ``.keras`` model."""

    def read(self, content: bytes) -> bytes:
        """Return the bytes as they are."""
        return content

    def write(self, value: bytes) -> bytes:
        """Return the bytes as they are."""
        return value


class FolderDataset(ResultDataset):
    """Files by name in a folder of their own; none where a stage had nothing to write."""

    def load(self) -> dict[str, bytes]:
        """Read every file.

        Raises:
            ResultMissing: The folder is not there.
        """
        if not self.filepath.is_dir():
            raise Origin.of_stage(self.filepath).unreadable("no such folder")
        return self._read()

    def save(self, data: dict[str, bytes]) -> None:
        """Write every file, each whole or not at all, and remove those of an earlier run.

        Raises:
            OutputNotWritten: The folder is read-only, full, or not a folder.
        """
        make_folder(self.filepath)
        for name, content in data.items():
            write_atomic(self.filepath / name, content)
        for path in self.filepath.iterdir():
            if path.name not in data:
                path.unlink()

    def sha256(self) -> str | None:
        """Return the SHA-256 of the files that are there; None without a folder."""
        # The folder's own time does not change with its files'.
        return self.sha256_of(self._read()) if self._exists() else None

    def sha256_of(self, value: dict[str, bytes]) -> str:
        """Return the SHA-256 that the folder will have."""
        return sha256_of_files(value)

    def _read(self) -> dict[str, bytes]:
        # What a kill left half-written begins with a dot.
        files = sorted(file for file in self.filepath.iterdir() if file.name[0] != ".")
        return {file.name: file.read_bytes() for file in files}

    def _exists(self) -> bool:
        return self.filepath.is_dir()
