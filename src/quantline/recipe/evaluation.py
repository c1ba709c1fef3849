"""The evaluation of the converted model, on the CPU and on the Edge TPU."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from quantline.recipe.parameters import Parameters, Positive


class Latency(Parameters):
    """The measurement of latency.

    Attributes:
        runs: Timed runs of each model.
        warmup: Runs before them that are not timed.
        threads: CPU threads.
    """

    runs: Positive = 200
    warmup: Positive = 20
    threads: Positive = 1


class EdgeTpu(Parameters):
    """The evaluation on the Edge TPU.

    Attributes:
        runtime_version: The Edge TPU runtime that the model is meant for.
        multiple_subgraphs: Whether every group of operators that the Edge TPU can run is compiled
            (``--enable_multiple_subgraphs``), or the first one alone.
        compiler: ``auto`` compiles where ``edgetpu_compiler`` is on PATH; the path of one must be
            right, and the model must compile; with None nothing is compiled.
        search_delegate: Whether a model that does not compile is cut shorter until it does
            (``--search_delegate``).
        compiler_timeout_s: After how many seconds the compiler is ended.
        device: ``auto`` runs the compiled model where a device is found; a device's name, such as
            ``usb:0``, must be right; with None nothing is run.
        library: The path of ``libedgetpu``; if None, the system's loader finds it.
    """

    runtime_version: Annotated[int, Field(ge=10, le=14)] = 14
    multiple_subgraphs: bool = False
    compiler: str | None = "auto"
    search_delegate: bool = False
    compiler_timeout_s: Positive = 180
    device: str | None = "auto"
    library: str | None = None


class Evaluation(Parameters):
    """The evaluation of the converted model."""

    latency: Latency = Latency()
    edgetpu: EdgeTpu = EdgeTpu()
