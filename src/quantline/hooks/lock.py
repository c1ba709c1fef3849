"""The lock of the data folder, for as long as a run lasts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kedro.framework.hooks import hook_impl

from quantline import recipe
from quantline.configuration import data_folder
from quantline.files import remove_partials
from quantline.run_lock import RunLock

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext


class LockDataFolder:
    """The hook that lets one run at a time write to a data folder."""

    def __init__(self) -> None:
        self._context: KedroContext | None = None
        self._lock: RunLock | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember the context, which names the data folder."""
        self._context = context

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self) -> None:
        """Take the lock, and remove what a killed run left half-written.

        Raises:
            RunInProgress: Another run holds it.
        """
        self.release()  # of a run in this process that was interrupted
        assert self._context is not None  # noqa: S101 - no run without one
        folder = Path(self._context.project_path) / data_folder(self._context.config_loader)
        limits = recipe.check(recipe.Limits, self._context.params.get("limits", {}))
        self._lock = RunLock.acquire(folder, limits.lock_wait_s)
        for layer in (folder, *(path for path in folder.glob("*/") if path.name != "01_raw")):
            remove_partials(layer)

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        """Release the lock."""
        self.release()

    @hook_impl(trylast=True)
    def on_pipeline_error(self) -> None:
        """Release the lock."""
        self.release()

    def release(self) -> None:
        """Release the lock, if it is held."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
