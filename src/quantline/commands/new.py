"""``quantline new``: a project with configuration, stages and an example that runs."""

from __future__ import annotations

import click

from quantline.commands.command import Command, Result
from quantline.tables import pairs


@click.command("new", cls=Command)
@click.argument("folder")
@click.option(
    "--package", metavar="NAME",
    help="The project's own Python package; by default called as the folder.",
)  # fmt: skip
def new(folder: str, package: str | None) -> Result:
    """Make a project in FOLDER, with an example in which 'kedro run' works.

    It has every parameter, the catalog, DVC's stages, schedules for a nightly retraining, a
    dataset with a trained model, and a package for nodes of your own. Nothing is downloaded.

    \b
        quantline new my_project
        cd my_project
        kedro run
    """  # noqa: D301 - click's mark for lines that stay as they are
    from quantline.starter import create_project

    made = create_project(folder, package)
    rows = [
        ("project", str(made.folder)),
        ("package", f"src/{made.package}"),
        ("written", f"{made.files} files, {made.size_bytes / 2**20:.0f} MiB"),
        ("next", f"cd {folder}; kedro run"),
    ]
    values = {
        "project": str(made.folder),
        "package": made.package,
        "files": made.files,
        "size_bytes": made.size_bytes,
    }
    return Result(pairs(rows), values)
