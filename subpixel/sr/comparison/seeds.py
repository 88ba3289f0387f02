"""Statistics over the seeds of one experiment."""

import statistics
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from subpixel.sr.comparison.result import Comparison


def summarise_seeds(results: Mapping[int, Comparison]) -> dict[str, Any]:
    """Returns mean, sample standard deviation and values of every score, as in sweep.json.

    Returns:
      ``{"seeds": [...], "upsamplers": {name: {"psnr": {benchmark: {"mean": ..., "std": ...,
      "values": [...]}}, "ssim": ...}}}``. The mean is None if a value is not known, and so is the
      deviation, also if there is one value only.
    """
    first = next(iter(results.values()))
    upsamplers = {}
    for name in first.upsamplers:
        upsamplers[name] = {}
        for metric in ("psnr", "ssim"):
            scores = [getattr(result.upsamplers[name], metric) for result in results.values()]
            upsamplers[name][metric] = {
                benchmark: _statistic([of[benchmark] for of in scores]) for benchmark in scores[0]
            }
    return {"seeds": list(results), "upsamplers": upsamplers}


def _statistic(values: list[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    complete = len(known) == len(values)
    return {
        "mean": statistics.fmean(known) if complete else None,
        "std": statistics.stdev(known) if complete and len(known) > 1 else None,
        "values": values,
    }


def seeds_table(result: Mapping[str, Any]) -> Table:
    """Returns a table of the PSNR of every upsampler and benchmark."""
    title = f"PSNR dB, mean ± sample standard deviation of {len(result['seeds'])} seeds"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    upsamplers = result["upsamplers"]
    for benchmark in next(iter(upsamplers.values()))["psnr"]:
        table.add_column(benchmark, justify="right")
    for upsampler, scores in upsamplers.items():
        table.add_row(upsampler, *map(_cell, scores["psnr"].values()))
    return table


def _cell(statistic: Mapping[str, Any]) -> str:
    mean, deviation = statistic["mean"], statistic["std"]
    if mean is None:
        return "?"
    return f"{mean:.3f}" + ("" if deviation is None else f" ± {deviation:.3f}")
