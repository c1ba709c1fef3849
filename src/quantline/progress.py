"""Progress bars on the terminal for work that takes more than two seconds."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")
_PATIENCE_S = 2.0


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield ``items``, with a bar on stderr once two seconds have passed.

    Nothing is drawn where stderr is not a terminal: logs stay readable.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    start, bar, task = time.monotonic(), None, None
    done = 0
    try:
        for item in items:
            if bar is None and time.monotonic() - start > _PATIENCE_S:
                bar = Progress(
                    TextColumn("{task.description}"),
                    BarColumn(),
                    MofNCompleteColumn(),
                    TimeRemainingColumn(),
                    console=Console(stderr=True),
                    transient=True,
                )
                bar.start()
                task = bar.add_task(description, total=total, completed=done)
            yield item
            done += 1
            if bar is not None and task is not None:
                bar.update(task, completed=done)
    finally:
        if bar is not None:
            bar.stop()


@contextmanager
def waiting(description: str) -> Iterator[None]:
    """Show a spinner on stderr while something runs whose progress cannot be seen."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(description):
        yield
