"""Datasets of values: JSON, Parquet and numpy archives, checked against schemas as they are read.

They have room for a statement of what they were made from, which is written with them and left out
of what :meth:`load` returns.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from quantline.contract.vectors import Golden
from quantline.datasets.files import FileDataset
from quantline.errors import OutputNotWritten
from quantline.evaluation.stored import check_predictions, read_table
from quantline.files import canonical_json
from quantline.lineage import KEY, MadeFrom, content_sha256, sealed
from quantline.ranges import RangeSet
from quantline.results import (
    SCHEMAS,
    Origin,
    check_kind,
    check_plain,
    check_result,
    parse_json,
    read_arrays,
)
from quantline.sampling.calibration_set import check_calibration_set

if TYPE_CHECKING:
    from quantline.errors import QuantlineError

Check = Callable[[Any, Path], Any]
"""Takes what was read and from where; raises a QuantlineError where it is something else."""


_JSON: dict[str, Check] = {
    **{kind: partial(check_result, kind) for kind in SCHEMAS},
    "ranges": lambda values, path: RangeSet.from_dict(values, f"The result '{path}'"),
}
_PARQUET: dict[str, Check] = {"predictions": check_predictions}
_NPZ: dict[str, Check] = {
    "calibration_set": check_calibration_set,
    "golden_vectors": lambda values, path: Golden.from_arrays(values, f"the result '{path}'"),
}


class _CheckedDataset(FileDataset):
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

    def read_made_from(self) -> MadeFrom | None:
        """Return the statement of origin in the file; None if it has none."""
        made: MadeFrom | None = self._remembered("statement", self._examine)
        return made

    def _examine(self) -> Any:
        """Return the statement of origin, read from the file."""
        raise NotImplementedError


class JsonDataset(_CheckedDataset):
    """JSON with sorted keys and a trailing newline; a number that is not finite is refused."""

    schemas = _JSON

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

    schemas = _NPZ

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

    def _examine(self) -> MadeFrom | None:
        # As bytes: of a damaged file numpy would leave the stream open.
        content = io.BytesIO(self.filepath.read_bytes())
        with np.load(content, allow_pickle=False) as arrays:
            return MadeFrom.from_dict(json.loads(str(arrays[KEY]))) if KEY in arrays else None


class ParquetDataset(_CheckedDataset):
    """An Arrow table in a Parquet file."""

    schemas = _PARQUET

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

    def _examine(self) -> MadeFrom | None:
        import pyarrow.parquet as pq

        stated = (pq.read_schema(self.filepath).metadata or {}).get(KEY.encode())
        return None if stated is None else MadeFrom.from_dict(json.loads(stated))


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
