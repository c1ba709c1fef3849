"""The import of TensorFlow, quiet and without unneeded packages."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

# Keras imports these where it finds them: for plots, data frames and scikit-learn's wrappers.
_EXTRAS_OF_KERAS = ("matplotlib", "pandas", "scipy", "sklearn")
_left_out: list[str] = []


def leave_out_extras() -> None:
    """Hide Keras's optional packages from it, in a process that only loads models.

    TensorFlow imports Keras, and with them that takes half as long again. Whatever else imports
    them still gets them.
    """
    _left_out[:] = _EXTRAS_OF_KERAS


def tensorflow() -> ModuleType:
    """Import TensorFlow and return it, silently.

    TensorFlow 2.21 writes notices to stderr before its own log level is read, so the file
    descriptor is turned away for the time of the import. Errors are exceptions and still come out.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if "tensorflow" not in sys.modules:
        with silenced_stderr(), _no_garbage(), _hidden(_left_out):
            importlib.import_module("tensorflow")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)
    from absl import logging as absl_logging

    absl_logging.set_verbosity(absl_logging.ERROR)
    return importlib.import_module("tensorflow")


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Discard what native code writes to stderr; Python's exceptions still come out."""
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Disable the garbage collector meanwhile, and exempt the objects of an import from it.

    The garbage collector would walk through a million objects of TensorFlow's time and again: as
    they are made, and whenever the public converter converts, which collects each time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


@contextmanager
def _hidden(names: Sequence[str]) -> Iterator[None]:
    """Hide packages that are not loaded yet, as if they were not installed."""
    new = {name: None for name in names if name not in sys.modules}
    sys.modules.update(new)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in new:
            del sys.modules[name]
