"""``python -m quantline`` and ``quantline``: our commands, and Kedro's from a project's folder."""

from __future__ import annotations

import os
import signal
import sys

from quantline.commands import quantline
from quantline.error_output import BROKEN_PIPE, discard_output, output_not_printed, write_line
from quantline.redaction import redact_logs


def main() -> None:
    """Run the command line."""
    # Outside a project no '.telemetry' declines, and Kedro's plugin takes that for consent.
    os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "true")
    # A scheduler's SIGTERM ends a command as Ctrl-C does: its child processes are stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    redact_logs()
    stdout = sys.stdout
    try:
        quantline(prog_name="quantline")
    except SystemExit:
        if sys.stdout is not stdout:  # by click, which met a closed pipe
            raise SystemExit(BROKEN_PIPE) from None
        raise
    except OSError as error:  # where the help, or what is wrong with the options, cannot be printed
        discard_output(sys.stdout)
        write_line(f"Error: {output_not_printed(error)}", sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
