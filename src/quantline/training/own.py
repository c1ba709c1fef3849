"""A training of the user's own: checked before it is paid for, run, and recorded."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantline.child import run_in_child
from quantline.errors import QuantlineError
from quantline.files import make_folder
from quantline.temporary import temporary_folder
from quantline.training.model_files import Content, sha256_of_model, write_model
from quantline.training.own_command import run_command
from quantline.training.own_function import call_function, check_function
from quantline.training.own_split import OwnSplit
from quantline.training.train import Trained

if TYPE_CHECKING:
    from quantline import recipe
    from quantline.training.own_function import Made

_IMPORT_S = 600
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OwnTraining:
    """A training by a function or a command of the user's, checked as far as it can be.

    Attributes:
        dataset: Where examples come from and how they become model input.
        training: The function or the command, and what it is given.
        split: The examples.
        start: The model to go on from; None for none.
    """

    dataset: recipe.Dataset
    training: recipe.Training
    split: OwnSplit
    start: Content | None = None

    @classmethod
    def prepare(
        cls, dataset: recipe.Dataset, training: recipe.Training, start: Content | None = None
    ) -> OwnTraining:
        """Check what can be checked before the training.

        Raises:
            QuantlineError: The split cannot be used, as :meth:`OwnSplit.open` lists it.
            ParameterError: The function cannot be imported, or takes other arguments.
        """
        split = OwnSplit.open(dataset, training.split)
        if training.function is not None:
            run_in_child(
                check_function, training, what=f"the import of '{training.function}'",
                timeout_s=_IMPORT_S,
            )  # fmt: skip
        return cls(dataset, training, split, start)

    def train(self, log: Path) -> Trained:
        """Train, and return the model.

        Args:
            log: A file that gets what the function or the command, and the framework, write.

        Raises:
            QuantlineError: An example cannot be read.
            ParameterError: The function cannot be imported.
            ConversionError: It raises, or gives something else than a model.
            ProcessError: Its process died, or took longer than it may.
            OutOfMemory: Memory ran out, or something else ended it with SIGKILL.
        """
        make_folder(log.parent)
        log.touch()
        shown = log.relative_to(Path.cwd()) if log.is_relative_to(Path.cwd()) else log
        logger.info("the training writes to '%s'", shown)
        with temporary_folder() as folder:
            start = None if self.start is None else write_model(folder / "start.keras", self.start)
            try:
                made = self._run(start, log)
            except QuantlineError as error:
                if log.stat().st_size:
                    error.found += f"; its log is '{shown}'"
                    error.details = ""
                raise
        examples = len(self.split.ids)
        logger.info(
            "trained by %s on %s examples ('%s')%s",
            self.training.trainer, f"{examples:,}", self.training.split, _reached(made),
        )  # fmt: skip
        return Trained(made.content, self._about(made))

    def _run(self, start: Path | None, log: Path) -> Made:
        if self.training.function is None:
            return run_command(self.split, self.training, start, log)
        return run_in_child(
            call_function, self.dataset, self.training, None if start is None else str(start),
            what=f"the training by '{self.training.function}'",
            timeout_s=self.training.timeout_s, limit="training_timeout_s", output=log,
        )  # fmt: skip

    def _about(self, made: Made) -> dict[str, Any]:
        return {
            "evidence": "measured",
            "sha256": sha256_of_model(made.content),
            "start_sha256": None if self.start is None else sha256_of_model(self.start),
            "parameters": self.training.used,
            "examples": len(self.split.ids),
            "history": made.history,
        }


def _reached(made: Made) -> str:
    last = {name: numbers[-1] for name, numbers in made.history.items() if numbers}
    shown = [f"{name} {number:.4g}" for name, number in last.items() if number is not None]
    if not shown:
        return ""
    epochs = max(map(len, made.history.values()))
    return f": after {epochs} {'epoch' if epochs == 1 else 'epochs'} {', '.join(shown[:4])}"
