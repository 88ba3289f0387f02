"""Statistics over the seeds of one experiment."""

import statistics
from collections.abc import Mapping
from typing import Any

from rich.table import Table


def summarise_seeds(results: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns mean, sample standard deviation and values, by upsampler, score and benchmark.

    Args:
      results: "upsamplers" of comparison.json, by seed.
    """
    first = next(iter(results.values()))

    def spread(upsampler: str, score: str, benchmark: str) -> dict[str, Any]:
        values = [result[upsampler][score][benchmark] for result in results.values()]
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return {"mean": statistics.fmean(values), "std": deviation, "values": values}

    return {
        upsampler: {
            score: {benchmark: spread(upsampler, score, benchmark) for benchmark in entry[score]}
            for score in ("psnr", "ssim")
        }
        for upsampler, entry in first.items()
    }


def seeds_table(summary: Mapping[str, Any], count: int) -> Table:
    """Returns the PSNR of every upsampler and benchmark.

    Args:
      summary: as from `summarise_seeds`.
      count: number of seeds.
    """
    title = f"PSNR dB, mean ± sample standard deviation of {count} seeds"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for benchmark in next(iter(summary.values()))["psnr"]:
        table.add_column(benchmark, justify="right")
    for upsampler, scores in summary.items():
        cells = (
            f"{entry['mean']:.3f}" + ("" if entry["std"] is None else f" ± {entry['std']:.3f}")
            for entry in scores["psnr"].values()
        )
        table.add_row(upsampler, *cells)
    return table
