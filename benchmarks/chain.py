"""A finished run of the chain, of which one result at a time is another: do its nodes mind?"""

from __future__ import annotations

import contextlib
import io
import os
from typing import TYPE_CHECKING, Any

from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import DatasetError

from quantline.errors import QuantlineError
from quantline.release.gate import structural

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


# They start processes of their own, or run a model many times: seconds each.
SLOW = {
    "import_model", "lint_calibration", "check_convergence", "record_ranges", "convert",
    "make_golden", "check_golden", "measure_kernels", "measure_layers", "predict_edgetpu",
    "compile_edgetpu",
}  # fmt: skip


class Chain:
    """The nodes and results of a project in which the chain has run; the current folder is its."""

    def __init__(self, folder: Path, more: Collection[str] = ()) -> None:
        """Load every result.

        Args:
            folder: The project.
            more: Pipelines that have run in addition to the chain.
        """
        os.chdir(folder)
        bootstrap_project(folder)
        with KedroSession.create(folder) as session:
            self.catalog = session.load_context().catalog
        nodes = [
            node
            for name in ("__default__", *more)
            for node in pipelines[name].nodes
            # They need the registry, which is not the copy's.
            if node.name not in {"fetch_champion", "release"}
        ]
        self.nodes = list({node.name: node for node in nodes}.values())
        names = {name for node in self.nodes for name in node.inputs}
        self.values = {name: self.catalog.load(name) for name in names}
        # That the candidate runs was seen, and it is the same model each time.
        structural.try_to_run = lambda *_, **__: None

    def checked(self) -> list[str]:
        """Return the names of all results whose entry names a schema, also of unread ones."""
        names = {name for node in self.nodes for name in (*node.inputs, *node.outputs)}
        return sorted(name for name in names if getattr(self.catalog[name], "schema", None))

    def readers(self, name: str, *, slow: bool = True) -> list[Any]:
        """Return the nodes that read a result, without the slow ones if so asked."""
        return [
            node for node in self.nodes if name in node.inputs and (slow or node.name not in SLOW)
        ]

    def attempt(self, name: str, content: bytes, scratch: Path, nodes: Collection[Any]) -> str:
        """Read other content in place of a result, and run nodes on it.

        Args:
            name: The result.
            content: What its file holds now.
            scratch: A file to write it to.
            nodes: Those to run on what was read.

        Returns:
            ``refused``, ``read``, or ``read, then refused by NODE``.

        Raises:
            Exception: Anything but an error of Quantline's own: that is a defect.
        """
        entry = self.catalog[name]
        scratch.write_bytes(content)
        try:
            value = type(entry)(filepath=str(scratch), schema=entry.schema).load()
        except DatasetError as error:
            if not isinstance(error.__cause__, QuantlineError):
                raise
            paragraph(error.__cause__)
            return "refused"
        for node in nodes:
            inputs = {model_input: self.values[model_input] for model_input in node.inputs} | {
                name: value
            }
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    outputs = node.run(inputs)
                for result, written in outputs.items():
                    entry = self.catalog[result]
                    if hasattr(entry, "write"):
                        entry.write(written)
            except QuantlineError as error:
                paragraph(error)
                return f"read, then refused by {node.name}"
            except DatasetError as error:
                if not isinstance(error.__cause__, QuantlineError):
                    raise
                return f"read, then refused by {node.name}"
        return "read"


def paragraph(error: QuantlineError) -> None:
    """Check that an error can be printed, and is short enough to be read."""
    text = str(error)
    text.encode()
    assert "\n" not in text  # noqa: S101
    assert len(text) < 5000, text[:300]  # noqa: S101
