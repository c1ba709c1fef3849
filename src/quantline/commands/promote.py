"""``quantline promote``: make the challenger the champion."""

from __future__ import annotations

import click

from quantline.commands.command import Command, Result
from quantline.commands.registered import open_registry, registry_options, told


@click.command("promote", cls=Command)
@registry_options
def promote(model: str | None, env: str | None) -> Result:
    """Approve the challenger: it becomes the champion.

    It passed its gate when it was registered. If the champion changed since, it is not promoted,
    for it was compared with another one.

    \b
        quantline promote --model fashion_mnist
    """  # noqa: D301 - click's mark for lines that stay as they are
    from quantline.release.promotion import promote as move
    from quantline.release.store_errors import tracking_errors

    registry = open_registry(model, env)
    with tracking_errors(f"promote the challenger of '{registry.name}'"):
        version = move(registry)
    text = f"{registry.name}: version {version.version} is the champion"
    return Result(text, {"model": registry.name, "champion": told(version)})
