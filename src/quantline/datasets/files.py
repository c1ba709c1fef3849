"""Files as datasets: JSON, Parquet, numpy archive, bytes such as a model; a folder of files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from kedro.io import AbstractDataset

from quantline.datasets import schemas
from quantline.errors import OutputNotWritten, QuantlineError
from quantline.evaluation.stored import read_table
from quantline.files import canonical_json, make_folder, write_atomic
from quantline.results import (
    Origin,
    check_kind,
    check_plain,
    parse_json,
    read_arrays,
    read_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.datasets.schemas import Check


class _FileDataset(AbstractDataset[Any, Any]):
    """Loads and saves one whole file; subclasses turn its bytes into a value and back."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.filepath = Path(filepath)
        self.metadata = metadata

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
        """What to call the file in an error."""
        return Origin.of_stage(self.filepath)

    def _exists(self) -> bool:
        return self.filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self.filepath.as_posix()}


class _CheckedDataset(_FileDataset):
    """A file whose values are checked against a schema as they are read."""

    schemas: ClassVar[Mapping[str, Check]]

    def __init__(
        self, *, filepath: str, schema: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        """Take the file and its schema.

        Args:
            filepath: The file.
            schema: What it holds, a name in :mod:`quantline.datasets.schemas`; None: anything.
            metadata: Kedro's.

        Raises:
            ParameterError: There is no such schema for this format.
        """
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
        return parse_json(content, self.origin)

    def write(self, value: Any) -> bytes:
        """Format JSON."""
        check_plain(value, _Unwritten(f"The result '{self.filepath}'"))
        return canonical_json(value)


class NpzDataset(_CheckedDataset):
    """Named arrays in a numpy archive."""

    schemas = schemas.NPZ

    def read(self, content: bytes) -> dict[str, np.ndarray]:
        """Read every array."""
        return read_arrays(content, self.origin)

    def write(self, value: dict[str, np.ndarray]) -> bytes:
        """Write the arrays; numpy stores no time in the archive."""
        out = io.BytesIO()
        np.savez(out, allow_pickle=False, **value)
        return out.getvalue()


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
        pq.write_table(value, out)
        return out.getvalue()


class FolderDataset(AbstractDataset[dict[str, bytes], dict[str, bytes]]):
    """Files by name in a folder of their own; none where a stage had nothing to write."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, bytes]:
        """Read every file.

        Raises:
            ResultMissing: The folder is not there.
        """
        if not self.filepath.is_dir():
            raise Origin.of_stage(self.filepath).unreadable("no such folder")
        # What a kill left half-written begins with a dot.
        files = sorted(each for each in self.filepath.iterdir() if each.name[0] != ".")
        return {each.name: each.read_bytes() for each in files}

    def save(self, data: dict[str, bytes]) -> None:
        """Write every file, each whole or not at all, and remove those of an earlier run.

        Raises:
            OutputNotWritten: The folder is read-only, full, or not a folder.
        """
        make_folder(self.filepath)
        for name, content in data.items():
            write_atomic(self.filepath / name, content)
        for each in self.filepath.iterdir():
            if each.name not in data:
                each.unlink()

    def _exists(self) -> bool:
        return self.filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self.filepath.as_posix()}


class _Unwritten(Origin):
    """The result that a node gave, which is refused before it is a file."""

    def unreadable(self, found: str, expected: str = "") -> QuantlineError:
        """Return the error."""
        return OutputNotWritten(
            f"{self.name} was not written",
            found=found,
            expected=expected or "plain values",
            remedy="Check that the model gives finite numbers on every example; the file is as it "
            "was",
        )
