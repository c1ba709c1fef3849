"""``python -m quantline`` and ``quantline``: our commands, and Kedro's from a project's folder."""

from __future__ import annotations

import os
import signal

from quantline.commands import quantline
from quantline.redaction import redact_logs


def main() -> None:
    """Run the command line."""
    # Outside a project no '.telemetry' declines, and Kedro's plugin takes that for consent.
    os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "true")
    # A scheduler's SIGTERM ends a command as Ctrl-C does: its child processes are stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    redact_logs()
    quantline(prog_name="quantline")


if __name__ == "__main__":
    main()
