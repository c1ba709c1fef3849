"""New projects: the repository's own configuration and example, and a package for one's nodes."""

from quantline.starter.content import logging_settings
from quantline.starter.create import NewProject, create_project

__all__ = ["NewProject", "create_project", "logging_settings"]
