"""Reading numpy's ``.npz`` and ``.npy`` files without trusting their headers.

numpy allocates what a header claims and unpacks what a member holds. Here the sizes that the
header, the archive's directory and the file state are compared first, so that a file of a few bytes
can neither claim a terabyte nor become one. Nothing is ever unpickled.
"""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np

from quantline.reading.regular import Unreadable, open_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST_ARRAY_BYTES = 4 << 30  # of what is read whole
LARGEST_ROW_BYTES = 1 << 30  # of what is streamed
SINGLE = ""
"""The name of the array in a ``.npy`` file."""

_NPY, _ZIP = b"\x93NUMPY", b"PK"
_VERSIONS = ((1, 0), (2, 0), (3, 0))
_MOST_DIMENSIONS = 32
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DEFLATE_RATIO = 1032  # the most that a byte of deflate can become
_CHUNK_BYTES = 1 << 22


class ArraysUnreadable(ValueError):
    """A file has no arrays that can be read; the message says what was found."""


@dataclass(frozen=True)
class Header:
    """An array's header, compared with the size of what follows it.

    Attributes:
        shape: The array's shape.
        dtype: Its dtype, neither of objects nor of fields.
        is_fortran: True if its first index changes fastest.
        size_bytes: The bytes that its values take.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_fortran: bool

    @property
    def size_bytes(self) -> int:
        """The bytes that the values take."""
        return math.prod(self.shape) * self.dtype.itemsize


class Arrays:
    """The arrays of one open file; close it, or use it as a context.

    Attributes:
        names: The arrays' names, in the file's order.
    """

    def __init__(self, source: str | Path | bytes) -> None:
        self._open = ExitStack()
        try:
            with _explained():
                self._stream: IO[bytes] = self._open.enter_context(
                    io.BytesIO(source) if isinstance(source, bytes) else open_file(source)
                )
                self._size_bytes = self._stream.seek(0, io.SEEK_END)
                self._members = self._look_in()
        except BaseException:
            self._open.close()
            raise
        self.names = tuple(self._members)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def header(self, name: str) -> Header:
        """Return an array's header.

        Raises:
            ArraysUnreadable: It is none, or what follows it has another size than it says.
            KeyError: There is no array of that name.
        """
        with self._member(name) as (_, header):
            return header

    def read(self, name: str, limit_bytes: int = LARGEST_ARRAY_BYTES) -> np.ndarray:
        """Read one array.

        Raises:
            ArraysUnreadable: It is damaged, or larger than the limit.
            KeyError: There is no array of that name.
        """
        with self._member(name) as (stream, header):
            if header.size_bytes > limit_bytes:
                raise ArraysUnreadable(
                    f"{_named(name)} of shape {header.shape} and dtype {header.dtype}, which takes "
                    f"{header.size_bytes:,} bytes, more than {limit_bytes:,}"
                )
            content = _take(stream, header.size_bytes)
        flat = np.frombuffer(content, header.dtype)
        return flat.reshape(header.shape, order="F" if header.is_fortran else "C")

    def rows(self, name: str) -> Iterator[np.ndarray]:
        """Yield an array's rows, one in memory at a time.

        Raises:
            ArraysUnreadable: It is damaged, has no rows of values, or is in Fortran order.
            KeyError: There is no array of that name.
        """
        with self._member(name) as (stream, header):
            shape, size_bytes = header.shape[1:], row_bytes(name, header)
            for _ in range(header.shape[0]):
                yield np.ndarray(shape, header.dtype, _take(stream, size_bytes))

    def _look_in(self) -> dict[str, zipfile.ZipInfo | None]:
        self._stream.seek(0)
        start = self._stream.read(8)
        if start.startswith(_NPY):
            return {SINGLE: None}
        if not self._size_bytes:
            raise ArraysUnreadable("an empty file")
        if not zipfile.is_zipfile(self._stream):
            raise ArraysUnreadable(
                "a .npz file that was cut off" if start.startswith(_ZIP)
                else f"neither a .npz nor a .npy file; it begins with {start!r}"
            )  # fmt: skip
        self._archive = self._open.enter_context(zipfile.ZipFile(self._stream))
        found: dict[str, zipfile.ZipInfo | None] = {}
        for info in self._archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name == info.filename:
                continue  # what numpy does not write is no array
            if name in found:
                raise ArraysUnreadable(f"two arrays '{name}'")
            found[name] = info
        return found

    @contextmanager
    def _member(self, name: str) -> Iterator[tuple[IO[bytes], Header]]:
        info = self._members[name]
        with _explained(name):
            if info is None:
                self._stream.seek(0)
                header = _read_header(self._stream)
                _compare(header, self._size_bytes - self._stream.tell())
                yield self._stream, header
                return
            self._check_claim(info)
            with self._archive.open(info) as stream:
                header = _read_header(stream)
                _compare(header, info.file_size - stream.tell())
                yield stream, header

    def _check_claim(self, info: zipfile.ZipInfo) -> None:
        """Refuse a member whose size in the archive's directory cannot be true."""
        if info.compress_type not in _METHODS:
            raise ArraysUnreadable(f"a member that is compressed by method {info.compress_type}")
        stored = info.compress_type == zipfile.ZIP_STORED
        most = info.compress_size * (1 if stored else _DEFLATE_RATIO)
        if info.compress_size > self._size_bytes or info.file_size > most:
            raise ArraysUnreadable(
                f"a member that is said to hold {info.file_size:,} bytes in {info.compress_size:,}"
            )


def row_bytes(name: str, header: Header) -> int:
    """Return the bytes of each row of an array whose rows can be streamed."""
    shape = header.shape
    if len(shape) < 2 or header.is_fortran:
        raise ArraysUnreadable(
            f"{_named(name)} of shape {shape}{' in Fortran order' if header.is_fortran else ''}; "
            "rows of numbers in C order are needed"
        )
    size_bytes = math.prod(shape[1:]) * header.dtype.itemsize
    if not 0 < size_bytes <= LARGEST_ROW_BYTES:
        raise ArraysUnreadable(f"{_named(name)} of shape {shape}, with {size_bytes:,} bytes a row")
    return size_bytes


def _read_header(stream: IO[bytes]) -> Header:
    version = np.lib.format.read_magic(stream)
    if version not in _VERSIONS:
        raise ArraysUnreadable(f"an array in version {version} of numpy's format")
    read = (np.lib.format.read_array_header_1_0 if version == (1, 0)
            else np.lib.format.read_array_header_2_0)  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers that Python 2 wrote, or damage
        try:
            shape, is_fortran, dtype = read(stream)
        except Exception as error:  # a header is a Python literal, which fails in as many ways
            raise ArraysUnreadable("a header that numpy did not write") from error
    if len(shape) > _MOST_DIMENSIONS or any(
        isinstance(size, bool) or not 0 <= size < 1 << 62 for size in shape
    ):
        raise ArraysUnreadable(f"the shape {str(shape)[:80]}")
    if dtype.hasobject:
        raise ArraysUnreadable("an array of pickled Python objects")
    if dtype.names is not None or dtype.subdtype is not None or dtype.kind not in "biufcSUmM":
        raise ArraysUnreadable(f"an array of dtype {str(dtype)[:80]}")
    return Header(tuple(int(size) for size in shape), dtype, is_fortran and len(shape) > 1)


def _compare(header: Header, held_bytes: int) -> None:
    if header.size_bytes != held_bytes:
        raise ArraysUnreadable(
            f"a header of shape {header.shape} and dtype {header.dtype}, which is "
            f"{header.size_bytes:,} bytes, before {held_bytes:,} bytes"
        )


def _take(stream: IO[bytes], size_bytes: int) -> bytearray:
    # In pieces: what is claimed and not there takes no memory.
    taken = bytearray()
    while len(taken) < size_bytes:
        piece = stream.read(min(_CHUNK_BYTES, size_bytes - len(taken)))
        if not piece:
            raise ArraysUnreadable(f"{len(taken):,} of {size_bytes:,} bytes")
        taken += piece
    return taken


def _named(name: str) -> str:
    return f"an array '{name}'" if name else "an array"


@contextmanager
def _explained(name: str = SINGLE) -> Iterator[None]:
    """Turn the exceptions of numpy, zipfile and zlib on damaged files into one error."""
    try:
        yield
    except ArraysUnreadable as error:
        if not name or f"'{name}'" in str(error):
            raise
        raise ArraysUnreadable(f"in the array '{name}' {error}") from error
    except Unreadable as error:
        raise ArraysUnreadable(str(error)) from error
    except Exception as error:
        # An archive is read by three libraries, each of which has its own errors for damage.
        said = " ".join(str(error).split())[:200]
        raise ArraysUnreadable(said or type(error).__name__) from error
