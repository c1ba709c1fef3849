"""One file a dataset: JSON, Parquet, numpy archive, or plain bytes such as a model."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from kedro.io import AbstractDataset

from quantline.errors import ResultMissing
from quantline.files import canonical_json, write_atomic


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
            ResultMissing: It is not there, or cannot be read.
        """
        if not self.filepath.is_file():
            raise self._missing("no such file")
        try:
            return self.read(self.filepath.read_bytes())
        except Exception as error:  # every format has its own errors for a damaged file
            raise self._missing(f"a damaged file ({type(error).__name__}: {error})") from error

    def save(self, data: Any) -> None:
        """Write the file, whole or not at all.

        Raises:
            OutputNotWritten: The folder is read-only, full, or not a folder.
        """
        write_atomic(self.filepath, self.write(data))

    def _missing(self, found: str) -> ResultMissing:
        return ResultMissing(
            f"The result '{self.filepath}' cannot be read",
            found=found,
            expected="a file that an earlier stage wrote",
            remedy="Run the whole chain with 'kedro run', or the stage that writes it",
        )

    def _exists(self) -> bool:
        return self.filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self.filepath.as_posix()}


class BytesDataset(_FileDataset):
    """A file's bytes, such as a ``.tflite`` or a ``.keras`` model."""

    def read(self, content: bytes) -> bytes:
        """Return the bytes as they are."""
        return content

    def write(self, value: bytes) -> bytes:
        """Return the bytes as they are."""
        return value


class JsonDataset(_FileDataset):
    """JSON with sorted keys and a trailing newline."""

    def read(self, content: bytes) -> Any:
        """Parse JSON."""
        return json.loads(content)

    def write(self, value: Any) -> bytes:
        """Format JSON."""
        return canonical_json(value)


class NpzDataset(_FileDataset):
    """Named arrays in a numpy archive."""

    def read(self, content: bytes) -> dict[str, np.ndarray]:
        """Read every array."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(arrays)

    def write(self, value: dict[str, np.ndarray]) -> bytes:
        """Write the arrays; numpy stores no time in the archive."""
        out = io.BytesIO()
        np.savez(out, allow_pickle=False, **value)
        return out.getvalue()


class ParquetDataset(_FileDataset):
    """An Arrow table in a Parquet file."""

    def read(self, content: bytes) -> Any:
        """Read the table."""
        import pyarrow.parquet as pq

        return pq.read_table(io.BytesIO(content))

    def write(self, value: Any) -> bytes:
        """Write the table."""
        import pyarrow.parquet as pq

        out = io.BytesIO()
        pq.write_table(value, out)
        return out.getvalue()
