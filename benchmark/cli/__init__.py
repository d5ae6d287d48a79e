"""The command line."""

from benchmark.cli.app import main as main
