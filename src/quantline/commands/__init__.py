"""The command line: one file a command; importing this package loads none of them."""

from quantline.commands.group import quantline

__all__ = ["quantline"]
