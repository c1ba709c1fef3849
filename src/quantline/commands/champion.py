"""``quantline champion``: the model that is out, and those before it."""

from __future__ import annotations

import click

from quantline.commands.command import Command, Result
from quantline.commands.registered import lines, open_registry, registry_options, told
from quantline.tables import pairs, table


@click.command("champion", cls=Command)
@registry_options
def champion(model: str | None, env: str | None) -> Result:
    """Show the champion with its lineage: what it was made from, and the champions before it.

    \b
        quantline champion
        quantline champion --json | jq .lineage

    Exit status: 2 if there is none.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from quantline.release.answers import translated
    from quantline.release.registry import CHALLENGER, PREVIOUS, PROMOTED

    registry = open_registry(model, env)
    with translated(f"read the registered model '{registry.name}'"):
        lineage = registry.lineage()
        challenger = registry.version_of(CHALLENGER)
    rows = [("champion", f"{registry.name}, version {lineage[0].version}"), *lines(lineage[0])]
    if challenger is not None:
        rows.append(
            ("challenger", f"version {challenger.version}; 'quantline promote' approves it")
        )
    text = pairs(rows)
    if len(lineage) > 1:
        headings = ("version", "promoted", "after", "run")
        past = [
            (str(other.version), other.tags.get(PROMOTED, ""), other.tags.get(PREVIOUS, ""),
             other.run_id or "")
            for other in lineage
        ]  # fmt: skip
        text += f"\n\n{table(headings, past)}"
    values = {
        "model": registry.name,
        "champion": told(lineage[0]),
        "challenger": None if challenger is None else told(challenger),
        "lineage": [told(item) for item in lineage],
    }
    return Result(text, values)
