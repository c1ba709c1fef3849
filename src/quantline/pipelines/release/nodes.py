"""Nodes of the ``release`` stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline import recipe
from quantline.release import connect
from quantline.release import release as release_candidate

if TYPE_CHECKING:
    from quantline.release import Project


def release(parameters: dict[str, Any], project: Project, *recorded: Any) -> dict[str, Any]:
    """Record everything, and register the candidate if it passed its gate.

    Args:
        parameters: All parameters.
        project: The project, which names the files.
        recorded: What is in the files; that they are there is all that matters here.
    """
    settings = recipe.check(recipe.Release, parameters["release"])
    return release_candidate(connect(project), project, parameters, settings)
