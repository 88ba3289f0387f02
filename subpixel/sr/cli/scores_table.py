"""The command `scores table`."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from subpixel.sr._support.console import make_console
from subpixel.sr._support.errors import InputError
from subpixel.sr.evaluation.scores import Scores
from subpixel.sr.evaluation.table import read_scores, scores_table


@dataclass(frozen=True)
class Options:
    """Puts the scores of several JSON files of eval.py into one table, with the differences between
    their protocols."""

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Files that `eval.py --json=FILE` wrote."""


def run(options: Options) -> int:
    """Prints the table."""
    if not options.files:
        raise InputError("name at least one JSON file that eval.py wrote")
    rows: dict[str, dict[str, Scores]] = {}
    for path in options.files:
        for name, scores in read_scores(path).items():
            rows[f"{name} ({path})" if name in rows else name] = scores
    protocols = {result.protocol for scores in rows.values() for result in scores.values()}
    console = make_console()
    if len(protocols) == 1:
        console.print(protocols.pop().describe(), soft_wrap=True)
    benchmarks = dict.fromkeys(benchmark for scores in rows.values() for benchmark in scores)
    title = "" if len(protocols) < 2 else "measured by protocols that differ in the columns shown"
    console.print(scores_table(title, rows, list(benchmarks)))
    return 0
