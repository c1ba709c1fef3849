"""Sketches of whole arrays."""

import numpy as np

from quantline.ranges.sketch import Sketch, codes


def sketch_of(values: np.ndarray) -> Sketch:
    """Return the sketch of finite float32 values, an array of any shape."""
    return Sketch.from_dense(np.bincount(codes(np.ravel(values)), minlength=0))
