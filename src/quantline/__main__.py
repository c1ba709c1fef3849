"""``python -m quantline`` and ``quantline``: Kedro's command line, from any folder of a project."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from kedro.framework.cli.cli import main as kedro

    kedro()


if __name__ == "__main__":
    main()
