"""The run's results in one place: a file, a table on the terminal, a picture."""

from quantline.report.plot import draw_summary
from quantline.report.summary import summarize
from quantline.report.table import summary_table

__all__ = ["draw_summary", "summarize", "summary_table"]
