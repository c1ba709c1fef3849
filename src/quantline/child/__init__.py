"""Calls of functions in a child process, so that a crash in native code becomes an error."""

from quantline.child.run import LOADING, captured_output, run_in_child, stage

__all__ = ["LOADING", "captured_output", "run_in_child", "stage"]
