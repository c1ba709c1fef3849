"""The run's results in one place: a file, a table on the terminal, a picture."""

from quantline.report.key_figures import key_figures
from quantline.report.plot import draw_summary
from quantline.report.printing import print_results
from quantline.report.schemes import schemes_table
from quantline.report.summary import summarize
from quantline.report.table import summary_table

__all__ = [
    "draw_summary",
    "key_figures",
    "print_results",
    "schemes_table",
    "summarize",
    "summary_table",
]
