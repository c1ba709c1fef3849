"""The pipeline's names for the library's Python arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.arguments import as_parameter, as_run, either
from quantline.recipe import parameter_keys

if TYPE_CHECKING:
    from quantline.arguments import Words


def pipeline_words(env: str | None = None) -> Words:
    """Return what the pipeline calls the library's arguments: parameters, and its own options.

    Args:
        env: The environment that it runs in; None for the project's own.
    """
    return either(as_parameter(parameter_keys()), as_run(env))
