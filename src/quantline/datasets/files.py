"""Files as datasets: JSON, Parquet, numpy archive, bytes such as a model; a folder of files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from kedro.io import AbstractDataset

from quantline.errors import ResultMissing
from quantline.files import canonical_json, make_folder, write_atomic


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
            raise _missing(self.filepath, "no such file")
        try:
            return self.read(self.filepath.read_bytes())
        except Exception as error:  # every format has its own errors for a damaged file
            found = f"a damaged file ({type(error).__name__}: {error})"
            raise _missing(self.filepath, found) from error

    def save(self, data: Any) -> None:
        """Write the file, whole or not at all.

        Raises:
            OutputNotWritten: The folder is read-only, full, or not a folder.
        """
        write_atomic(self.filepath, self.write(data))

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
            raise _missing(self.filepath, "no such folder")
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


def _missing(path: Path, found: str) -> ResultMissing:
    return ResultMissing(
        f"The result '{path}' cannot be read",
        found=found,
        expected="what an earlier stage wrote",
        remedy="Run the whole chain with 'kedro run', or the stage that writes it",
    )
