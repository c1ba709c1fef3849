"""Where examples come from and how they become model input."""

from quantline.sampling.manifest import CalibrationSet, draw, stream
from quantline.sampling.sources import Example, Source, open_source
from quantline.sampling.transform import Transform, build_transform

__all__ = [
    "CalibrationSet",
    "Example",
    "Source",
    "Transform",
    "build_transform",
    "draw",
    "open_source",
    "stream",
]
