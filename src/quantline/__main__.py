"""``python -m quantline`` and ``quantline``: Kedro's command line, from any folder of a project."""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line."""
    # Outside a project no '.telemetry' declines, and Kedro's plugin takes that for consent.
    os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "true")
    from kedro.framework.cli.cli import main as kedro

    kedro()


if __name__ == "__main__":
    main()
