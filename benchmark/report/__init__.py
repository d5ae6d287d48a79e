"""The report of a run: one page that explains itself, the same as text and figures, a table for terminals."""

from __future__ import annotations

from benchmark.report.markdown import markdown as markdown
from benchmark.report.page import page as page
from benchmark.report.render import render as render, write_report as write_report
from benchmark.report.terminal import verdict_table as verdict_table

__all__ = ["markdown", "page", "render", "verdict_table", "write_report"]
