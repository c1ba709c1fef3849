"""Files as datasets: JSON, Parquet, numpy archive, bytes such as a model; a folder of files.

JSON, Parquet and numpy archives have room for a statement of what they were made from, which is
written with them and left out of what :meth:`load` returns.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from kedro.io import AbstractDataset

from quantline.datasets import schemas
from quantline.errors import OutputNotWritten
from quantline.evaluation.stored import read_table
from quantline.files import (
    canonical_json,
    make_folder,
    sha256,
    sha256_of_files,
    sha256_of_path,
    write_atomic,
)
from quantline.lineage import KEY, MadeFrom, content_sha256, sealed
from quantline.results import Origin, check_kind, check_plain, parse_json, read_arrays, read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quantline.datasets.schemas import Check
    from quantline.errors import QuantlineError


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


class _FileDataset(ResultDataset):
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


class _CheckedDataset(_FileDataset):
    """A file whose values are checked against a schema as they are read."""

    schemas: ClassVar[Mapping[str, Check]]
    has_statement = True

    def __init__(
        self, *, filepath: str, schema: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        if schema is not None:
            check_kind(schema, list(self.schemas), f"The dataset '{filepath}'")
        self.schema = schema

    def load(self) -> Any:
        """Read the file and check what is in it.

        Raises:
            QuantlineError: It is not there, or holds something else; mostly a ResultMissing.
        """
        values = super().load()
        if self.schema is not None:
            self.schemas[self.schema](values, self.filepath)
        return values


class BytesDataset(_FileDataset):
    """A file's bytes, such as a ``.tflite`` or a ``.keras`` model."""

    def read(self, content: bytes) -> bytes:
        """Return the bytes as they are."""
        return content

    def write(self, value: bytes) -> bytes:
        """Return the bytes as they are."""
        return value


class JsonDataset(_CheckedDataset):
    """JSON with sorted keys and a trailing newline; a number that is not finite is refused."""

    schemas = schemas.JSON

    def read(self, content: bytes) -> Any:
        """Parse JSON."""
        value = parse_json(content, self.origin)
        if isinstance(value, dict):
            value.pop(KEY, None)
        return value

    def write(self, value: Any) -> bytes:
        """Format JSON."""
        check_plain(value, _Unwritten(f"The result '{self.filepath}'"))
        return canonical_json(value if self.made_from is None else sealed(value, self.made_from))

    def read_made_from(self) -> MadeFrom | None:
        """Return the statement of origin in the file; None if it has none."""
        made: MadeFrom | None = self._remembered("statement", self._examine)[0]
        return made

    def sha256(self) -> str | None:
        """Return the SHA-256 of the content without the statement; None if there is no file.

        What is made again from other parameters, and comes out equal, is the same input to others.
        """
        known = self._remembered("statement", self._examine)
        return None if known is None else str(known[1])

    def _examine(self) -> tuple[MadeFrom | None, str]:
        value = json.loads(self.filepath.read_bytes())
        stated = value.pop(KEY, None) if isinstance(value, dict) else None
        made = None if stated is None else MadeFrom.from_dict(stated)
        return made, content_sha256(value)


class MetricsDataset(JsonDataset):
    """Figures for DVC: without a statement, each value of which would be a metric too."""

    has_statement = False

    def write(self, value: Any) -> bytes:
        """Format JSON."""
        check_plain(value, _Unwritten(f"The result '{self.filepath}'"))
        return canonical_json(value)


class NpzDataset(_CheckedDataset):
    """Named arrays in a numpy archive."""

    schemas = schemas.NPZ

    def read(self, content: bytes) -> dict[str, np.ndarray]:
        """Read every array."""
        arrays = read_arrays(content, self.origin)
        return {name: value for name, value in arrays.items() if name != KEY}

    def write(self, value: dict[str, np.ndarray]) -> bytes:
        """Write the arrays; numpy stores no time in the archive."""
        out = io.BytesIO()
        if self.made_from is not None:
            value = {**value, KEY: np.array(self.made_from.brief().decode())}
        np.savez(out, allow_pickle=False, **value)
        return out.getvalue()

    def read_made_from(self) -> MadeFrom | None:
        """Return the statement of origin in the file; None if it has none."""
        made: MadeFrom | None = self._remembered("statement", self._examine)
        return made

    def _examine(self) -> MadeFrom | None:
        # As bytes: of a damaged file numpy would leave the stream open.
        content = io.BytesIO(self.filepath.read_bytes())
        with np.load(content, allow_pickle=False) as arrays:
            return MadeFrom.from_dict(json.loads(str(arrays[KEY]))) if KEY in arrays else None


class ParquetDataset(_CheckedDataset):
    """An Arrow table in a Parquet file."""

    schemas = schemas.PARQUET

    def read(self, content: bytes) -> Any:
        """Read the table."""
        return read_table(content, self.origin)

    def write(self, value: Any) -> bytes:
        """Write the table."""
        import pyarrow.parquet as pq

        out = io.BytesIO()
        kept = dict(value.schema.metadata or {})
        kept.pop(KEY.encode(), None)  # of the table that this one may have been made from
        if self.made_from is not None:
            kept[KEY.encode()] = self.made_from.brief()
        pq.write_table(value.replace_schema_metadata(kept), out)
        return out.getvalue()

    def read_made_from(self) -> MadeFrom | None:
        """Return the statement of origin in the file; None if it has none."""
        made: MadeFrom | None = self._remembered("statement", self._examine)
        return made

    def _examine(self) -> MadeFrom | None:
        import pyarrow.parquet as pq

        stated = (pq.read_schema(self.filepath).metadata or {}).get(KEY.encode())
        return None if stated is None else MadeFrom.from_dict(json.loads(stated))


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


class _Unwritten(Origin):
    """The origin of a value that a node returned and that is refused before it is written."""

    def unreadable(self, found: str, expected: str = "") -> QuantlineError:
        """Return the error."""
        return OutputNotWritten(
            f"{self.name} was not written",
            found=found,
            expected=expected or "plain values",
            remedy="Check that the model gives finite numbers on every example; the file is as it "
            "was",
        )
