"""The run's results in one place: a file, a table on the terminal, a picture."""

from quantline.report.summary import draw_summary, key_figures, summarize
from quantline.report.table import print_results, schemes_table, summary_table

__all__ = [
    "draw_summary", "key_figures", "print_results", "schemes_table", "summarize",
    "summary_table",
]  # fmt: skip
