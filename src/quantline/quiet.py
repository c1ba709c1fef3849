"""TensorFlow without its chatter: notices on import that no setting turns off, and its loggers."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


def tensorflow() -> ModuleType:
    """Import TensorFlow and return it, silently.

    TensorFlow 2.21 writes notices to stderr before its own log level is read, so the file
    descriptor is turned away for the time of the import. Errors are exceptions and still come out.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with stderr_turned_away():
        import tensorflow as tf  # type: ignore[import-untyped,unused-ignore]
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)
    from absl import logging as absl_logging

    absl_logging.set_verbosity(absl_logging.ERROR)
    module: ModuleType = tf
    return module


@contextmanager
def stderr_turned_away() -> Iterator[None]:
    """Send what native code writes to stderr to nowhere; Python's exceptions still come out."""
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)
