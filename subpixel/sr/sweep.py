"""Several seeds of one experiment: how far its scores depend on chance."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from subpixel.sr.config import Experiment
from subpixel.sr.experiment import run
from subpixel.sr.files import write_json
from subpixel.sr.training.parallel import is_first
from subpixel.sr.workdir import check_workdir


def run_sweep(
    experiment: Experiment,
    seeds: Sequence[int],
    workdir: Path,
    root: Path | None,
    console: Console,
    profile: bool = False,
) -> int:
    """Runs an experiment once for each seed; the same call goes on where it stopped.

    Args:
      experiment: what to do; its own seed is not used.
      seeds: which differ.
      workdir: each run is left in its `seed-N`, and their mean and spread in its `sweep.json`.
      root: where data sets lie, or None.
      console: where progress and results are shown.
      profile: whether a few steps of each run are traced.

    Returns:
      The exit code of the command: that of the first run which was stopped, or 0.

    Raises:
      InputError: as `run`.
    """
    runs = {seed: workdir / f"seed-{seed}" for seed in seeds}
    for seed, folder in runs.items():
        one = replace(experiment, seed=seed)
        check_workdir(folder, one)
        # The page is the last thing that a run writes.
        if (folder / "report.html").exists():
            console.print(f"seed {seed} is finished: {folder}", soft_wrap=True)
        elif code := run(one, folder, root, console, profile):
            return code
    if not is_first():
        return 0
    results = {
        seed: json.loads((folder / "comparison.json").read_text())["upsamplers"]
        for seed, folder in runs.items()
    }
    summary = summarise_sweep(results)
    write_json(workdir / "sweep.json", {"seeds": list(seeds), "upsamplers": summary})
    console.print(_table(summary, len(seeds)))
    return 0


def summarise_sweep(results: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Returns mean, sample standard deviation and values, by upsampler, figure and benchmark.

    Args:
      results: by seed, "upsamplers" of comparison.json.
    """
    first = next(iter(results.values()))

    def spread(name: str, figure: str, benchmark: str) -> dict[str, Any]:
        values = [result[name][figure][benchmark] for result in results.values()]
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return {"mean": statistics.fmean(values), "std": deviation, "values": values}

    return {
        name: {
            figure: {benchmark: spread(name, figure, benchmark) for benchmark in entry[figure]}
            for figure in ("psnr", "ssim")
        }
        for name, entry in first.items()
    }


def _table(summary: dict[str, Any], count: int) -> Table:
    title = f"PSNR dB, mean ± sample standard deviation of {count} seeds"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for benchmark in next(iter(summary.values()))["psnr"]:
        table.add_column(benchmark, justify="right")
    for name, scores in summary.items():
        cells = (
            f"{entry['mean']:.3f}" + ("" if entry["std"] is None else f" ± {entry['std']:.3f}")
            for entry in scores["psnr"].values()
        )
        table.add_row(name, *cells)
    return table
