"""``quantline rollback``: make the previous champion the champion again."""

from __future__ import annotations

import click

from quantline.commands.command import Command, Result
from quantline.commands.registered import open_registry, registry_options, told


@click.command("rollback", cls=Command)
@click.option("--reason", required=True, help="Why; it is kept with the version that goes.")
@registry_options
def rollback(reason: str, model: str | None, env: str | None) -> Result:
    """Make the previous champion champion again.

    The version that goes stays registered, with the reason, and is not promoted again by itself.

    \b
        quantline rollback --reason 'too slow on the phone'
    """  # noqa: D301 - click's mark for lines that stay as they are
    from quantline.release.promotion import roll_back
    from quantline.release.store_errors import tracking_errors

    if not reason.strip():
        raise click.UsageError("'--reason' is empty: say why, for whoever looks at it later.")
    registry = open_registry(model, env)
    with tracking_errors(f"roll '{registry.name}' back"):
        before, now = roll_back(registry, reason)
    text = (
        f"{registry.name}: version {now.version} is champion again; version {before.version} went: "
        f"{reason}"
    )
    values = {"model": registry.name, "champion": told(now), "rolled_back": told(before)}
    return Result(text, values)
