"""A model with its constants behind the tables, as files of more than 2 GB have them."""

from __future__ import annotations

from quantline.tflite.edit import pack
from quantline.tflite.graph import parse

_ALIGNED = 16


def with_constants_behind(model: bytes) -> bytes:
    """Move every constant out of its table; the tables say where it is (``Buffer.offset``)."""
    tree = parse(model)
    constants = [(other, bytes(other.data)) for other in tree.buffers if other.data is not None]

    def packed(start: int) -> bytes:
        at = start
        for buffer, data in constants:
            buffer.data, buffer.offset, buffer.size = None, at, len(data)
            at += -(-len(data) // _ALIGNED) * _ALIGNED
        return pack(tree, 1 << 16)

    start = -(-len(packed(1 << 20)) // _ALIGNED) * _ALIGNED
    content = packed(start).ljust(start, b"\0")
    for _, data in constants:
        content += data.ljust(-(-len(data) // _ALIGNED) * _ALIGNED, b"\0")
    return content
