"""What `python -m subpixel figures table` does."""

from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console

from subpixel.errors import InputError
from subpixel.evaluation.figures import Figures
from subpixel.evaluation.table import figures_table, read_figures


@dataclass(frozen=True)
class FiguresTable:
    """Puts the figures of several JSON files of eval.py into one table, with what differs in how
    they were measured."""

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Files that `eval.py --json=FILE` wrote."""


def show_figures(options: FiguresTable) -> int:
    """Prints the table.

    Returns:
      The exit code, 0.

    Raises:
      InputError: if no file is given, or one cannot be read.
    """
    if not options.files:
        raise InputError("name at least one JSON file that eval.py wrote")
    rows: dict[str, dict[str, Figures]] = {}
    for path in options.files:
        for name, figures in read_figures(path).items():
            rows[f"{name} ({path})" if name in rows else name] = figures
    protocols = {result.protocol for figures in rows.values() for result in figures.values()}
    console = Console()
    if len(protocols) == 1:
        console.print(protocols.pop().describe(), soft_wrap=True)
    benchmarks = dict.fromkeys(benchmark for figures in rows.values() for benchmark in figures)
    title = "" if len(protocols) < 2 else "measured by protocols that differ in the columns shown"
    console.print(figures_table(title, rows, list(benchmarks)))
    return 0
