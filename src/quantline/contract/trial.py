"""A trial run of an untrusted model in a child process."""

from __future__ import annotations

import os
import resource

import numpy as np

from quantline.child import run_in_child, stage
from quantline.errors import ModelUnsupported, OutOfMemory, ProcessError, first_line
from quantline.tflite import Runtime, read


def try_to_run(model: bytes, timeout_s: float = 60.0, name: str = "the model") -> None:
    """Load a model and run it once on zeros, in a child process.

    Only a readable model gets that far; but kernels check the demands on their operators
    themselves, and some fail with a crash. LiteRT 2.3, for one, reads where there is
    nothing if the zero point of a quantized input is one that its type does not have.

    Args:
        model: A ``.tflite`` file's bytes, of any origin.
        timeout_s: After how many seconds the child is ended.
        name: The model's name in an error.

    Raises:
        ModelError: There are no bytes.
        ModelUnreadable: The bytes are not a whole ``.tflite`` file.
        ModelUnsupported: The runtime refuses the model.
        ProcessError: The runtime crashed, or took too long.
    """
    read(model, name)
    try:
        run_in_child(_run, model, name, what=f"a trial run of {name}", timeout_s=timeout_s)
    except OutOfMemory:  # it may be the machine's, not the model's
        raise
    except ProcessError as crash:
        raise ProcessError(
            crash.what,
            found=crash.found,
            expected=f"a model that runs once on zeros within {timeout_s:g} s",
            remedy="Do not run it outside a child process; it is damaged, or made for another "
            "runtime, or too large for this machine",
        ) from crash


def _run(model: bytes, name: str) -> None:
    # Without a limit, tensors of absurd size would have the system end other processes.
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (memory, hard))
    try:
        stage("loading")
        runtime = Runtime(model, 1)
        runtime.set(*(np.zeros(port.shape, port.dtype) for port in runtime.inputs))
        stage("running")
        runtime.invoke()
    except (ModelUnsupported, RuntimeError, ValueError, MemoryError) as error:
        raise ModelUnsupported(
            f"The LiteRT runtime cannot run {name}",
            found=error.found if isinstance(error, ModelUnsupported) else first_line(error),
            expected="a model that runs once on zeros",
            remedy="Use a model of builtin operators that LiteRT knows, with sound parameters",
        ) from error
