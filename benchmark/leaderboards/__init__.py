"""Metrics of several runs side by side."""
