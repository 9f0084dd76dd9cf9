"""Report an experiment: the table of its students on a terminal, in RESULTS.md and in results.json."""

from synthst.report.results import report_results
from synthst.report.rows import ResultRow
from synthst.report.table import print_table, result_table, terminal_table

__all__ = ["ResultRow", "print_table", "report_results", "result_table", "terminal_table"]
